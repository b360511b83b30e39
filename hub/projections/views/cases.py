"""View: every case 办件 by the province that handles it and its number, with all that was reported of it.

A row keeps its reports, also those that were corrected since, so that a case can be folded as of any position. The columns beside them
follow from the reports alone: what depends on the day or on the catalogue is found when it is asked for (`hub.admin.cases`).
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import NamedTuple

from chuanyu.exchange.v1 import event_pb2

from hub.domain.event_rules import KIND_NUMBERS
from hub.domain.joint_services.case_clock import due_from, next_actors
from hub.domain.joint_services.cases import CaseFact, fold, key_of
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row

CASE_KINDS = frozenset(kind for kind in KIND_NUMBERS if kind.startswith("case_"))
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Report(NamedTuple):
    """One event of a case: what it says, when it was recorded, its number, and since and until which position it was in force.

    *until* is 0 while it is.
    """

    fact: CaseFact
    recorded_us: int
    stream_id: int
    sequence: int
    since: int
    until: int = 0

    def was_in_force(self, position: int) -> bool:
        """Whether it was in force at a position."""
        return self.since <= position and not 0 < self.until <= position


Reports = tuple[Report, ...]


def fact_of(recorded: Recorded) -> CaseFact:
    """Returns what an event says of its case; the side that reports it is that of the place where it happened."""
    event, kind = recorded.event, recorded.kind
    region = event.service_region
    return CaseFact(kind, getattr(event, kind), recorded.occurred_us, recorded.position, region[:2], region)


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the case of the event, and that of the one it corrects."""
    for event in (recorded, corrected):
        if event is not None and event.kind in CASE_KINDS:
            yield event.derived(_key)


def _key(recorded: Recorded) -> Key:
    return tuple(key_of(fact_of(recorded)))


def evolve(key: Key, row: Reports | None, recorded: Recorded, corrected: Recorded | None) -> Reports | None:
    """Adds the report of an event, and says of the one that it corrects until when that was in force."""
    reports, at = row, recorded.in_force_since
    if reports is not None and corrected is not None:
        ended = (one.fact.position == corrected.position and not one.until for one in reports)
        reports = tuple(one._replace(until=at) if ends else one for one, ends in zip(reports, ended, strict=True))
    if recorded.is_reversal or recorded.kind not in CASE_KINDS or recorded.derived(_key) != key:
        return reports
    return (*(reports or ()), Report(fact_of(recorded), recorded.recorded_us, recorded.stream_id, recorded.sequence, at))


def decode(row: Row) -> Reports:
    """Reads the reports of a row; the other columns follow from them."""
    return unpacked(row[0])


def encode(reports: Reports) -> Row:
    """Writes a row."""
    changed_at = max(max(one.since, one.until) for one in reports)
    in_force = [one.fact for one in reports if not one.until]
    if not in_force:
        # Who was a side of it learns that nothing is left.
        sides = fold([one.fact for one in reports], None).sides
        return packed(reports), "", "", " ".join(sides), "", "", changed_at, False, None
    case = fold(in_force, None)
    return (
        packed(reports),
        case.state,
        case.deciding_province,
        " ".join(case.sides),
        " ".join(next_actors(case)),
        case.package_no,
        changed_at,
        not case.is_closed,
        due_from(case),
    )


def packed(reports: Reports) -> str:
    """Writes reports as a row keeps them."""
    return _encode([_packed(one) for one in reports])


def _packed(report: Report) -> list[object]:
    fact, *rest = report
    said = b64encode(fact.message.SerializeToString(deterministic=True)).decode()
    return [KIND_NUMBERS[fact.kind], fact.occurred_us, fact.position, fact.region, said, *rest]


def unpacked(text: str) -> Reports:
    """Reads the reports of a row."""
    return tuple(_unpacked(*entry) for entry in json.loads(text))


def _unpacked(number: int, occurred_us: int, position: int, region: str, said: str, *rest: int) -> Report:
    kind = _FIELDS[number]
    message = getattr(event_pb2.Event(), kind)
    message.ParseFromString(b64decode(said))
    return Report(CaseFact(kind, message, occurred_us, position, region[:2], region), *rest)


_FIELDS = {number: kind for kind, number in KIND_NUMBERS.items() if kind in CASE_KINDS}


def facts_at(reports: Reports, position: int) -> list[CaseFact]:
    """Returns what was in force at a position."""
    return [one.fact for one in reports if one.was_in_force(position)]


CASES = Projection(
    name="joint_case",
    key_columns=(("handling_province", "text"), ("case_no", "text")),
    value_columns=(
        ("reports", "text"),
        ("state", "text"),
        ("deciding_province", "text"),
        ("sides", "text"),
        ("next_actors", "text"),
        ("package_no", "text"),
        ("changed_at", "bigint"),
        ("is_open", "boolean"),
        ("due_from", "integer"),
    ),
    kinds=CASE_KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    indexes=(
        "changed_at",
        "handling_province, package_no WHERE package_no <> ''",
        "handling_province, case_no WHERE is_open",
    ),
)
