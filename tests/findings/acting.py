"""Carries out a scenario file of `tests/findings/scenarios`, step by step, on a journal, its views and the process of findings.

A file says what happens (`use`, `ride`, `pin`, `bought`, `paid`, `returned`, `lost`, `died`, `asked`, `shown_again`,
`opted_out`), what is taken back (`correct`, `reverse`), what people decide (`review`, `confirm`, `clear`) and what rules are made of
(`simulate`, `adopt`). `found` says which findings there are then: rule, day, state and how many events each rests on.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2, event_pb2
from chuanyu.exchange.v1 import findings_pb2 as protos

from hub.domain.instants import LOCAL
from hub.domain.unusual_use.finding import Said
from hub.findings.desk import HUB, FindingDesk
from hub.findings.process import CHECKPOINT, FindingProcess
from hub.findings.simulating import simulate
from hub.journal.recorder import AggregateStore
from hub.projections import runner
from hub.projections.views.raised_findings import Listed, Wanted, listed
from tests.acting import Steps, read_steps
from tests.recording import (
    Recording,
    about,
    contradicted,
    correcting,
    decided,
    elders_ride,
    fund_row,
    journey,
    key_of,
    lost,
    registered,
    reversing,
    settlement,
)

DIRECTORY = Path(__file__).parent / "scenarios"
NAMES = [path.stem for path in sorted(DIRECTORY.glob("*.toml"))]
STEPS = (
    "use", "ride", "pin", "bought", "paid", "returned", "lost", "died", "asked", "shown_again", "opted_out", "correct", "reverse",
    "review", "confirm", "clear", "simulate", "adopt", "found", "again",
)  # fmt: skip
BOTH = ("50", "51")
NOW = datetime(2025, 10, 1, tzinfo=UTC)


def read(name: str) -> dict[str, Any]:
    """Returns a scenario file."""
    return read_steps(DIRECTORY, name)


def seconds(text: str) -> int:
    """Reads an instant in +08:00."""
    return int(datetime.fromisoformat(text).replace(tzinfo=LOCAL).timestamp())


def text_of(one: Listed) -> str:
    """Writes a finding as a scenario file does."""
    return f"{one.rule_code} {one.day} {one.state} {one.evidence_count}"


class Acting(Steps):
    """One scenario on its own database."""

    def __init__(self, journal: Recording, views: psycopg.Connection, projector: psycopg.Connection, store: AggregateStore) -> None:
        super().__init__(journal, STEPS)
        self.views, self.projector, self.store = views, projector, store
        self.desk, self.process = FindingDesk(views, store), FindingProcess(projector, store)

    def use(self, step: dict[str, Any]) -> None:
        event = journey(step["card"], 200, seconds(step["at"]), step["region"])
        event.medium = acceptance_pb2.Medium.Value(f"MEDIUM_{step.get('medium', 'CONTACTLESS')}")
        self.append(step["use"], event)

    def ride(self, step: dict[str, Any]) -> None:
        event = elders_ride(step["card"], step["counter"], at_s=seconds(step["at"]))
        event.transit_journey_completed.tap.mode = 1
        self.append(step["ride"], event)

    def pin(self, step: dict[str, Any]) -> None:
        for number in range(step.get("times", 1)):
            event = about(step["card"], seconds(step["at"]) + 10 * number)
            event.pin_verification_failed.SetInParent()
            self.append(step["pin"], event)

    def bought(self, step: dict[str, Any]) -> None:
        event = settlement(f"S{step['bought']}", step["card"], seconds(step["at"]))
        event.scenario, event.medical_settlement_completed.institution_code = "MED.RX", step["pharmacy"]
        self.append(step["bought"], event)

    def paid(self, step: dict[str, Any]) -> None:
        self._row("paid", step, step["paid"])

    def returned(self, step: dict[str, Any]) -> None:
        self._row("returned", step, step["returned"])

    def _row(self, what: str, step: dict[str, Any], name: str) -> None:
        paid_for = {"project_code": step["project"], "period": step["period"]} if what == "paid" else {"reason": 1}
        event = fund_row(what, 1, seconds(step["at"]), 10_000, batch_no=step["batch"], **paid_for)
        event.service_region, event.holder.key = f"{step['by']}0100", key_of(step["person"])
        self.append(name, event, "sc.usage" if step["by"] == "51" else "cq.usage")

    def lost(self, step: dict[str, Any]) -> None:
        self.journal.append(registered(step["card"], seconds(step["at"]) - 86_400), feed="cq.card-center")
        self.append(step["lost"], lost(step["card"], seconds(step["at"])), "cq.card-center")

    def died(self, step: dict[str, Any]) -> None:
        event = about(step["card"], seconds(step["at"]))
        event.card_cancelled.reason = 1
        self.append(step["died"], event, "cq.card-center")

    def asked(self, step: dict[str, Any]) -> None:
        for number in range(step["cards"]):
            event = decided(f"A{900 + number:08}", "CARD_UNKNOWN")
            event.occurred_at.seconds = seconds(step["at"]) + number
            self.append(step["asked"], event)

    def shown_again(self, step: dict[str, Any]) -> None:
        for event in contradicted(step["card"], step.get("times", 1)):
            event.occurred_at.seconds = seconds(step["at"])
            self.append(step["shown_again"], event)

    def opted_out(self, step: dict[str, Any]) -> None:
        event = about(step["opted_out"], seconds(step["at"]))
        event.consent_withdrawn.purpose_code = step.get("purpose", "AUTOMATED_DECISION")
        self.append(f"opted out {step['opted_out']}", event, "cq.card-center")

    def correct(self, step: dict[str, Any]) -> None:
        feed, sequence, event = self.told[step["correct"]]
        other = event_pb2.Event.FromString(event.SerializeToString())
        other.service_region = step.get("region", other.service_region)
        other.occurred_at.seconds = seconds(step["at"]) if "at" in step else other.occurred_at.seconds
        self.append(step.get("by", "correction"), correcting(other, sequence, feed), feed)

    def reverse(self, step: dict[str, Any]) -> None:
        feed, sequence, event = self.told[step["reverse"]]
        self.append(step.get("by", "reversal"), reversing(event, sequence, feed), feed)

    def review(self, step: dict[str, Any]) -> None:
        self._decide(protos.FINDING_STEP_REVIEW, step["review"], step)

    def confirm(self, step: dict[str, Any]) -> None:
        self._decide(protos.FINDING_STEP_CONFIRM, step["confirm"], step)

    def clear(self, step: dict[str, Any]) -> None:
        self._decide(protos.FINDING_STEP_CLEAR, step["clear"], step)

    def _decide(self, what: protos.FindingStep.ValueType, rule: str, step: dict[str, Any]) -> None:
        (one,) = listed(self.views, Wanted(rule_code=rule))
        by = protos.FindingOfficer(participant=HUB, person=step.get("person", "han.mei"))
        said = Said(what, by, step.get("because", ""), step.get("note", ""))
        self.desk.decide(one.code, said, step.get("of", BOTH), NOW)
        runner.catch_up(self.projector)

    def simulate(self, step: dict[str, Any]) -> None:
        runner.catch_up(self.projector)
        found = simulate(self.views, step["simulate"], step.get("set", {}), _days(step), step.get("most"))
        assert [found.uses, found.findings, found.findings_in_force, found.both, found.opted_out] == step["gives"]
        assert found.floods == step.get("floods", False)

    def adopt(self, step: dict[str, Any]) -> None:
        runner.catch_up(self.projector)
        by = protos.FindingOfficer(participant=HUB, person="han.mei")
        version, _ = self.desk.adopt(step["adopt"], step["set"], _days(step), by, NOW)
        assert version.number == step["version"]

    def found(self, step: dict[str, Any]) -> None:
        self.work(step.get("page", 5_000))
        assert sorted(map(text_of, listed(self.views, Wanted()))) == sorted(step["found"])

    def again(self, step: dict[str, Any]) -> None:
        """The process begins from position 1 again, as if a crash had lost its checkpoint: nothing is recorded twice."""
        before = self._head()
        self.projector.execute("UPDATE views.checkpoint SET position = 0 WHERE view = %s", (CHECKPOINT,))
        self.process = FindingProcess(self.projector, self.store)
        self.work(step["again"])
        assert self._head() == before

    def work(self, page_events: int = 5_000) -> None:
        """Folds and handles all there is."""
        moved = 1
        while moved:
            runner.catch_up(self.projector)
            moved = self.process.advance(NOW, page_events)

    def _head(self) -> int:
        row = self.views.execute("SELECT position FROM journal.head").fetchone()
        assert row is not None
        return int(row[0])


def _days(step: dict[str, Any]) -> tuple[date, date]:
    first, last = map(date.fromisoformat, step.get("days", ["2025-09-01", "2025-09-30"]))
    return first, last
