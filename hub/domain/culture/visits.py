"""Visits of museums and scenic spots: an entry with the exit after it, and bookings that were used, missed or cancelled.

A party that enters on one card is one use and so many visitors. Many venues count no exits: a visit without one is no finding, an exit
without an entry is one, after its grace.
"""

from collections.abc import Iterable
from typing import NamedTuple

from hub.domain.instants import local_day
from hub.domain.reported import LedgerFinding, Reported, has_waited, in_order

ENTERED, LEFT, BOOKED, BOOKING_CANCELLED = "venue_gate_entered", "venue_gate_left", "venue_booking_made", "venue_booking_cancelled"
VISIT_KINDS = frozenset({ENTERED, LEFT, BOOKED, BOOKING_CANCELLED})
EXIT_ALONE, CANCELLED_BOOKING, CANCEL_ALONE = "EXIT_WITHOUT_ENTRY", "ENTRY_ON_CANCELLED_BOOKING", "CANCELLATION_WITHOUT_BOOKING"


class Visit(NamedTuple):
    """One visit; *entered* is None where only the exit was reported."""

    venue: str
    entered: Reported | None
    left: Reported | None
    findings: tuple[LedgerFinding, ...]

    @property
    def state(self) -> str:
        """Whether the visitors are out again."""
        if self.entered is None:
            return "ENTRY_UNKNOWN"
        return "LEFT" if self.left is not None else "ENTERED"

    @property
    def visitors(self) -> int:
        """How many people entered on it."""
        return max(1, self.entered.message.party_size) if self.entered is not None else 0

    @property
    def booking_ref(self) -> str:
        """The booking that it was on, "" for none."""
        return str((self.entered or self.left).message.booking_ref)  # type: ignore[union-attr]


class Booking(NamedTuple):
    """A booking; *made* is None where only its cancellation, or a visit on it, was reported."""

    booking_ref: str
    made: Reported | None
    cancelled: Reported | None
    state: str
    findings: tuple[LedgerFinding, ...]


def visits_at(reports: Iterable[Reported], at_us: int) -> list[Visit]:
    """Returns the visits that reports of one person make, with what had happened by an instant, in their order."""
    told, visits = in_order(reports, at_us), list[Visit]()
    cancelled = {one.message.booking_ref: one for one in told if one.kind == BOOKING_CANCELLED}
    for one in told:
        if one.kind == ENTERED:
            if not any(visit.entered is not None and _is_same(visit.entered, one) for visit in visits):
                visits.append(Visit(_venue(one), one, None, tuple(_on_cancelled(one, cancelled))))
        elif one.kind == LEFT and not any(visit.left is not None and _is_same(visit.left, one) for visit in visits):
            _leave(visits, one, at_us)
    return visits


def _venue(one: Reported) -> str:
    """Returns the venue; one that is not named is known by its place and gate."""
    return str(one.event.venue_code or f"{one.event.service_region} {one.message.gate}")


def _is_same(one: Reported, other: Reported) -> bool:
    """Whether two reports are of one passage: the same venue and gate at the same instant."""
    return (one.occurred_us, _venue(one), one.message.gate) == (other.occurred_us, _venue(other), other.message.gate)


def _on_cancelled(one: Reported, cancelled: dict[str, Reported]) -> Iterable[LedgerFinding]:
    ended = cancelled.get(one.message.booking_ref) if one.message.booking_ref else None
    if ended is not None and ended.occurred_us < one.occurred_us:
        yield LedgerFinding(CANCELLED_BOOKING, one.position, ended.position)


def _leave(visits: list[Visit], one: Reported, at_us: int) -> None:
    """Ends the visit that an exit is of: of the same venue and day, on the same booking if both name one."""
    for at in reversed(range(len(visits))):
        visit = visits[at]
        if visit.entered is not None and visit.left is None and _is_exit_of(one, visit):
            visits[at] = visit._replace(left=one)
            return
    alone = (LedgerFinding(EXIT_ALONE, one.position),) if has_waited(one, at_us) else ()
    visits.append(Visit(_venue(one), None, one, alone))


def _is_exit_of(one: Reported, visit: Visit) -> bool:
    entered = visit.entered
    assert entered is not None, "a visit that was entered"
    if one.event.venue_code and one.event.venue_code != entered.event.venue_code:
        return False
    if one.event.service_region != entered.event.service_region or local_day(one.occurred_us) != local_day(entered.occurred_us):
        return False
    return not (one.message.booking_ref and visit.booking_ref and one.message.booking_ref != visit.booking_ref)


def bookings_at(reports: Iterable[Reported], at_us: int) -> list[Booking]:
    """Returns the bookings of a person, with what had happened by an instant, by when they were made."""
    told = in_order(reports, at_us)
    made = {one.message.booking_ref: one for one in told if one.kind == BOOKED}
    cancelled = {one.message.booking_ref: one for one in told if one.kind == BOOKING_CANCELLED}
    used = {one.message.booking_ref for one in told if one.kind == ENTERED}
    found = [_booking(ref, made.get(ref), cancelled.get(ref), used, at_us) for ref in dict.fromkeys((*made, *cancelled))]
    return sorted(found, key=lambda one: (one.made or one.cancelled).when)  # type: ignore[union-attr]


def _booking(ref: str, made: Reported | None, cancelled: Reported | None, used: set[str], at_us: int) -> Booking:
    if made is not None and cancelled is not None and cancelled.when < made.when:
        # It was made again after its cancellation.
        cancelled = None
    if cancelled is not None:
        alone = made is None and has_waited(cancelled, at_us)
        return Booking(ref, made, cancelled, "CANCELLED", (LedgerFinding(CANCEL_ALONE, cancelled.position),) if alone else ())
    if ref in used:
        return Booking(ref, made, None, "USED", ())
    assert made is not None, "one of both was reported"
    is_over = local_day(at_us).isoformat() > made.message.visit_on
    return Booking(ref, made, None, "MISSED" if is_over and made.message.visit_on else "MADE", ())
