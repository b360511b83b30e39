"""The console from outside: who gets in, who sees what, what is recorded before it is shown, and what bad input gets."""

import csv
import re
import time
from datetime import UTC, datetime

import psycopg
import pyotp
import pytest
from httpx import Response
from starlette.testclient import TestClient

from hub.admin.accounts.accounts import disable, put_account, set_password
from hub.admin.accounts.attempts import FAILURES, SEARCHES
from hub.admin.accounts.roles import ADMINISTRATOR, AUDITOR, OPERATOR, POLICY, PROVINCES, ROLES, STAFF, ProvincesUnfit, RolesUnfit
from hub.admin.accounts.sessions import make_link
from hub.admin.accounts.sign_in import PasswordTooShort, give_second_factor, hash_of
from hub.audit.fsck import Checked, Difference
from hub.audit.verdicts import NAME, keep
from hub.config import Config
from hub.console.app import Application
from hub.console.entries import ENTRIES
from hub.console.guard import COOKIE
from hub.console.page import CONSOLE
from hub.console.rendering import STATIC
from hub.console.workings import Workings
from hub.domain.looks import Shown as ShownRecord
from hub.journal.sessions import CONNECT_WITHIN_S, session
from tests.clients import DEADLINE_S, recorded_at
from tests.console.conftest import (
    FAILED_PINS,
    FILED,
    FUND_EVENTS,
    HOLDERS_CARD,
    IN_CHENGDU,
    IN_MIANYANG,
    LOST_CARD,
    OWN,
    SETTLED,
    SICHUAN_CARD,
    UNKNOWN_CARD,
    Scene,
    Visitor,
    browser_of,
    visitor,
)

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# What each role sees, cell by cell: a letter a role, of Administrator, Operator, auditoR, Policy staff and province Staff.
MATRIX = """
GET / AORP
GET /feeds AORPS
GET /feeds/{feed} AORPS
GET /feeds/{feed}/{sequence} ORS
GET /journal/{position} ORS
GET /journal/{position}/proof OR
GET /participants AORP
GET /participants/{name} AORP
GET /quarantine ORS
GET /quarantine/{position} ORS
POST /quarantine/{position}/evaluate O
GET /find ORPS
POST /find ORPS
POST /purpose ORPS
GET /decisions ORPS
GET /decisions/{position} RPS
POST /decisions/{position}/bundle R
GET /cards/{handle} RS
GET /flows ORP
GET /known ORP
GET /audit/health ORP
GET /audit/log ORP
GET /audit/log/checkpoint ORP
GET /audit/log/verify ORP
GET /regions/{region} ORP
GET /cards/{handle}/units RS
GET /cards/{handle}/medical RS
GET /cards/{handle}/coupons RS
GET /cards/{handle}/culture RS
GET /cards/{handle}/documents RS
GET /cards/{handle}/journeys RS
GET /medical RS
GET /losses ORS
GET /hotlist ORP
GET /terms ORP
GET /terms/{code:path} ORP
GET /rules ORP
GET /reference ORP
GET /reference/{table} ORP
GET /indicators ORP
GET /indicators/{indicator} ORP
GET /indicators/reports/{report} ORP
GET /items ORP
GET /items/{item} ORP
GET /cases ORS
GET /cases/{side}/{case_no} ORS
GET /statements ORPS
GET /statements/{statement} ORPS
GET /statements/{statement}/{row} ORS
GET /funds ORPS
GET /funds/{side}/{batch_no:path} ORS
GET /breaks ORPS
GET /breaks/{broken} ORPS
GET /findings ORPS
GET /findings/{finding} RS
POST /findings/{finding}/decide S
GET /meeting ORP
GET /meeting/{report} ORP
GET /meeting/{report}/{file} ORP
GET /audit/looks R
GET /audit/requests ARP
GET /audit/requests/ask RP
POST /audit/requests/ask RP
GET /audit/requests/{audit} ARP
POST /audit/requests/{audit}/decide AR
POST /audit/requests/{audit}/cancel ARP
GET /audit/requests/{audit}/outcome RP
POST /audit/requests/{audit}/files RP
POST /audit/requests/{audit}/bundle RP
GET /views AORP
GET /parked OR
GET /jobs AORP
GET /traces OR
GET /traces/{trace} OR
GET /me AORPS
GET /admin/users A
POST /admin/users A
POST /admin/users/{name}/link A
POST /admin/users/{name}/end A
POST /me/recovery AORPS
POST /sign-out AORPS
POST /sign-out-everywhere AORPS
"""
LETTERS = {ADMINISTRATOR: "A", OPERATOR: "O", AUDITOR: "R", POLICY: "P", STAFF: "S"}


@pytest.fixture(scope="module")
def by_role(workings: Workings) -> dict[str, Visitor]:
    """A visitor of each role."""
    return {role: visitor(workings, role, provinces=("50",) if role == STAFF else PROVINCES) for role in ROLES}


def looked(scene: Scene) -> list[object]:
    """All looks that the console recorded, in order."""
    with psycopg.connect(scene.hub.dsn) as connection:
        rows = connection.execute("SELECT position FROM journal.event WHERE kind = 'card_record_queried' ORDER BY position").fetchall()
    looks = [recorded_at(scene.hub.dsn, position).event.card_record_queried for (position,) in rows]
    return [look for look in looks if look.participant == CONSOLE]


# Who gets in


def test_a_link_is_not_used_by_looking_at_it_and_counts_once(workings: Workings) -> None:
    with session(workings.dsn, "hub_console", "test") as connection:
        put_account(connection, "linked", "", [POLICY], ["51"])
        secret = make_link(connection, "linked")
    client = browser_of(workings)
    for _ in range(2):
        assert client.get(f"/enter/{secret}").status_code == 200
    first = client.post(f"/enter/{secret}", headers=OWN, follow_redirects=False)
    assert first.status_code == 303
    cookie = first.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=") and all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"))
    again = browser_of(workings).post(f"/enter/{secret}", headers={**OWN, "accept-language": "zh"})
    assert again.status_code == 400 and "链接已用过" in again.text


