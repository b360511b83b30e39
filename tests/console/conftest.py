"""One hub with a little of everything, and the console over it: in this process for most tests, as a process of its own for the browser."""

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import audit_question_pb2, control_pb2, event_pb2
from chuanyu.exchange.v1 import reconciliation_pb2 as protos
from starlette.testclient import TestClient

from hub.admin.accounts.accounts import put_account
from hub.admin.accounts.roles import AUDITOR, OPERATOR, POLICY, PROVINCES
from hub.admin.accounts.sessions import make_link
from hub.admin.registry import register_participant
from hub.audit.requests.desk import Asking, AuditDesk, of_operator
from hub.config import Config
from hub.console.app import Application
from hub.console.workings import Workings
from hub.domain.instants import LOCAL
from hub.domain.participant import PREFIX
from hub.domain.roles import every_role
from hub.domain.settlement.statement import Statement
from hub.indicators.asking import newest
from hub.indicators.desk import Officer
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.meeting import desk as meeting_desk
from hub.projections.views.raised_findings import Wanted, listed
from hub.reconciliation.desk import ReconciliationDesk
from hub.settlement.desk import SettlementDesk
from hub.settlement.desk import of_operator as of_officer
from hub.trust.keyring import open_keyring
from tests.clients import DEADLINE_S, Province
from tests.databases import fresh_database
from tests.hub_process import CHONGQING, SICHUAN, RunningHub, running_hub
from tests.messages import journey, lost, name_card, question, registered
from tests.recording import case_event, filing, fund_batch, fund_row, library, refund, repointed, settlement, venue

OWN = {"sec-fetch-site": "same-origin"}
NOW_S = int(time.time())
# Journeys of the lost card; those in Mianyang are too few to be shown.
IN_CHENGDU, IN_MIANYANG = 9, 3
LOST_CARD, UNKNOWN_CARD, SICHUAN_CARD = "A19900501", "A19909999", "A19905101"
# The holder of this one was treated, borrowed a book, visited a park, and filed a case.
HOLDERS_CARD, SETTLED, FILED = "A19905102", "CONSOLE-S1", "CONSOLE-N1"
# Paid by a batch of funds; nobody reported the card itself.
PAYEES_CARD, FUNDED, FUND_EVENTS = "A19900601", "CONSOLE-F1", 11
# Of a card that nobody reported: so many are a finding.
FAILED_PINS = 5
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Scene:
    """The hub, and where in its journal something is: two decisions about the lost card, one about Sichuan's, a quarantined event."""

    hub: RunningHub
    accepted: int
    refused: int
    of_sichuan: int
    quarantined: int


