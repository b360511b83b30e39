"""Carries out a scenario file of `tests/reconciliation/scenarios`, step by step, on a journal and its views.

A file says what both sides report of rides by QR code on 2025-09-01 (`use`, `clear`, `again`, `correct`, `reverse`, `quarantined`), what
totals a side sends (`totals`), when the hub reconciles (`reconcile`), and what sides say of breaks (`assign`, `explain`, `close`). After
each reconciliation it says which breaks there are; with `lagging` the hub has not counted yet what came last. That they explain the whole
difference is checked after each one.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import reconciliation_pb2 as protos

from hub.domain.instants import LOCAL
from hub.domain.reconciliation.books import NOTHING, hash_total
from hub.domain.reconciliation.day_book import Break
from hub.domain.reconciliation.differences import CLASS_NAMES
from hub.journal.recorder import AggregateStore
from hub.projections import runner
from hub.reconciliation.comparing import COMPARED, LAGGING, Comparison
from hub.reconciliation.desk import ReconciliationDesk
from hub.settlement.desk import SettlementDesk, of_operator
from tests.acting import Steps, read_steps
from tests.recording import AT_S, Recording, correcting, journey, reversing

DAY = date(2025, 9, 1)
DIRECTORY = Path(__file__).parent / "scenarios"
NAMES = [path.stem for path in sorted(DIRECTORY.glob("*.toml"))]
STEPS = ("use", "clear", "again", "correct", "reverse", "quarantined", "totals", "reconcile", "assign", "explain", "close", "state")
FEEDS = {"50": "cq.usage", "51": "sc.usage"}


def read(name: str) -> dict[str, Any]:
    """Returns a scenario file."""
    return read_steps(DIRECTORY, name)


def ride(card: str, fen: int, issuer: str = "50", region: str = "510100", scenario: str = "TRA.QR") -> event_pb2.Event:
    """A ride of 2025-09-01."""
    event = journey(card, fen, AT_S, region)
    event.scenario, event.card.issuing_province = scenario, issuer
    event.transit_journey_completed.tap.purse_counter = 7
    return event


def fold(views: psycopg.Connection) -> None:
    """Brings all views to the head."""
    runner.catch_up(views)


def text_of(one: Break) -> str:
    """Writes a break as a scenario file does: class, cell, how much more the hub has, what it comes of, how far it is."""
    uses, fen = one.ours.less(one.theirs)
    cause = f" {protos.BreakCause.Name(one.cause).removeprefix('BREAK_CAUSE_')}" if one.cause else ""
    cell = " ".join(one.cell).strip() or "the day"
    return f"{CLASS_NAMES[one.break_class]} {cell} {uses:+} {fen:+} {one.said_reason or one.reason} {one.state}{cause}"


class Acting(Steps):
    """One scenario on its own database."""

    def __init__(self, journal: Recording, views: psycopg.Connection, store: AggregateStore) -> None:
        super().__init__(journal, STEPS)
        self.views = views
        self.desk, self.statements = ReconciliationDesk(views, store), SettlementDesk(views, store)

    def use(self, step: dict[str, Any]) -> None:
        card = f"A{len(self.told):08}"
        where = {name: step[name] for name in ("issuer", "region", "scenario") if name in step}
        feed, event = FEEDS[step.get("by", "51")], ride(card, step["fen"], **where)
        if step.get("entered"):
            entry = event_pb2.Event.FromString(event.SerializeToString())
            entry.transit_entry_recorded.tap.CopyFrom(event.transit_journey_completed.tap)
            entry.transit_entry_recorded.tap.purse_counter -= 1
            entry.occurred_at.seconds -= 600
            self.journal.append(entry, feed=feed)
        self.append(step["use"], event, feed)

    def clear(self, step: dict[str, Any]) -> None:
        feed, sequence, event = self.told[step["clear"]]
        said = event_pb2.Event(service_region=event.service_region, scenario=event.scenario, card=event.card)
        said.occurred_at.seconds = AT_S + 900
        said.transit_clearing_accepted.trip.feed, said.transit_clearing_accepted.trip.sequence = feed, sequence
        self.journal.append(said, feed=step["feed"])

    def again(self, step: dict[str, Any]) -> None:
        feed, _, event = self.told[step["again"]]
        other = event_pb2.Event.FromString(event.SerializeToString())
        other.transit_journey_completed.fare_paid_fen = step.get("fen", other.transit_journey_completed.fare_paid_fen)
        self.journal.append(other, feed=step.get("feed", FEEDS.get(step.get("by", ""), feed)))

    def correct(self, step: dict[str, Any]) -> None:
        feed, sequence, event = self.told[step["correct"]]
        other = event_pb2.Event.FromString(event.SerializeToString())
        if other.WhichOneof("kind") != "transit_journey_completed":
            other = ride(f"A{len(self.told):08}", 0)
        other.transit_journey_completed.fare_paid_fen = step["fen"]
        other.scenario = step.get("scenario", other.scenario)
        self.journal.append(correcting(other, sequence, feed), feed=feed)

    def reverse(self, step: dict[str, Any]) -> None:
        feed, sequence, event = self.told[step["reverse"]]
        self.journal.append(reversing(event, sequence, feed), feed=feed)

    def quarantined(self, step: dict[str, Any]) -> None:
        event = event_pb2.Event()
        event.occurred_at.seconds = AT_S + 86_400 * step.get("days", 0)
        event.event_quarantined.declared_kind = step.get("kind", "transit_journey_completed")
        self.append(step["quarantined"], event, FEEDS["51"])

    def totals(self, step: dict[str, Any]) -> None:
        self.fold(step)
        side = step["totals"]
        message = protos.ReconTotalsRecorded(by=of_operator(side, "li.lei"), business_day=step.get("day", "2025-09-01"))
        message.version = step.get("version", 1)
        for issuer, region, scenario, uses, fen in step["cells"]:
            one = message.totals.add(issuer_province=issuer, service_region=region, scenario=scenario, uses=uses, amount_fen=fen)
            if "hash_of" in step:
                one.hash_total = hash_total((self.told[name][0], self.told[name][1], amount) for name, amount in step["hash_of"])
            if "reversals" in step:
                one.reversals = step["reversals"]
        for feed, sequence in step.get("through", []):
            message.through.add(feed=feed, sequence=sequence)
        self.desk.submit(message, at(step.get("at", "2025-09-02 08:00")))

    def fold(self, step: dict[str, Any]) -> None:
        """Brings all views to the head, except where a step says that the hub lags."""
        if not step.get("lagging", False):
            fold(self.views)

    def reconcile(self, step: dict[str, Any]) -> None:
        self.fold(step)
        found = self.desk.reconcile(step["reconcile"], DAY, at(step.get("at", "2025-09-02 12:00")))
        breaks = list(found.book.breaks.values()) if found.book is not None else []
        assert [text_of(one) for one in breaks] == step["breaks"]
        check_explained(found)

    def assign(self, step: dict[str, Any]) -> None:
        self.desk.assign(step["assign"], of_operator(step["by"], "han.mei"), step["to"], at("2025-09-03 09:00"))

    def explain(self, step: dict[str, Any]) -> None:
        self.desk.explain(step["explain"], of_operator(step["by"], "han.mei"), step["because"], [], at("2025-09-03 09:00"))

    def close(self, step: dict[str, Any]) -> None:
        cause = protos.BreakCause.Value(f"BREAK_CAUSE_{step['cause']}")
        self.desk.leave(step["close"], of_operator(step["by"], "han.mei"), cause, [], at("2025-09-03 09:00"))

    def state(self, step: dict[str, Any]) -> None:
        fold(self.views)
        (made,) = self.statements.issue(step["state"], DAY, datetime.now(UTC), early=True)
        for side in step["acknowledged_by"]:
            self.statements.acknowledge(made.code, of_operator(side, "li.lei"), made.issued.digest, datetime.now(UTC))


def check_explained(found: Comparison) -> None:
    """The breaks of a day explain the whole difference of the two books, once it was reconciled, and so does a side's silence."""
    breaks = list(found.book.breaks.values()) if found.book is not None else []
    explained = found.book.explained if found.book is not None else NOTHING
    if found.state == COMPARED or (found.state != LAGGING and any(one.is_silence and one.is_open for one in breaks)):
        assert explained == found.difference


def at(text: str) -> datetime:
    """Reads an instant in +08:00."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=LOCAL)