def test_a_link_ends_after_its_time(workings: Workings) -> None:
    with session(workings.dsn, "hub_console", "test") as connection:
        put_account(connection, "late", "", [POLICY], ["51"])
        secret = make_link(connection, "late")
        connection.execute("UPDATE console.link SET until = clock_timestamp() - interval '1 second'")
    refused = browser_of(workings).post(f"/enter/{secret}", headers={**OWN, "accept-language": "en"})
    assert refused.status_code == 400 and "used before" in refused.text


@pytest.mark.parametrize("cookie", ["", "forged", "A" * 43, "x" * 5_000, "日", "'; DROP TABLE console.session; --"])
def test_a_cookie_that_names_no_session_leads_to_the_sign_in(workings: Workings, cookie: str) -> None:
    client = browser_of(workings)
    response = client.get("/feeds", headers={b"cookie": f"{COOKIE}={cookie}".encode()}, follow_redirects=False)  # type: ignore[dict-item]
    assert (response.status_code, response.headers["location"]) == (303, "/sign-in?to=%2Ffeeds")


def test_a_session_ends_when_it_is_idle_old_signed_out_or_its_account_changes(workings: Workings) -> None:
    def ends(change: str) -> bool:
        one = visitor(workings, POLICY)
        with session(workings.dsn, "hub_console", "test") as connection:
            if change == "roles":
                put_account(connection, one.name, "", [OPERATOR], ["51"])
            elif change == "disabled":
                disable(connection, one.name, is_disabled=True)
            elif change == "sign out":
                one.post("/sign-out")
            else:
                connection.execute(f"UPDATE console.session SET {change} WHERE account = %s".encode(), (one.name,))
        return one.client.get("/", follow_redirects=False).status_code == 303

    idle, old = "seen_at = seen_at - interval '31 minutes'", "began_at = began_at - interval '8 hours 1 minute'"
    assert [ends(change) for change in ("roles", "disabled", "sign out", idle, old)] == [True] * 5


def test_password_and_code_let_in_and_a_code_counts_once(workings: Workings) -> None:
    with session(workings.dsn, "hub_console", "test") as connection:
        put_account(connection, "glass", "", [AUDITOR], ["51"])
        set_password(connection, "glass", hash_of("correct horse battery"))
        secret, recovery = give_second_factor(connection, workings.keyring, "glass")

    def enter(password: str, code: str, name: str = "glass") -> int:
        form = {"name": name, "password": password, "code": code, "to": "/feeds"}
        return browser_of(workings).post("/sign-in", data=form, headers=OWN, follow_redirects=False).status_code

    code = pyotp.TOTP(secret).at(datetime.now(UTC))
    assert [enter("correct horse battery", code), enter("correct horse battery", code)] == [303, 400]
    assert [enter("correct horse battery", recovery[0]), enter("correct horse battery", recovery[0])] == [303, 400]
    assert [enter("wrong horse battery", recovery[1]), enter("correct horse battery", recovery[1], "nobody")] == [400, 400]


def test_ones_own_sessions_are_listed_and_all_end_at_once(workings: Workings) -> None:
    one = visitor(workings, POLICY)
    with session(workings.dsn, "hub_console", "test") as connection:
        secret = make_link(connection, one.name)
    other = browser_of(workings)
    assert other.post(f"/enter/{secret}", headers=OWN, follow_redirects=False).status_code == 303
    assert one.get("/me").count('<code class="code">LINK</code>') == 2
    assert one.post("/sign-out-everywhere").status_code == 303
    assert [client.get("/me", follow_redirects=False).status_code for client in (one.client, other)] == [303, 303]


def test_recovery_codes_are_renewed_for_a_one_time_code_alone(workings: Workings) -> None:
    one = visitor(workings, POLICY)
    with session(workings.dsn, "hub_console", "test") as connection:
        secret, before = give_second_factor(connection, workings.keyring, one.name)
    assert one.post("/me/recovery", code="000000").status_code == 400
    page = one.post("/me/recovery", code=pyotp.TOTP(secret).at(datetime.now(UTC))).text
    codes = re.findall(r'<code class="code">([0-9a-f]{10})</code>', page)
    assert len(codes) == 10 and not set(codes) & set(before) and codes[0] not in one.get("/me")
    assert [one.post("/me/recovery", code=code).status_code for code in (before[0], codes[0], codes[0])] == [400, 200, 400]


def test_five_failures_lock_a_name_and_the_answer_does_not_say_so(workings: Workings) -> None:
    with session(workings.dsn, "hub_console", "test") as connection:
        connection.execute("DELETE FROM console.attempt")
        put_account(connection, "locked", "", [AUDITOR], ["51"])
        set_password(connection, "locked", hash_of("correct horse battery"))
        _, recovery = give_second_factor(connection, workings.keyring, "locked")
        connection.execute("INSERT INTO console.attempt (about) SELECT 'name:locked' FROM generate_series(1, %s)", (FAILURES,))
        form = {"name": "locked", "password": "correct horse battery", "code": recovery[0]}
        texts = [browser_of(workings).post("/sign-in", data={**form, **more}, headers=OWN).text for more in ({}, {"name": "no-one"})]
        assert texts[0] == texts[1] and "十五分钟" in texts[0]
        # Behind a proxy all come from this machine.
        connection.execute("DELETE FROM console.attempt")
        connection.execute("INSERT INTO console.attempt (about) SELECT 'address:127.0.0.1' FROM generate_series(1, %s)", (FAILURES,))
        assert browser_of(workings).post("/sign-in", data=form, headers=OWN, follow_redirects=False).status_code == 303
        connection.execute("DELETE FROM console.attempt")
    with pytest.raises(PasswordTooShort):
        hash_of("short")


