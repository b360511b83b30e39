"""What is shown of a finding: its evidence by time, and its steps; the same for a caller, a terminal and a page."""

from typing import Any, NamedTuple

import psycopg

from hub.domain.instants import microseconds_of
from hub.domain.unusual_use.finding import Finding
from hub.findings.reading import find
from hub.journal.corrections import changed_since, corrected_among
from hub.journal.reader import Recorded, events_at, head_position
from hub.projections.views.card_alias import identifiers_of
from hub.projections.views.raised_findings import Listed


class Evidence(NamedTuple):
    """An event that a finding rests on; *is_in_force* says that it was neither corrected nor reversed since."""

    position: int
    kind: str
    occurred_us: int
    region: str
    scenario: str
    is_in_force: bool


class Taken(NamedTuple):
    """A step: what, when, who (empty for the hub), why."""

    kind: str
    at_us: int
    person: str
    reason_code: str
    note: str


class Whole(NamedTuple):
    """A finding with its evidence, and all keys of its card."""

    listed: Listed
    finding: Finding
    evidence: tuple[Evidence, ...]
    steps: tuple[Taken, ...]
    keys: tuple[bytes, ...]
    position: int


def whole(connection: psycopg.Connection, code: str, provinces: tuple[str, ...]) -> Whole:
    """Returns a finding that concerns some provinces; raises FindingUnknown."""
    listed, finding = find(connection, code, provinces)
    head, positions = head_position(connection), list(finding.evidence.positions)
    corrected = corrected_among(connection, positions, head)
    found = [
        Evidence(
            one.position, one.kind, one.occurred_us, one.event.service_region, one.event.scenario,
            (one.stream_id, one.sequence) not in corrected or _is_in_force(connection, one, head),
        )
        for one in events_at(connection, positions)
    ]  # fmt: skip
    keys = tuple(identifiers_of(connection, finding.card.key)) if finding.card is not None else ()
    evidence = tuple(sorted(found, key=lambda one: (one.occurred_us, one.position)))
    return Whole(listed, finding, evidence, tuple(_taken(*step) for step in finding.steps), keys, head)


def _is_in_force(connection: psycopg.Connection, one: Recorded, head: int) -> bool:
    gone, _ = changed_since(connection, {(one.stream_id, one.sequence)}, one.position, head)
    return all(old.position != one.position for old in gone)


def _taken(kind: str, at: Any, message: Any) -> Taken:
    by = message.by.person if "by" in message.DESCRIPTOR.fields_by_name else ""
    return Taken(kind, microseconds_of(at), by, getattr(message, "reason_code", ""), getattr(message, "note", ""))
