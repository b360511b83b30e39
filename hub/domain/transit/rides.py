"""Rides of a purse: the taps of a gate and what was paid, from reports by the counter of the purse."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from hub.domain.business_keys import purse_key
from hub.domain.instants import DAY_US, microseconds
from hub.domain.netting_taps import TOP_UP, Tap, taps_in
from hub.domain.reported import LedgerFinding, Reported
from hub.domain.tellings import CLEARING, Telling, keys_of, number_text

ENTRY, EXIT, WHOLE, PART = (f"transit_{name}" for name in ("entry_recorded", "exit_recorded", "journey_completed", "journey_incomplete"))
TAP_KINDS = frozenset({ENTRY, EXIT, WHOLE, PART, TOP_UP})
METRO = transit.TRANSIT_MODE_METRO


class Told(NamedTuple):
    """A report of a tap or about one: what the count of uses keeps of it, and *trip*, how it names the tap that it is about."""

    reported: Reported
    telling: Telling | None = None
    trip: tuple[str, ...] = ()


@dataclass(slots=True)
class Ride:
    """One ride of a purse: *entered* and *left* are its taps as reported, *tap* what the paying one comes to.

    *disputed* is the newest dispute, *decided* the newest decision of one, *discount* the first report of one, *findings* what does not go
    together.
    """

    purse: bytes
    tap: Tap | None
    entered: Reported | None
    left: Reported | None
    disputed: Reported | None = None
    decided: Reported | None = None
    discount: Reported | None = None
    findings: list[LedgerFinding] = field(default_factory=list)

    @property
    def taps(self) -> list[Reported]:
        """Its taps, the entry first."""
        return [one for one in (self.entered, self.left) if one is not None]

    @property
    def when(self) -> tuple[int, int]:
        """What rides are ordered by: the first tap."""
        return self.taps[0].when

    @property
    def numbers(self) -> set[str]:
        """By which names others refer to what was paid."""
        told = self.tap.told if self.tap is not None else ()
        return {name for one in told for name in _names(one)}

    @property
    def last_of_dispute(self) -> Reported | None:
        """The newest of the disputes and of what was decided of them."""
        return max((one for one in (self.disputed, self.decided) if one is not None), key=lambda one: one.when, default=None)

    @property
    def is_told_incomplete(self) -> bool:
        """Whether its source says that a tap is missing."""
        return self.left is not None and self.left.kind == PART

    @property
    def began_us(self) -> int:
        """When it began: at the entry, else as the report of the whole says it, else at its only tap."""
        one = self.taps[0]
        return microseconds(one.message.entry_at) if one.kind == WHOLE and one.message.HasField("entry_at") else one.occurred_us

    @property
    def ended_us(self) -> int:
        """When it ended; a ride of one tap when it began."""
        one = self.taps[-1]
        return microseconds(one.message.exit_at) if one.kind == WHOLE and one.message.HasField("exit_at") else one.occurred_us


def counter_of(one: Reported | None) -> int | None:
    """Returns the purse's counter of a tap: 0 is one that wrapped around where its terminal is named, else nobody reported it."""
    if one is None or not (one.message.tap.purse_counter or one.message.tap.psam):
        return None
    return int(one.message.tap.purse_counter)


def rides_in(told: Sequence[Told]) -> tuple[list[Ride], list[Ride]]:
    """Returns rides and top-ups in their order, each once, with what clearing said of it."""
    reported = {one.reported.position: one.reported for one in told}
    verdicts: dict[str, list[Telling]] = defaultdict(list)
    by_key: dict[bytes, list[Telling]] = defaultdict(list)
    for one in told:
        if one.telling is not None and one.reported.kind in CLEARING:
            for name in one.trip:
                verdicts[name].append(one.telling)
        elif one.telling is not None:
            (key,) = keys_of(one.reported.kind, one.reported.event)
            by_key[key].append(one.telling)
    rides, top_ups = list[Ride](), list[Ride]()
    for tellings in by_key.values():
        about = {verdict.position: verdict for one in tellings for name in _names(one) for verdict in verdicts[name]}
        for ride in _of_counter(tellings, list(about.values()), reported):
            (top_ups if ride.tap is not None and ride.tap.use.kind == TOP_UP else rides).append(ride)
    return _paired(sorted(rides, key=lambda ride: ride.when)), top_ups


def _of_counter(tellings: Sequence[Telling], verdicts: Sequence[Telling], reported: dict[int, Reported]) -> Iterable[Ride]:
    """Makes the rides of one counter: each tap with the entry before it, and entries without one."""
    purse = purse_key(reported[tellings[0].position].event)
    entries = _once(one for one in tellings if one.kind == ENTRY)
    for tap in taps_in([*tellings, *verdicts]):
        entry = next((one for one in entries if tap.entry is not None and tap.use.kind != TOP_UP and _is_near(one, tap.entry)), None)
        if entry is not None:
            entries.remove(entry)
        yield Ride(purse, tap, reported[entry.position] if entry is not None else None, reported[tap.use.position])
    for one in entries:
        yield Ride(purse, None, reported[one.position], None)


def _once(entries: Iterable[Telling]) -> list[Telling]:
    """Returns entries of one counter, each once: another report within a day is of the same one."""
    kept = list[Telling]()
    for one in sorted(entries, key=lambda one: (one.occurred_us, one.position)):
        if not any(_is_near(one, known) for known in kept):
            kept.append(one)
    return kept


def _is_near(one: Telling, other: Telling) -> bool:
    return abs(one.occurred_us - other.occurred_us) < DAY_US


def _paired(rides: list[Ride]) -> list[Ride]:
    """Puts entries and exits together that have no counters: an exit belongs to the last entry of its purse within a day."""
    alone = list[Ride]()
    for ride in rides:
        if any(counter_of(tap) is not None for tap in ride.taps):
            continue
        if ride.left is None:
            alone.append(ride)
        elif ride.left.kind == EXIT and ride.entered is None:
            own = [one for one in alone if one.purse == ride.purse and ride.when[0] - one.when[0] < DAY_US]
            if own:
                ride.entered = own[-1].entered
                alone.remove(own[-1])
                rides = [one for one in rides if one is not own[-1]]
    return rides


def _names(one: Telling) -> list[str]:
    """Returns by which names others refer to a report: its number, and that of what it corrects at first."""
    return [name for name in (number_text(one.number), one.first) if name]