def test_a_sign_in_leads_nowhere_else(workings: Workings) -> None:
    client = browser_of(workings)
    for to in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert 'name="to" value=""' in client.get("/sign-in", params={"to": to}).text
    assert 'name="to" value="/feeds"' in client.get("/sign-in", params={"to": "/feeds"}).text


def test_a_form_of_another_site_or_session_changes_nothing(workings: Workings, auditor: Visitor) -> None:
    other = visitor(workings, POLICY)
    for token, headers in (
        (auditor.token, {"sec-fetch-site": "cross-site"}),
        (auditor.token, {"origin": "https://evil"}),
        (other.token, OWN),
        ("", OWN),
    ):
        response = auditor.client.post("/sign-out", data={"token": token}, headers=headers)
        assert response.status_code == 403 and "The form was not sent" in response.text
    assert auditor.get("/me")
    assert auditor.client.post("/find", data={"q": "x" * 20_000, "token": auditor.token}, headers=OWN).status_code == 403


# Who sees what


def test_the_matrix_names_every_page() -> None:
    assert {f"{entry.method} {entry.path}" for entry in ENTRIES} == {line.rpartition(" ")[0] for line in MATRIX.split("\n") if line}


@pytest.mark.parametrize("line", MATRIX.strip().split("\n"))
def test_a_role_sees_its_pages_and_no_others(scene: Scene, by_role: dict[str, Visitor], line: str) -> None:
    method, path, letters = line.split()
    known = {"feed": "cq.card-center", "sequence": "1", "position": str(scene.refused), "name": "cq.card-center", "handle": "none"}
    known |= {
        "code": "ORD-TRANSIT/1",
        "table": "regions",
        "side": "51",
        "case_no": "N1",
        "item": "TB031",
        "batch_no": "X",
        "trace": "0" * 32,
        "region": "510100",
        "audit": "AU-999",
        "statement": "ST-QR-1",
        "row": "1",
        "broken": "BR-51-20250901-1",
        "report": "MR-999",
        "file": "x",
        "finding": "FD-20250901-00000000",
        "indicator": "K10",
    }
    if "sign-out" in path or "admin/users" in path:
        known["name"] = "nobody"
    seen = set()
    for role, one in by_role.items():
        if "sign-out" in path:
            seen.add(LETTERS[role])
            continue
        response = one.client.request(
            method, path.replace(":path", "").format(**known), data={"token": one.token} if method == "POST" else None, headers=OWN
        )
        # A page that is not theirs is refused, or where everybody begins leads to the first that is.
        if response.status_code != 403 and not (response.history and response.history[0].headers["location"] == "/feeds"):
            seen.add(LETTERS[role])
    assert seen == set(letters)


def test_nobody_is_administrator_and_auditor(workings: Workings, by_role: dict[str, Visitor]) -> None:
    with session(workings.dsn, "hub_console", "test") as connection, pytest.raises(RolesUnfit):
        put_account(connection, "both", "", [ADMINISTRATOR, AUDITOR], ["51"])
    with session(workings.dsn, "hub_console", "test") as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO console.account VALUES ('x', '', ARRAY['ADMINISTRATOR', 'AUDITOR'], ARRAY['51'])")
    administrator = by_role[ADMINISTRATOR]
    form = {"token": administrator.token, "name": "both", "role": [ADMINISTRATOR, AUDITOR], "province": ["51"]}
    response = administrator.client.post("/admin/users", data=form, headers=OWN)
    assert response.status_code == 400 and "an administrator is no auditor" in response.text
    own = {**form, "name": administrator.name, "role": [AUDITOR]}
    assert administrator.client.post("/admin/users", data=own, headers=OWN).status_code == 403


def test_an_administrator_makes_an_account_and_a_link_that_is_shown_once(workings: Workings, by_role: dict[str, Visitor]) -> None:
    administrator = by_role[ADMINISTRATOR]
    form = {"token": administrator.token, "name": "fresh", "title": "新来的", "role": [POLICY], "province": ["51"]}
    assert "新来的" in administrator.client.post("/admin/users", data=form, headers=OWN).text
    shown = administrator.client.post("/admin/users/fresh/link", data={"token": administrator.token}, headers=OWN).text
    [link] = re.findall(r"/enter/[A-Za-z0-9_-]{43}", shown)
    assert browser_of(workings).post(link, headers=OWN, follow_redirects=False).status_code == 303
    assert link not in administrator.get("/admin/users")


def test_one_province_does_not_see_what_is_the_others_alone(scene: Scene, workings: Workings) -> None:
    sichuan = visitor(workings, AUDITOR, provinces=("51",))
    found = sichuan.post("/find", q=LOST_CARD, issuer="50", purpose="AUDIT")
    assert found.status_code == 403
    assert sichuan.client.get(f"/quarantine/{scene.quarantined}").status_code == 200
    chongqing = visitor(workings, AUDITOR, provinces=("50",))
    assert chongqing.client.get(f"/quarantine/{scene.quarantined}").status_code == 403
    # Sichuan asked about Chongqing's card: it sees its question and the answer, and nothing of the card.
    sichuan.post("/purpose", handle=f"decision-{scene.refused}", purpose="AUDIT", back="/decisions")
    page = sichuan.get(f"/decisions/{scene.refused}")
    assert "of its issuing province alone" in page and "temporarily lost" not in page
    chongqing.post("/purpose", handle=f"decision-{scene.refused}", purpose="AUDIT", back="/decisions")
    assert "temporarily lost" in chongqing.get(f"/decisions/{scene.refused}")


