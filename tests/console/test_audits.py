"""Audits in the console: asked for in words, decided by another, shown once that is recorded, and refused where it is not one's to see."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from hub.admin.accounts.roles import ADMINISTRATOR, AUDITOR, POLICY
from hub.audit.requests import reading
from hub.audit.requests.folder import Folder
from hub.audit.requests.things import THINGS
from hub.console.workings import Workings
from hub.domain.audit_request import AuditRequest
from hub.domain.instants import LOCAL
from hub.journal.sessions import session
from tests.console.conftest import LOST_CARD, SICHUAN_CARD, Visitor, visitor

WHY = {"purpose": "complaint of a holder", "basis": "audit law 34"}
AHEAD = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def policy(workings: Workings) -> Visitor:
    return visitor(workings, POLICY)


@pytest.fixture(scope="module")
def other(workings: Workings) -> Visitor:
    return visitor(workings, AUDITOR)


def asked(one: Visitor, kind: str, **fields: str) -> str:
    """Asks, and returns the address of the request."""
    response = one.post("/audit/requests/ask", kind=kind, **{**WHY, **fields})
    assert response.status_code == 303, response.text[-800:]
    return str(response.headers["location"])


def found(workings: Workings, path: str) -> AuditRequest:
    with session(workings.dsn, "hub_reader", "test") as connection:
        return reading.find(connection, path.rpartition("/")[2])


def reached(workings: Workings, path: str, *states: str) -> AuditRequest:
    give_up_s = time.monotonic() + WITHIN_S
    while (audit := found(workings, path)).state not in states:
        assert time.monotonic() < give_up_s, (audit.state, audit.reason_code, audit.detail)
        time.sleep(0.05)
    return audit


def refreshed_until(visitor: Visitor, path: str, text: str) -> str:
    """Returns the page as it refreshes itself once it has a text: tabs share the bytes of one moment."""
    give_up_s = time.monotonic() + WITHIN_S
    while text not in (page := visitor.client.get(path, headers={"hx-request": "true"}).text):
        assert time.monotonic() < give_up_s, page
        time.sleep(0.05)
    return page


def test_one_asks_another_approves_and_the_outcome_is_shown_once_that_is_recorded(
    workings: Workings, policy: Visitor, other: Visitor
) -> None:
    path = asked(policy, "record")
    assert "to be approved" in policy.get(path) and "Approve" not in policy.get(path)
    assert "Approve" in other.get(path)
    assert other.post(f"{path}/decide", approve="1").status_code == 303
    audit = reached(workings, path, "DELIVERED")
    assert [audit.requested.by.name, audit.decided_by and audit.decided_by.name] == [policy.name, other.name]
    # What refreshes itself, and what is shared, has no outcome.
    assert "altered; each of" not in refreshed_until(policy, path, "See the outcome")
    assert len(found(workings, path).steps) == len(audit.steps)
    assert "No alteration was found" in policy.get(f"{path}/outcome")
    given = policy.post(f"{path}/files", part="1")
    assert given.content == Folder(workings.config.data_dir, audit.code).file(1).read_bytes()  # type: ignore[arg-type, attr-defined]
    steps = found(workings, path).steps
    assert [(step.kind, step.message.by.name, step.message.part) for step in steps[-2:]] == [("audit_shown", policy.name, 1)] * 2
    bundle = policy.post(f"{path}/bundle")
    assert bundle.status_code == 200 and b"bundle.json" in bundle.content[:1_024], bundle.text[-600:]
    assert policy.post(f"{path}/files", part="4").status_code == 404
    assert policy.post(f"{path}/files", part="x").status_code == 400


def test_who_asked_does_not_decide_and_the_page_says_so(workings: Workings, other: Visitor) -> None:
    path = asked(other, "record")
    assert "another person decides" in other.get(path)
    for fields in ({"approve": "1"}, {"reason": "NO_BASIS"}):
        response = other.post(f"{path}/decide", **fields)
        assert response.status_code == 400 and "another person has to" in response.text
    administrator = visitor(workings, ADMINISTRATOR)
    assert administrator.post(f"{path}/decide", reason="NO_BASIS").status_code == 303
    assert "NO_BASIS" in administrator.get(path)
    assert administrator.client.get(f"{path}/outcome").status_code == 403
    assert other.client.get(f"{path}/outcome").status_code == 400
    assert other.post(f"{path}/cancel").status_code == 400


def test_the_page_of_a_request_is_each_readers_own_although_it_refreshes_itself(workings: Workings, other: Visitor) -> None:
    path, colleague = asked(other, "record"), visitor(workings, AUDITOR)
    pages = [one.get(path) for one in (other, colleague)]
    assert ["Approve" in page for page in pages] == [False, True]
    assert [(other.token in page, colleague.token in page) for page in pages] == [(True, False), (False, True)]
    refreshed = [one.client.get(path, headers={"hx-request": "true"}).text for one in (other, colleague)]
    assert [(other.token in page, colleague.token in page) for page in refreshed] == [(True, False), (False, True)]


def test_a_request_is_called_off_and_the_page_that_follows_says_so(workings: Workings, policy: Visitor) -> None:
    path = asked(policy, "record")
    assert "to be approved" in policy.get(path)
    response = policy.post(f"{path}/cancel")
    assert response.status_code == 303 and "called off" in policy.get(str(response.headers["location"]))
    assert found(workings, path).state == "CANCELLED"


def test_a_card_is_an_auditors_of_its_province_to_ask_about_and_to_see(workings: Workings, policy: Visitor, other: Visitor) -> None:
    assert policy.client.get("/audit/requests/ask?kind=card").status_code == 403
    assert policy.post("/audit/requests/ask", kind="card", card=LOST_CARD, issuer="50", **WHY).status_code == 403
    of_sichuan = visitor(workings, AUDITOR, provinces=("51",))
    assert of_sichuan.post("/audit/requests/ask", kind="card", card=LOST_CARD, issuer="50", **WHY).status_code == 403
    path = asked(of_sichuan, "card", card=SICHUAN_CARD, issuer="51")
    assert other.post(f"{path}/decide", approve="1").status_code == 303
    audit = reached(workings, path, "DELIVERED", "FAILED")
    assert audit.state == "DELIVERED", audit.detail
    assert SICHUAN_CARD not in path and SICHUAN_CARD not in other.get(path)
    outcome = of_sichuan.get(f"{path}/outcome")
    assert SICHUAN_CARD not in outcome and 'class="both-times"' in outcome
    of_chongqing = visitor(workings, AUDITOR, provinces=("50",))
    for one in (of_chongqing, policy):
        assert one.client.get(f"{path}/outcome").status_code == 403
        assert one.post(f"{path}/files", part="1").status_code == 403
    assert not re.search(r"audit_shown.*(user-x)", str(found(workings, path).steps))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "record", "purpose": " "}, "Purpose: "),
        ({"kind": "record", "basis": ""}, "Legal basis: "),
        ({"kind": "record", "purpose": "A12345678 complained"}, "Purpose: It looks as if it named a person or a card"),
        ({"kind": "record", "since": "tomorrow"}, "not of the form"),
        ({"kind": "record", "since": AHEAD}, "beyond what is recorded"),
        ({"kind": "record", "since": "1999-01-01"}, "Nothing was recorded by then"),
        ({"kind": "answers", "from": "2020-01-02", "to": "2020-01-01"}, "Nothing was recorded by then"),
        ({"kind": "answers", "from": "2020-01-02", "to": ""}, "not of the form"),
        ({"kind": "rules", "from": "2020-01-01", "to": AHEAD}, "beyond what is recorded"),
        ({"kind": "rules", "from": "2020-01-01", "to": "2020-02-01", "rules": "xyz"}, "not of the form"),
        ({"kind": "terms", "from": "2020-01-01", "to": "2020-02-01", "agreement": "NONE", "change": "valid_from"}, "not of the form"),
        ({"kind": "card", "card": "", "issuer": "50"}, "not of the form"),
        ({"kind": "card", "card": "12", "issuer": "50"}, "Card number: "),
        ({"kind": "person", "card": "", "issuer": "50"}, "not of the form"),
        ({"kind": "person", "card": LOST_CARD, "issuer": "50", "valid": "soon"}, "not of the form"),
        ({"kind": "person", "card": LOST_CARD, "issuer": "50", "at": AHEAD}, "beyond what is recorded"),
        ({"kind": "case", "handling_province": "52", "case_no": "N1"}, "Handling side (50 Chongqing, 51 Sichuan): "),
        ({"kind": "case", "handling_province": "51", "case_no": "500199194001010010"}, "Number of the case: "),
        ({"kind": "filing", "insured_province": "50", "filing_no": ""}, "Number of the filing: "),
        ({"kind": "loan", "barcode": "x" * 65}, "Barcode: "),
        ({"kind": "concession", "card": LOST_CARD, "issuer": "50", "region": "5"}, "Region: "),
        ({"kind": "concession", "card": LOST_CARD, "issuer": "50"}, "Region: "),
        ({"kind": "item", "province": "50", "item_code": ""}, "Id, base code or implementing code: "),
        ({"kind": "count", "month": "2026-13"}, "A month is written such as"),
        ({"kind": "count", "month": "2026-02", "day": "2026-02-01"}, "A month is written such as"),
        ({"kind": "count"}, "Business day: "),
        ({"kind": "nothing"}, "no such page"),
    ],
)
def test_bad_input_is_refused_by_name_and_nothing_is_recorded(
    workings: Workings, other: Visitor, fields: dict[str, str], said: str
) -> None:
    with session(workings.dsn, "hub_reader", "test") as connection:
        before = reading.REQUESTS.count(connection)
    response = other.post("/audit/requests/ask", **{**WHY, **fields})
    assert response.status_code in (400, 404) and said in response.text, response.text[-600:]
    with session(workings.dsn, "hub_reader", "test") as connection:
        assert reading.REQUESTS.count(connection) == before


def test_a_thing_of_a_person_is_an_auditors_of_its_province_to_ask_about(workings: Workings, policy: Visitor) -> None:
    of_sichuan = visitor(workings, AUDITOR, provinces=("51",))
    assert of_sichuan.post("/audit/requests/ask", kind="filing", insured_province="50", filing_no="F1", **WHY).status_code == 403
    # A settlement may be of either province.
    assert of_sichuan.post("/audit/requests/ask", kind="settlement", settlement_id="S1", **WHY).status_code == 403
    path = asked(of_sichuan, "filing", insured_province="51", filing_no="F1")
    for one in (policy, visitor(workings, AUDITOR, provinces=("50",))):
        assert one.client.get(f"{path}/outcome").status_code == 403
    assert policy.client.get("/audit/requests/ask?kind=loan").status_code == 403
    assert "Number of the case" in policy.get("/audit/requests/ask?kind=case")


def test_a_form_that_is_refused_is_shown_again_with_what_was_typed_in_the_readers_language(workings: Workings) -> None:
    now = (datetime.now(LOCAL) - timedelta(seconds=1)).strftime("%Y-%m-%d %H:%M:%S")
    typed = {"kind": "rules", "from": "2020-01-01", "to": now, "parameter": "tempLossDays", "value": "很快", "inputs": "rebuilt", **WHY}
    response = visitor(workings, POLICY, lang="zh").post("/audit/requests/ask", **typed)
    assert response.status_code == 400, response.text[-600:]
    for kept in ("2020-01-01", now, "很快", *WHY.values()):
        assert f'value="{kept}"' in response.text, kept
    assert '<option value="tempLossDays" selected>' in response.text and '<option value="rebuilt" selected>' in response.text
    assert "所列改动无法试行" in response.text and "0–36,500" in response.text
    # The day is explained with an example; the number of a card is not given back.
    unread = visitor(workings, AUDITOR, lang="zh").post("/audit/requests/ask", kind="card", card=LOST_CARD, issuer="51", at="昨天", **WHY)
    assert "应如 2026-03-01" in unread.text and LOST_CARD not in unread.text
    assert '<option value="51" selected>' in unread.text and 'value="昨天"' in unread.text


def test_every_form_is_shown_in_both_languages(other: Visitor) -> None:
    listed = re.findall(r'href="(/audit/requests/ask\?kind=[a-z]+)"', other.get("/audit/requests"))
    assert len(listed) == 8 + len(THINGS)
    for path in listed:
        assert "Legal basis" in other.get(path)
        assert "法律依据" in other.get(f"{path}&lang=zh")
        other.client.cookies.set("lang", "en")