@pytest.fixture(scope="session")
def scene(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A hub that has recorded cards, uses in both directions, answers, and an event in quarantine."""
    with (
        fresh_database(server_dsn, f"hub_console_{os.getpid()}") as dsn,
        running_hub(dsn, tmp_path_factory.mktemp("console")) as hub,
    ):
        with AggregateStoreOf(hub) as store:
            register_participant(store, f"{PREFIX}cq.formula", "50", "=cmd|' /C calc'!A0", ["cq.formula"], datetime.now(UTC), every_role())
        chongqing, sichuan = Province(hub, CHONGQING), Province(hub, SICHUAN)
        day_s = NOW_S - 7_200
        chongqing.tell("cq.card-center", registered(LOST_CARD, at_s=day_s))
        position = sichuan.tell("sc.card-center", registered(SICHUAN_CARD, "51", at_s=day_s), registered(HOLDERS_CARD, "51", at_s=day_s))
        accepted = sichuan.cards.CheckAcceptance(question("console-1", LOST_CARD, min_position=position), timeout=DEADLINE_S).position
        position = chongqing.tell("cq.card-center", lost(LOST_CARD, at_s=NOW_S - 3_600))
        refused = sichuan.cards.CheckAcceptance(question("console-2", LOST_CARD, min_position=position), timeout=DEADLINE_S).position
        there = question("console-3", SICHUAN_CARD, "51", region="500103", min_position=position)
        of_sichuan = chongqing.cards.CheckAcceptance(there, timeout=DEADLINE_S).position
        sichuan.tell("sc.card-center", *_in_leshan(day_s))
        regions = ["510100"] * IN_CHENGDU + ["510700"] * IN_MIANYANG
        chongqing.tell("cq.usage", *(_journey(day_s, number, region) for number, region in enumerate(regions)))
        chongqing.tell("cq.usage", *_funds(day_s))
        bad = journey(SICHUAN_CARD, "51", at_s=day_s)
        bad.service_region = "519999"
        quarantined = sichuan.tell("sc.usage", bad)
        await_views(hub.dsn, quarantined)
        yield Scene(hub, accepted, refused, of_sichuan, quarantined)
        chongqing.channel.close()
        sichuan.channel.close()


def _in_leshan(at_s: int) -> Iterator[event_pb2.Event]:
    """What the holder of another card did in Leshan: a settlement, part of it given back, a loan that is overdue, a visit, and a case.

    For Chongqing there is a filing, which was registered late; on the card a certificate that has ended, and a permit without an end.
    """
    day = datetime.fromtimestamp(at_s - 86_400 * 40, UTC).date().isoformat()
    for event in (
        settlement(SETTLED, at_s=at_s),
        refund("CONSOLE-R1", SETTLED, at_s=at_s + 60, fen=1_600),
        library("borrowed", at_s=at_s - 86_400 * 70, due_on=day),
        venue("gate_entered", at_s=at_s, gate="EAST", ticket_type=1, concession=1, party_size=3),
        case_event("submitted", FILED, at_s=at_s, ref={"item_code": "TB031"}),
        filing(at_s=at_s, insured_region="511100", treatment_region="500103", valid_to="2026-06-30"),
        _document(control_pb2.CARD_DOCUMENT_DISABILITY_CERTIFICATE, at_s, "2025-12-31"),
        _document(control_pb2.CARD_DOCUMENT_WORK_PERMIT, at_s),
    ):
        event.service_region = "511100"
        name_card(event.card, HOLDERS_CARD, "51")
        yield event


def _document(document: control_pb2.CardDocument.ValueType, at_s: int, valid_to: str = "") -> event_pb2.Event:
    event = event_pb2.Event(document_folded_in=control_pb2.DocumentFoldedIn(document=document, valid_from="2025-01-01", valid_to=valid_to))
    event.occurred_at.seconds = at_s
    return event


def _funds(at_s: int) -> Iterator[event_pb2.Event]:
    """A batch of three rows: one paid, one returned and sent again to another account, one paid under two serials."""
    batch: dict[str, Any] = {"batch_no": FUNDED}
    old, new = "6217000000000000012", "6217000000000000020"
    moved = repointed(old, new, at_s)
    moved.fund_account_repointed.from_account.clear, moved.fund_account_repointed.to_account.clear = old, new
    yield fund_batch("published", FUNDED, at_s, row_count=3, amount_total_fen=30_000, project_code="GLJT", fiscal_year=2025, period="09")
    yield fund_batch("sent", FUNDED, at_s, row_count=3, amount_total_fen=30_000)
    for row_no in (1, 2, 3):
        sent = fund_row("sent", row_no, at_s, **batch)
        name_card(sent.card, PAYEES_CARD, "50")
        yield sent
    yield fund_row("paid", 1, at_s + 60, bank_serial="S1", **batch)
    yield fund_row("returned", 2, at_s + 60, reason=7, bank_serial="S2", **batch)
    yield moved
    again = fund_row("sent", 2, at_s + 120, attempt=2, **batch)
    name_card(again.card, PAYEES_CARD, "50")
    yield again
    yield fund_row("paid", 3, at_s + 60, bank_serial="S3", **batch)
    yield fund_row("paid", 3, at_s + 180, bank_serial="S9", **batch)


def _journey(at_s: int, number: int, region: str) -> event_pb2.Event:
    event = journey(LOST_CARD, at_s=at_s + 60 * number)
    event.service_region = region
    event.transit_journey_completed.tap.purse_counter = 137 + number
    return event


class AggregateStoreOf:
    """A store of a hub, closed in the end."""

    def __init__(self, hub: RunningHub) -> None:
        self._store = AggregateStore(hub.dsn)

    def __enter__(self) -> AggregateStore:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def await_views(dsn: str, position: int) -> None:
    """Waits until every view has a position."""
    deadline = time.monotonic() + 60
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute("SELECT min(position) FROM views.checkpoint").fetchone()
            if row is not None and (row[0] or 0) >= position:
                return
            time.sleep(0.05)
    raise AssertionError("the views do not follow")


@pytest.fixture(scope="session")
def settled(scene: Scene) -> tuple[Statement, date]:
    """A statement of the journeys of the scene, and the day of a line of it, of which Sichuan's totals lack one ride."""
    with AggregateStoreOf(scene.hub) as store, session(scene.hub.dsn, "hub_reader", "test") as connection:
        desk, now = SettlementDesk(connection, store), datetime.now(UTC)
        (statement,) = desk.issue("TRANSIT", now.astimezone(LOCAL).date(), now, early=True)
        line = next(one for one in statement.issued.lines if one.service_region == "510100")
        totals = protos.ReconTotalsRecorded(by=of_officer("51", "li.lei"), business_day=line.business_day, version=1)
        totals.totals.add(
            issuer_province="50", service_region="510100", scenario=line.scenario, uses=line.uses - 1, amount_fen=line.amount_fen
        )
        day = date.fromisoformat(line.business_day)
        books = ReconciliationDesk(connection, store)
        books.submit(totals, now)
        books.reconcile("51", day, now + timedelta(days=2))
    return statement, day


@pytest.fixture(scope="session")
def met(scene: Scene) -> str:
    """The code of a report for the joint meeting, of this year so far."""
    with session(scene.hub.dsn, "hub_reader", "test") as connection, meeting_desk.opened(scene.hub.dsn, connection) as desk:
        now = datetime.now(UTC)
        return desk.freeze(str(now.astimezone(LOCAL).year), newest(connection), Officer("operator", "li.lei"), now).code


@pytest.fixture(scope="session")
def audited(scene: Scene) -> str:
    """The code of an audit of the record that was delivered."""
    with AggregateStoreOf(scene.hub) as store, session(scene.hub.dsn, "hub_reader", "test") as connection:
        desk = AuditDesk(scene.hub.dsn, connection, store)
        asking = Asking(audit_question_pb2.AuditQuestion(record=audit_question_pb2.RecordQuestion()), "yearly", "audit law 34")
        keyring = open_keyring(scene.hub.data_dir / "keys")
        code = desk.request(asking, of_operator("li.lei"), keyring, datetime.now(UTC)).code
        desk.approve(code, of_operator("han.meimei"), datetime.now(UTC))
        deadline = time.monotonic() + 60
        while (audit := desk.find(code)).is_open and time.monotonic() < deadline:
            time.sleep(0.05)
    assert audit.state == "DELIVERED", (audit.state, audit.reason_code, audit.detail)
    return code


@pytest.fixture(scope="session")
def workings(scene: Scene) -> Iterator[Workings]:
    """What pages work with, over the hub's database."""
    found = Workings(Config(data_dir=scene.hub.data_dir, dsn=scene.hub.dsn), scene.hub.dsn)
    found.start()
    yield found
    found.stop()


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in: a browser without a screen, his name, and the token of his forms."""

    client: TestClient
    name: str
    token: str

    def get(self, path: str, **headers: str) -> str:
        """Returns a page that must be shown."""
        response = self.client.get(path, headers=headers)
        assert response.status_code == 200, f"{path}: {response.status_code} {response.text[-600:]}"
        return response.text

    def post(self, path: str, **fields: str) -> "TestClient":
        """Sends a form of the console's own."""
        return self.client.post(path, data={"token": self.token, **fields}, headers=OWN, follow_redirects=False)  # type: ignore[return-value]


def browser_of(workings: Workings) -> TestClient:
    """A browser without a screen that nobody has signed in with."""
    return TestClient(Application(workings).starlette(), base_url="https://console", client=("127.0.0.1", 50_000))


def visitor(workings: Workings, *roles: str, provinces: tuple[str, ...] = PROVINCES, lang: str = "en") -> Visitor:
    """Signs somebody new in by a link."""
    name = f"user-{next(_numbers)}"
    with session(workings.dsn, "hub_console", "test") as connection:
        put_account(connection, name, name, roles or (AUDITOR, OPERATOR, POLICY), provinces)
        secret = make_link(connection, name)
        client = browser_of(workings)
        response = client.post(f"/enter/{secret}", headers=OWN, follow_redirects=False)
        assert (response.status_code, response.headers["location"]) == (303, "/")
        client.cookies.set("lang", lang)
        row = connection.execute("SELECT token FROM console.session WHERE account = %s", (name,)).fetchone()
    assert row is not None
    return Visitor(client, name, row[0])


@pytest.fixture(scope="session")
def auditor(workings: Workings) -> Visitor:
    """Auditor, operator and policy staff of both provinces, as the demo's user is."""
    return visitor(workings)


@pytest.fixture(scope="session")
def raised(scene: Scene) -> str:
    """A finding of Chongqing's: five wrong PINs of one card."""
    failed = [event_pb2.Event() for _ in range(FAILED_PINS)]
    for number, event in enumerate(failed):
        event.occurred_at.seconds = NOW_S - 7_000 + number
        name_card(event.card, "A19900777", "50")
        event.pin_verification_failed.SetInParent()
    chongqing = Province(scene.hub, CHONGQING)
    chongqing.tell("cq.card-center", *failed)
    chongqing.channel.close()
    deadline = time.monotonic() + DEADLINE_S
    with session(scene.hub.dsn, "hub_reader", "test") as connection:
        while not (found := listed(connection, Wanted(rule_code="PIN_BURST"))):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    return found[0].code