def test_staff_of_a_province_see_its_feeds_cards_and_cases_alone(scene: Scene, workings: Workings) -> None:
    chongqing, sichuan = (visitor(workings, STAFF, provinces=(province,)) for province in ("50", "51"))
    assert chongqing.client.get("/", follow_redirects=False).headers["location"] == "/feeds"
    lists = [{line.partition(",")[0] for line in one.get("/feeds.csv").split("\r\n")[1:-2]} for one in (chongqing, sichuan)]
    assert {feed[:3] for feed in lists[0]} == {"cq."} and {feed[:3] for feed in lists[1]} == {"sc."}
    assert [one.client.get("/feeds/sc.usage").status_code for one in (chongqing, sichuan)] == [403, 200]
    assert [one.client.get(f"/quarantine/{scene.quarantined}").status_code for one in (chongqing, sichuan)] == [403, 200]
    assert "sc.usage#1" not in chongqing.get("/quarantine") and "0 in all" in chongqing.get("/quarantine")
    found = [one.post("/find", q=LOST_CARD, issuer="50", purpose="COMPLAINT") for one in (chongqing, sichuan)]
    assert [one.status_code for one in found] == [303, 403]
    assert "temporarily lost" in chongqing.get(found[0].headers["location"])
    # It asked about the other side's card: it sees what it asked and the answer, and nothing of the card.
    sichuan.post("/purpose", handle=f"decision-{scene.refused}", purpose="AUDIT", back="/decisions")
    assert "of its issuing province alone" in sichuan.get(f"/decisions/{scene.refused}")
    with session(workings.dsn, "hub_console", "test") as connection, pytest.raises(ProvincesUnfit):
        put_account(connection, "both-sides", "", [STAFF], PROVINCES)


# What is recorded before it is shown


def test_a_card_is_shown_once_the_look_is_recorded_and_is_in_no_address(scene: Scene, auditor: Visitor) -> None:
    before = len(looked(scene))
    found = auditor.post("/find", q=LOST_CARD.lower(), issuer="50", purpose="COMPLAINT")
    address = found.headers["location"]
    assert found.status_code == 303 and LOST_CARD not in address
    page = auditor.get(address)
    assert "temporarily lost" in page and "A****0501" in page and LOST_CARD not in page
    [look] = looked(scene)[before:]
    assert (look.operator, look.purpose_code) == (auditor.name, "COMPLAINT")  # type: ignore[attr-defined]
    assert f'<a href="/decisions/{scene.refused}">' in page and f'<a href="/decisions/{scene.accepted}">' in page
    auditor.get(address)
    assert len(looked(scene)) == before + 2


def test_the_units_of_a_persons_concession_are_a_look_of_their_own(scene: Scene, auditor: Visitor) -> None:
    address = auditor.post("/find", q=LOST_CARD, issuer="50", purpose="COMPLAINT").headers["location"]
    before = len(looked(scene))
    page = auditor.get(f"{address}/units?city=510100")
    [look] = looked(scene)[before:]
    assert look.shown == ShownRecord.SHOWN_RECORD_UNITS and "Concession units · Chengdu" in page  # type: ignore[attr-defined]
    assert auditor.client.get(f"{address}/units?city=519999").status_code == 400 and len(looked(scene)) == before + 1


def test_a_chain_of_settlements_is_shown_by_its_number_and_is_no_look(scene: Scene, auditor: Visitor) -> None:
    before = len(looked(scene))
    page = auditor.get(f"/medical?number={SETTLED}")
    assert all(said in page for said in ("CONSOLE-R1", "86.00", "16.00", "70.00", "partly refunded", "H51010000001")), page
    assert HOLDERS_CARD not in page and "V1" in page
    # A refund leads to the same chain.
    assert "70.00" in auditor.get("/medical?number=CONSOLE-R1&lang=zh")
    auditor.client.cookies.set("lang", "en")
    assert "By the number of a settlement" in auditor.get("/medical")
    assert auditor.client.get("/medical?number=NONE").status_code == 404
    assert auditor.client.get(f"/medical?number={SETTLED}&institution=OTHER").status_code == 404
    assert len(looked(scene)) == before


def test_a_province_sees_the_chains_that_it_is_a_side_of(workings: Workings) -> None:
    for province, status, said in (("51", 200, "70.00"), ("50", 400, "no side of this settlement")):
        answer = visitor(workings, STAFF, provinces=(province,)).client.get(f"/medical?number={SETTLED}")
        assert (answer.status_code, said in answer.text, "70.00" in answer.text) == (status, True, province == "51"), answer.text[-600:]


def test_what_a_person_was_treated_for_borrowed_and_visited_are_looks_of_their_own(scene: Scene, auditor: Visitor) -> None:
    address = auditor.post("/find", q=HOLDERS_CARD, issuer="51", purpose="COMPLAINT").headers["location"]
    before = len(looked(scene))
    treated = auditor.get(f"{address}/medical")
    assert f'href="/medical?number={SETTLED}&amp;institution=H51010000001"' in treated and "70.00" in treated
    assert all(said in treated for said in ("F1", "temporary travel", "registered late", "2026-06-30")), treated
    went = auditor.get(f"{address}/culture")
    assert all(said in went for said in ("B1", "days overdue", "SCLIB", "PARK")), went
    carried = auditor.get(f"{address}/documents")
    assert all(said in carried for said in ("disability certificate", "2025-12-31", "not in force", "work permit", "no end")), carried
    shown = [ShownRecord.Name(look.shown).removeprefix("SHOWN_RECORD_") for look in looked(scene)[before:]]  # type: ignore[attr-defined]
    assert shown == ["FILINGS", "MEDICAL_USES", "LOANS", "VISITS", "DOCUMENTS"]


