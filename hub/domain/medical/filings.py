"""Filings 备案: leave to be treated away from the insured place. A filing belongs to the person and outlives a card.

It is known by the insured side and its number, from either side and in any order. Its days count, not when it was reported: one
registered after an admission holds for that day, too. Sources: kinds [K-h]; who keeps the insured place [K-m].
"""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import usage_medical_pb2 as medical

from hub.domain.card_facts import Fact
from hub.domain.instants import local_day
from hub.domain.reference import Reference
from hub.domain.reported import LedgerFinding, Reported, has_waited, in_order

REGISTERED, EXPIRED, CANCELLED = "medical_filing_registered", "medical_filing_expired", "medical_filing_cancelled"
FILING_KINDS = frozenset({REGISTERED, EXPIRED, CANCELLED})
ORDER, DIFFERS, PERIOD, OTHER_PERSON = "FILING_ORDER", "FILING_DIFFERS", "FILING_PERIOD", "FILING_OTHER_PERSON"
NOT_REGISTERED = "FILING_NOT_REGISTERED"
# 跨省长期居住人员 keep the entitlement of the insured place while their filing holds; who was referred or travels does not.
_KEEPS_INSURED_PLACE = frozenset(
    {
        medical.MEDICAL_FILING_KIND_RETIREE_RESETTLED,
        medical.MEDICAL_FILING_KIND_LONG_TERM_RESIDENT,
        medical.MEDICAL_FILING_KIND_STATIONED_WORKER,
    }
)


class Filing(NamedTuple):
    """A filing at an instant: *said* is its registration, None while that is not reported; *ended* its cancellation or reported end."""

    province: str
    filing_no: str
    state: str
    said: Reported | None
    ended: Reported | None
    is_late: bool
    reports: tuple[Reported, ...]
    findings: tuple[LedgerFinding, ...]

    @property
    def is_active(self) -> bool:
        """Whether it is in force."""
        return self.state == "ACTIVE"

    @property
    def keeps_insured_place(self) -> bool:
        """Whether the person is entitled in the insured place, too."""
        return self.said is not None and self.said.message.filing_kind in _KEEPS_INSURED_PLACE

    @property
    def first_day(self) -> str:
        """Its first day, "" while that is not reported."""
        return self.said.message.valid_from if self.said is not None else ""

    def covers(self, region: str, reference: Reference) -> bool:
        """Whether it is in force for treatment in a region: its own place, all that lies in that, and what became of it."""
        if not self.is_active or self.said is None:
            return False
        place = self.said.message.treatment_region
        return any(lies_in(region, one) for one in (place, *reference.kin.get(place, ())))


def lies_in(region: str, place: str) -> bool:
    """Whether a region is a place, or lies in that by its code: 510104 lies in 510100, and in 510000."""
    prefix = place
    while len(prefix) > 2 and prefix.endswith("00"):
        prefix = prefix[:-2]
    return region.startswith(prefix)


def filing_name(event: event_pb2.Event, kind: str) -> str:
    """Returns by what a filing is looked for: the insured side, which is that of the report if it names none, and its number."""
    message = getattr(event, kind)
    return f"{(message.insured_region or event.service_region)[:2]}/{message.filing_no}"


def filings_at(reports: Iterable[Reported], at_us: int) -> list[Filing]:
    """Returns the filings that reports make at an instant, by their first day and number."""
    by_name: dict[str, list[Reported]] = {}
    for one in in_order(reports):
        by_name.setdefault(filing_name(one.event, one.kind), []).append(one)
    found = [filing for name, told in by_name.items() if (filing := _fold(name, told, at_us)) is not None]
    return sorted(found, key=lambda filing: (filing.first_day, filing.province, filing.filing_no))


def filings_on_record(facts: Iterable[Fact], at_us: int) -> list[Filing]:
    """Returns the filings that are on record of a person, as answers to service points read them."""
    return filings_at(map(_reported, facts), at_us)


def _reported(fact: Fact) -> Reported:
    """Returns a fact of the record as a report; who it is about is known by whose record it is."""
    event = event_pb2.Event(service_region=fact.detail["by"])
    for name, value in fact.detail["filing"].items():
        setattr(getattr(event, fact.kind), name, value)
    return Reported(fact.kind, event, fact.occurred_us, fact.position)


def _fold(name: str, told: list[Reported], at_us: int) -> Filing | None:
    """Returns one filing; a registration counts by its days, so also before it was made; an end from its instant on."""
    registered = [one for one in told if one.kind == REGISTERED]
    ends = [one for one in told if one.kind != REGISTERED and one.occurred_us <= at_us]
    if not registered and not ends:
        return None
    province, _, filing_no = name.partition("/")
    said, ended = registered[-1] if registered else None, ends[-1] if ends else None
    if said is not None and ended is not None and ended.when < said.when:
        # It was registered again after its end.
        ended = None
    return Filing(
        province=province,
        filing_no=filing_no,
        state=_state(said, ended, local_day(at_us)),
        said=said,
        ended=ended,
        is_late=said is not None and local_day(said.occurred_us).isoformat() > said.message.valid_from,
        reports=tuple(told),
        findings=tuple(_findings(registered, ends, at_us)),
    )


def _state(said: Reported | None, ended: Reported | None, today: date) -> str:
    if said is None:
        return "NOT_REGISTERED"
    if ended is not None:
        return "CANCELLED" if ended.kind == CANCELLED else "EXPIRED"
    day = today.isoformat()
    if day < said.message.valid_from:
        return "NOT_YET"
    return "EXPIRED" if said.message.valid_to and day > said.message.valid_to else "ACTIVE"


def _findings(registered: list[Reported], ends: list[Reported], at_us: int) -> Iterator[LedgerFinding]:
    """Yields registrations that differ, last days before the first, other persons, and ends before, or without, a registration."""
    for earlier, later in pairwise(registered):
        # After an end it may be registered again, as something else.
        if earlier.message != later.message and not any(earlier.when < end.when < later.when for end in ends):
            yield LedgerFinding(DIFFERS, later.position, earlier.position)
    for one in registered:
        if one.message.valid_to and one.message.valid_to < one.message.valid_from:
            yield LedgerFinding(PERIOD, one.position)
    first = registered[0] if registered else None
    for one in (*registered[1:], *ends):
        if first is not None and _is_another_person(one, first):
            yield LedgerFinding(OTHER_PERSON, one.position, first.position)
    for end in ends:
        if first is None:
            if has_waited(end, at_us):
                yield LedgerFinding(NOT_REGISTERED, end.position)
        elif end.when < first.when:
            yield LedgerFinding(ORDER, end.position, first.position)


def _is_another_person(one: Reported, other: Reported) -> bool:
    """Whether two reports name different documents; that they name different cards says nothing: a filing outlives a card."""
    mine, theirs = one.event.holder, other.event.holder
    return bool(mine.key and theirs.key and mine.id_type == theirs.id_type and mine.key != theirs.key)