def test_a_case_says_all_that_is_known_of_it_and_the_list_is_found_by_state_and_turn(auditor: Visitor) -> None:
    page = auditor.get(f"/cases/51/{FILED}")
    assert all(said in page for said in (FILED, "Sichuan", "submitted", "Filed in", "Leshan")), page
    assert f"/cases/51/{FILED}" in auditor.get("/cases?state=SUBMITTED")
    assert f"/cases/51/{FILED}" not in auditor.get("/cases?state=DECIDED")
    assert f"/cases/51/{FILED}" not in auditor.get("/cases?next=APPLICANT")
    assert [auditor.client.get(f"/cases?{wrong}").status_code for wrong in ("state=NONE", "next=NOBODY")] == [400, 400]


def test_an_item_is_shown_as_both_sides_handle_it_and_published_figures_stand_apart(auditor: Visitor) -> None:
    listed = auditor.get("/items?q=社保卡")
    assert 'href="/items/TB031"' in listed and "355" in listed and "never added to them" in listed
    item = auditor.get("/items/TB031?on=2026-11-01")
    assert all(said in item for said in ("TB031", "How both sides handle it", "Promised working days", "History", "2026-11-01")), item
    assert [auditor.client.get(f"/items/{wrong}").status_code for wrong in ("XX999", "TB031?on=1950-01-01", "TB031?on=1.3.")] == [
        404,
        400,
        400,
    ]


def test_of_a_card_that_nobody_reported_the_looks_say_that_nothing_was_shown(scene: Scene, auditor: Visitor) -> None:
    address = auditor.post("/find", q=UNKNOWN_CARD, issuer="50", purpose="COMPLAINT").headers["location"]
    before = len(looked(scene))
    assert "No loans" in auditor.get(f"{address}/culture") and "No settlements" in auditor.get(f"{address}/medical")
    assert "No documents" in auditor.get(f"{address}/documents")
    assert [look.shown for look in looked(scene)[before:]] == [ShownRecord.SHOWN_RECORD_NOTHING] * 3  # type: ignore[attr-defined]


def test_a_handle_is_its_finders_alone_and_ends(scene: Scene, workings: Workings, auditor: Visitor) -> None:
    address = auditor.post("/find", q=SICHUAN_CARD, issuer="51", purpose="AUDIT").headers["location"]
    other = visitor(workings, AUDITOR)
    assert other.client.get(address).status_code == 404
    with session(workings.dsn, "hub_console", "test") as connection:
        connection.execute("UPDATE console.subject SET until = clock_timestamp() - interval '1 second'")
    ended = auditor.client.get(address)
    assert ended.status_code == 404 and "search for it again" in ended.text


def test_a_purpose_is_asked_once_and_the_look_at_a_decision_names_it(scene: Scene, workings: Workings) -> None:
    one = visitor(workings, AUDITOR)
    address = f"/decisions/{scene.refused}"
    before = len(looked(scene))
    assert "What for?" in one.get(address) and len(looked(scene)) == before
    done = one.post("/purpose", handle=f"decision-{scene.refused}", purpose="DISPUTE", back=address)
    assert (done.status_code, done.headers["location"]) == (303, address)
    page = one.get(address)
    assert "LOST_TEMP" in page and "the same" in page
    [look] = looked(scene)[before:]
    assert (look.purpose_code, look.position) == ("DISPUTE", scene.refused)  # type: ignore[attr-defined]


def test_who_looks_at_a_card_is_not_asked_again_for_what_was_answered_about_it(scene: Scene, workings: Workings) -> None:
    one = visitor(workings, AUDITOR)
    assert one.post("/find", q=LOST_CARD, issuer="50", purpose="DISPUTE").status_code == 303
    before = len(looked(scene))
    assert "LOST_TEMP" in one.get(f"/decisions/{scene.refused}") and "What for?" in one.get(f"/decisions/{scene.of_sichuan}")
    [look] = looked(scene)[before:]
    assert (look.purpose_code, look.position) == ("DISPUTE", scene.refused)  # type: ignore[attr-defined]


def test_what_cannot_be_recorded_is_not_shown(scene: Scene, workings: Workings) -> None:
    away = Workings(Config(data_dir=scene.hub.data_dir, dsn=scene.hub.dsn), scene.hub.dsn)
    one = visitor(away, AUDITOR)
    address = one.post("/find", q=LOST_CARD, issuer="50", purpose="AUDIT").headers["location"]
    away.writers._dsn = "postgresql://127.0.0.1:1/none"
    response = one.client.get(address)
    assert response.status_code == 503 and "could not be recorded" in response.text
    assert "temporarily lost" not in response.text
    away.readers.close()


def test_a_decision_is_asked_again_as_it_was_known_before(scene: Scene, auditor: Visitor) -> None:
    auditor.post("/purpose", handle=f"decision-{scene.refused}", purpose="AUDIT", back="/decisions")
    page = auditor.get(f"/decisions/{scene.refused}?known={scene.accepted}&rules=then")
    compared = page[page.index("as recorded") : page.index("Rule by rule")]
    assert "differs" in compared and "ACCEPT" in compared
    assert auditor.client.get(f"/decisions/{scene.refused}?known=yesterday").status_code == 400
    assert auditor.client.get(f"/decisions/{scene.refused}?at=2026-13-99").status_code == 400
    # Long before the first event nothing is known.
    assert "CARD_UNKNOWN" in auditor.get(f"/decisions/{scene.refused}?known=1999-01-01")


def test_pages_look_back_to_what_was_known_at_a_position_or_an_instant(scene: Scene, auditor: Visitor, raised: str) -> None:
    page = auditor.get(f"/known?known={scene.of_sichuan}")
    assert f"as known at position {scene.of_sichuan:,}" in page
    then, now = ({row[0]: row[1] for row in csv.reader(auditor.get(file).splitlines()[1:-1])} for file in (
        f"/known.csv?known={scene.of_sichuan}", "/feeds.csv"))  # fmt: skip
    assert (then["cq.card-center"], now["cq.card-center"]) == ("2", str(2 + FAILED_PINS)) and "cq.usage" not in then
    assert now["cq.usage"] == str(IN_CHENGDU + IN_MIANYANG + FUND_EVENTS)
    half = f"/known.csv?known={scene.quarantined - 2}"
    assert f"cq.usage,{IN_CHENGDU + IN_MIANYANG + FUND_EVENTS - 1}," in auditor.get(half)
    waits = "sc.usage#1"
    assert waits in auditor.get(f"/quarantine?known={scene.quarantined}") and waits not in auditor.get(f"/quarantine?known={scene.refused}")
    assert "ORD-TRANSIT" in auditor.get("/terms") and "ORD-TRANSIT" not in auditor.get("/terms?known=1")
    assert f"/decisions/{scene.of_sichuan}" not in auditor.get(f"/decisions?known={scene.refused}")
    address = auditor.post("/find", q=LOST_CARD, issuer="50", purpose="AUDIT", known=str(scene.accepted)).headers["location"]
    assert "lost" not in auditor.get(address) and "temporarily lost" in auditor.get(address.partition("?")[0])
    found = auditor.post("/find", q="2001-3-3 10:05").headers["location"]
    assert found == "/known?known=2001-03-03+10%3A05%3A00" and "position 0," in auditor.get(found)
    assert [auditor.post("/find", q=text).status_code for text in ("13-45 10:05", "2-30")] == [400, 400]


def test_the_verdict_of_the_last_check_is_shown(scene: Scene, auditor: Visitor) -> None:
    assert "run hub fsck" in auditor.get("/audit/health")
    checked = Checked(head=7, events=7, holes=1, views={"loss": False}, left_out=["keys 密钥"])
    checked.add(Difference("view-differs", view="loss", position=7, table="loss", key="K"))
    checked.add(Difference("erased-again", key="00ff"))
    keep(scene.hub.data_dir, checked, 1_756_690_215_000_000, looked_for_identifiers=False)
    page = auditor.get("/audit/health")
    assert "00ff" not in page and "identifier … was erased" in page
    assert (
        "found something wrong" in page
        and "rebuilt at position 7" in page
        and "keys 密钥" in page
        and "2025-09-01 09:30:15" in page
        and "0 of 1" in page
    )
    (scene.hub.data_dir / NAME).write_text("[1]")
    assert "run hub fsck" in auditor.get("/audit/health")


def test_who_asked_has_the_colour_of_his_own_province_and_not_of_the_card(auditor: Visitor) -> None:
    asked = re.findall(r'<span class="swatch (\w+)" aria-hidden="true"></span>\s*sc\.card-center', auditor.get("/decisions"))
    assert asked and set(asked) == {"sc"}


def test_the_thirty_first_search_in_an_hour_waits(workings: Workings) -> None:
    one = visitor(workings, AUDITOR, lang="zh")
    for _ in range(SEARCHES):
        assert one.post("/find", q=UNKNOWN_CARD, issuer="50", purpose="AUDIT").status_code == 303
    refused = one.post("/find", q=UNKNOWN_CARD, issuer="50", purpose="AUDIT")
    assert refused.status_code == 429 and "每小时至多查找三十次" in refused.text


def test_a_card_that_nobody_registered_is_looked_at_too(scene: Scene, workings: Workings) -> None:
    one = visitor(workings, AUDITOR)
    before = len(looked(scene))
    page = one.get(one.post("/find", q=UNKNOWN_CARD, issuer="50", purpose="AUDIT").headers["location"])
    assert "The hub knows no such card" in page and len(looked(scene)) == before + 1


# What is found


@pytest.mark.parametrize(
    ("text", "leads_to"),
    [
        ("cq.card-center#1", "/journal/{first}"),
        ("console-2", "/decisions/{refused}"),
        ("{refused}", "/decisions/{refused}"),
        ("ord-transit", "/terms/ORD-TRANSIT/1"),
    ],
)
def test_what_is_named_is_found(scene: Scene, auditor: Visitor, text: str, leads_to: str) -> None:
    with psycopg.connect(scene.hub.dsn) as connection:
        row = connection.execute(
            """SELECT first_position FROM journal.batch JOIN journal.stream USING (stream_id)
               WHERE name = 'cq.card-center' AND first_sequence = 1"""
        ).fetchone()
    assert row is not None
    places = {"first": row[0], "refused": scene.refused}
    found = auditor.post("/find", q=text.format(**places))
    assert (found.status_code, found.headers["location"]) == (303, leads_to.format(**places))
    assert auditor.client.get(found.headers["location"]).status_code == 200


def test_the_trace_of_a_refused_batch_is_drawn_with_what_followed(scene: Scene, auditor: Visitor) -> None:
    page = auditor.get(f"/journal/{scene.quarantined}")
    [trace] = re.findall(r'href="(/traces/[0-9a-f]{32})"', page)
    deadline = time.monotonic() + 30
    while auditor.client.get(trace).status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    drawn = auditor.get(trace)
    assert "FeedService/AppendEvents" in drawn and 'class="drawn waterfall"' in drawn
    assert trace in auditor.get("/traces?kept=quarantined")


# Bad input


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/static/../guard.py", 404),
        ("/static/..%2f..%2fguard.py", 404),
        ("/reference/..%2F..%2Fpasswd", 404),
        ("/feeds/%3Cscript%3Ealert(1)", 404),
        ("/feeds/cq.usage/999999999", 404),
        ("/feeds/cq.usage/-1", 400),
        ("/journal/99999999999999999999", 400),
        ("/journal/987654321", 404),
        ("/decisions/1", 404),
        ("/terms?on=0000-00-00", 400),
        ("/terms?on=1949-10-01", 200),
        ("/terms/NO-SUCH", 404),
        ("/participants/nobody", 404),
        ("/cases/51/NONE", 404),
        ("/cases/99/x", 400),
        ("/items?on=1950-01-01", 400),
        ("/cards/none", 404),
        ("/traces/none", 400),
        ("/traces?slow=-1", 400),
        ("/traces/00000000000000000000000000000000", 404),
        ("/flows?from=2025-01-02&to=2025-01-01", 400),
        ("/flows?from=0001-01-01", 400),
        ("/regions/nowhere", 404),
        ("/findings/%00", 404),
        ("/participants/%00", 404),
        ("/known?known=yesterday", 400),
        ("/audit/requests/AU-0", 404),
        ("/audit/requests/AU-999999999", 404),
        ("/audit/requests/AU-99/outcome", 404),
        ("/audit/requests/ask?kind=nothing", 404),
        ("/audit/requests?before=x", 400),
        ("/no/such/page", 404),
        ("/decisions?before=x", 400),
        ("/quarantine?feed=';--&rule=%00", 200),
    ],
)
def test_bad_input_gets_a_clear_page_in_the_readers_language(auditor: Visitor, path: str, status: int) -> None:
    for lang, said in (("zh", "未能显示"), ("en", "Not shown")):
        response = auditor.client.get(path, params=None, headers={"cookie": f"lang={lang}; {COOKIE}={auditor.client.cookies[COOKIE]}"})
        assert response.status_code == status
        assert (said in response.text) == (status >= 400)
        assert response.headers["content-security-policy"] == CSP
        assert "<script>alert" not in response.text and "Traceback" not in response.text


def test_a_method_that_a_page_has_not_is_refused(auditor: Visitor) -> None:
    assert auditor.client.delete("/feeds").status_code == 404
    assert auditor.client.put("/find").status_code == 404


def test_script_in_names_is_shown_and_formulas_in_files_are_no_formulas(workings: Workings, auditor: Visitor) -> None:
    one = visitor(workings, POLICY)
    with session(workings.dsn, "hub_console", "test") as connection:
        connection.execute("UPDATE console.account SET title = '<script>alert(1)</script>' WHERE name = %s", (one.name,))
    assert "&lt;script&gt;alert(1)" in one.get("/me") and "<script>alert" not in one.get("/me")
    text = auditor.get("/participants.csv")
    assert "'=cmd|' /C calc'!A0" in text and text.startswith("\ufeffparticipant,")
    assert re.search(r"# END rows=\d+ as_of=\d+\r\n$", text)
    assert auditor.client.get("/feeds.csv?table=no").status_code == 404


def test_the_database_away_is_said_in_words_at_once_and_comes_back(scene: Scene) -> None:
    away = Workings(Config(data_dir=scene.hub.data_dir, dsn=scene.hub.dsn), scene.hub.dsn)
    one = visitor(away, POLICY, lang="zh")
    assert one.get("/feeds")
    for pool in (away.readers, away.rows):
        pool.close()
        pool._dsn = "postgresql://127.0.0.1:1/none"
    began = time.monotonic()
    response = one.client.get("/feeds")
    assert response.status_code == 503 and "数据库没有应答" in response.text and time.monotonic() - began < CONNECT_WITHIN_S
    for pool in (away.readers, away.rows):
        pool._dsn = scene.hub.dsn
    assert one.get("/feeds")
    away.readers.close()
    away.rows.close()


def test_too_long_a_query_is_ended_and_said(workings: Workings, auditor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workings, "_habits", (0.0, {}))
    monkeypatch.setattr("hub.monitoring.feeds._HABITS", "SELECT 'x', pg_sleep(9)::text::float8 WHERE %(most)s > 0")
    response = auditor.client.get("/feeds")
    assert response.status_code == 503 and "more than two seconds" in response.text


# What is shown


def test_figures_equal_sql_at_the_same_position(scene: Scene, workings: Workings) -> None:
    one = visitor(workings, POLICY)
    across = [row[1:] for row in csv.reader(one.get("/overview.csv?table=flows").splitlines()[1:-1])]
    with psycopg.connect(scene.hub.dsn) as connection:
        uses = connection.execute("SELECT sum(uses) FROM views.daily_usage WHERE issuer = '50' AND region LIKE '51%'").fetchone()
        feeds = connection.execute("SELECT s.name, s.next_sequence - 1 FROM journal.stream s WHERE s.is_feed ORDER BY 1").fetchall()
        text = one.get("/feeds.csv")
        head = connection.execute("SELECT position FROM journal.head").fetchone()
    assert uses is not None and sum(int(left) for left, _ in across) == uses[0] == IN_CHENGDU + IN_MIANYANG
    assert sum(int(right) for _, right in across) == 0
    assert [(name, int(last)) for name, last, *_ in (line.split(",") for line in text.split("\r\n")[1:-2])] == feeds
    assert head is not None and f"as_of={head[0]}" in text


def test_small_counts_are_in_no_table_drawing_or_file_and_cannot_be_computed(auditor: Visitor) -> None:
    page, file = auditor.get("/"), auditor.get("/overview.csv?table=regions")
    assert "<title>Chengdu ※</title>" in page and "<title>Mianyang ※</title>" in page and "fewer than 5 uses" in page
    assert 'class="tile-cq-' not in page and f'<td class="number" colspan="2">{IN_CHENGDU + IN_MIANYANG}</td>' in page
    assert re.findall("^(51....),(.*)\r$", file, re.MULTILINE) == [("510100", "※"), ("510700", "※")]
    flows = [line.split(",") for line in auditor.get("/flows.csv?table=cq_in_sc").split("\r\n")]
    assert flows[0] == ["\ufeffplace", "TRA", "sum"] and ["Sum", "12", "12"] in flows
    assert [row for row in flows if row[0].startswith("51")] == [["510100", "※", "※"], ["510700", "※", "※"]]
    # One place alone has nothing beside it that its uses could be taken off from.
    assert "※" not in auditor.get("/regions/510100") and f'<td class="number">{IN_CHENGDU}</td>' in auditor.get("/regions/510100")
    assert auditor.get("/regions/510700").count(">※<") == 4 and auditor.get("/regions/510700.csv").count("※") == 2


def test_tabs_share_what_is_shown_and_what_has_not_changed_is_not_sent_again(workings: Workings) -> None:
    application = Application(workings)
    made: list[str] = []

    def tab(lang: str = "zh", **headers: str) -> Response:
        client = TestClient(application.starlette(), base_url="https://console", client=("127.0.0.1", 50_000))
        cookies = f"lang={lang}; {COOKIE}={visitor(workings, POLICY).client.cookies[COOKIE]}"
        return client.get("/views", headers={"hx-request": "true", "cookie": cookies, **headers})

    first, second, english = tab(), tab(), tab("en")
    made += [first.text, second.text]
    assert made[0] == made[1] and "卡状态" in made[0] and "card standing" in english.text
    assert first.headers["etag"] == second.headers["etag"] != english.headers["etag"]
    again = tab(**{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.text) == (304, "")


def test_a_refresh_is_small_and_a_whole_page_has_its_frame(auditor: Visitor) -> None:
    refresh = auditor.client.get("/", headers={"hx-request": "true"})
    assert int(refresh.headers["content-length"]) <= 8_192 and "<html" not in refresh.text
    assert '<html lang="en" data-theme="auto">' in auditor.get("/")
    assert '<html lang="zh-Hans" data-theme="dark">' in auditor.get("/?lang=zh&theme=dark")
    auditor.client.cookies.set("lang", "en")


def test_headings_menus_and_forms_are_english_in_english(scene: Scene, auditor: Visitor) -> None:
    auditor.post("/purpose", handle=f"decision-{scene.refused}", purpose="AUDIT", back="/decisions")
    places = {"position": scene.refused, "feed": "cq.usage", "name": "cq.card-center", "code": "ORD-TRANSIT/1", "table": "media"}
    places |= {"region": "510100", "audit": "AU-1", "item": "TB031"}
    places |= {
        "statement": "ST-QR-1",
        "row": 1,
        "broken": "BR-51-20250901-1",
        "report": "MR-999",
        "file": "x",
        "finding": "FD-20250901-00000000",
        "indicator": "K10",
    }
    shown = [
        entry.path.replace(":path", "").format(**places, handle="none", side="51", case_no="X", batch_no="X", sequence=1, trace="x")
        for entry in ENTRIES
    ]
    for path in {path for path in shown if "admin" not in path}:
        text = auditor.client.get(path).text
        said = re.findall(r"<(h1|h2|th|label|button|legend|dt|nav)\b[^>]*>(.*?)</\1>", text, re.DOTALL)
        assert [one for _, one in said if re.search("[\u4e00-\u9fff]", re.sub(r'<a [^>]*lang="zh-Hans".*?</a>', "", one))] == [], path


def test_a_refresh_without_a_session_goes_to_the_sign_in(workings: Workings) -> None:
    response = browser_of(workings).get("/", headers={"hx-request": "true"})
    assert (response.status_code, response.headers["hx-redirect"]) == (401, "/sign-in")


def test_a_first_page_is_half_a_second_of_a_slow_line(auditor: Visitor) -> None:
    """Of a line of 1 Mbit/s: the page, its style and its scripts, as they are sent."""
    page = auditor.client.get("/")
    loaded = re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js)[^"]*)"', page.text)
    assert len(loaded) == 3
    sent = [page, *(auditor.client.get(address) for address in loaded)]
    assert all(one.headers["content-encoding"] == "gzip" for one in sent)
    assert sum(int(one.headers["content-length"]) for one in sent) <= 1_000_000 / 8 / 2


def test_what_a_browser_loads_is_small() -> None:
    assert sum((STATIC / name).stat().st_size for name in ("htmx.min.js", "console.js", "console.css")) <= 60_000
    assert (STATIC / "htmx.LICENSE").read_text().startswith("Zero-Clause BSD")


# Findings


def test_a_finding_is_reviewed_by_staff_of_its_province_for_a_purpose_and_by_nobody_else(workings: Workings, raised: str) -> None:
    staff, others = (visitor(workings, STAFF, provinces=(province,)) for province in ("50", "51"))
    policy = visitor(workings, POLICY, provinces=PROVINCES)
    assert raised in staff.get("/findings?rule=PIN_BURST") and raised not in others.get("/findings")
    assert f"/findings/{raised}" not in policy.get("/findings") and raised in policy.get("/findings")
    assert others.client.get(f"/findings/{raised}").status_code == 404
    assert "What for?" in staff.get(f"/findings/{raised}?lang=en")
    staff.post("/purpose", handle=f"finding-{raised}", purpose="INVESTIGATION", back=f"/findings/{raised}")
    page = staff.get(f"/findings/{raised}?lang=en")
    assert page.count("<circle") == 5 and "Begin the review" in page and "A19900777" not in page
    too_early = staff.post(f"/findings/{raised}/decide", step="clear", reason="TRAINING")
    assert (too_early.status_code, "reviewed first" in too_early.text) == (400, True)
    assert staff.post(f"/findings/{raised}/decide", step="review").status_code == 303
    assert staff.post(f"/findings/{raised}/decide", step="clear", reason="TRAINING", note="课堂 a class").status_code == 303
    deadline = time.monotonic() + DEADLINE_S
    while "training of staff" not in (page := staff.get(f"/findings/{raised}?lang=en")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "training of staff" in page and "a class" in page and "Begin the review" not in page


@pytest.mark.parametrize(("path", "status"), [("/findings?state=X", 400), ("/findings?rule=X", 400), ("/findings/FD-1", 404)])
def test_what_is_no_finding_is_a_page_that_says_so(workings: Workings, path: str, status: int) -> None:
    assert visitor(workings, STAFF, provinces=("50",)).client.get(path).status_code == status
