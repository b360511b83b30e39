"""View: each use and each grant of units of a transit concession, once, however many numbers it was reported under.

A row is one entry of the ledger (`hub.domain.concessions`) and keeps all that was reported of it. A ride is known by its purse, counter and
business day: a counter comes again after 65,536 taps, in another epoch. City and card are those of the last report in force, and the card
that of the last one by a card number.
"""

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from hub.domain.business_keys import business_key, card_key, key_digest, names_number
from hub.domain.concessions import Entry, city_of
from hub.domain.instants import microseconds
from hub.domain.usage import business_day
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row

_EXIT, _JOURNEY = "transit_exit_recorded", "transit_journey_completed"
_CONSUMED, _TOPPED_UP = "transit_concession_consumed", "transit_concession_topped_up"
KINDS = frozenset({_EXIT, _JOURNEY, _CONSUMED, _TOPPED_UP})
# Most rides use no units: these are the bytes of an elder's concession that is followed by its units, as the two kinds are written.
MARKS = {_JOURNEY: bytes((0x40, transit.CONCESSION_TYPE_ELDER, 0x48)), _EXIT: bytes((0x20, transit.CONCESSION_TYPE_ELDER, 0x28))}
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Report(NamedTuple):
    """What one event says of an entry; *card* in hex and *city* are empty where they are those of the row."""

    position: int
    occurred_us: int
    units: int
    left: int | None
    is_by_number: bool = True
    card: str = ""
    city: str = ""


class State(NamedTuple):
    """A row: the card by the key it was named with, city and business day, and the reports in the order of their positions."""

    card: bytes
    city: str
    day: str
    reports: tuple[Report, ...]

    @property
    def entry(self) -> Entry:
        """The entry as the last report has it; what was left is what any of them said."""
        last = self.reports[-1]
        left = next((one.left for one in reversed(self.reports) if one.left is not None), None)
        return Entry(self.city, self.day, last.occurred_us, last.position, last.units, left)

    @property
    def places(self) -> list[tuple[bytes, str]]:
        """The card and the city that each report names."""
        return [(bytes.fromhex(one.card) if one.card else self.card, one.city or self.city) for one in self.reports]


def _is_entry(recorded: Recorded) -> bool:
    if recorded.kind not in KINDS:
        return False
    event = recorded.event
    message = getattr(event, recorded.kind)
    units = message.units if recorded.kind in (_CONSUMED, _TOPPED_UP) else message.concession_units
    return bool(message.concession_type == transit.CONCESSION_TYPE_ELDER and units and event.card.key and event.service_region)


def _day(recorded: Recorded) -> str:
    event = recorded.event
    at_us = recorded.occurred_us
    if recorded.kind == _JOURNEY and event.transit_journey_completed.HasField("entry_at"):
        at_us = microseconds(event.transit_journey_completed.entry_at)
    return event.business_date or business_day(recorded.kind, event.service_region, at_us)


def _key(recorded: Recorded) -> Key | None:
    if not _is_entry(recorded):
        return None
    return (key_digest((*business_key(recorded.kind, recorded.event), _day(recorded))),)


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the entries of the event and of the one it corrects."""
    for about in (recorded, corrected):
        if about is not None and (key := about.derived(_key)) is not None:
            yield key


def place_of(recorded: Recorded) -> tuple[bytes, str, str] | None:
    """Returns the card, the city and the business day of the entry that an event says; None for an event that is none."""
    event = recorded.event
    return (card_key(event), city_of(event.service_region), _day(recorded)) if recorded.derived(_key) is not None else None


def _report(recorded: Recorded) -> Report:
    message, left = getattr(recorded.event, recorded.kind), None
    if recorded.kind == _TOPPED_UP:
        units = -message.units
    elif recorded.kind == _CONSUMED:
        units, left = message.units, message.units_left
    else:
        units = message.concession_units
    return Report(recorded.position, recorded.occurred_us, units, left, names_number(recorded.event))


def evolve(key: Key, known: State | None, recorded: Recorded, corrected: Recorded | None) -> State | None:
    """Adds what the event reports; a correction first takes the corrected report out, a reversal only does that."""
    told = [] if known is None else list(zip(known.reports, known.places, strict=True))
    if corrected is not None:
        told = [one for one in told if one[0].position != corrected.position]
    day = "" if known is None else known.day
    if not recorded.is_reversal and recorded.derived(_key) == key and all(one.position != recorded.position for one, _ in told):
        card, city, day = place_of(recorded) or (b"", "", "")
        told.append((_report(recorded), (card, city)))
        told.sort(key=lambda one: one[0].position)
    return _row(day, told) if told else None


def _row(day: str, told: list[tuple[Report, tuple[bytes, str]]]) -> State:
    """Returns the row of some reports, each with the card and the city that it names."""
    city = told[-1][1][1]
    card = next((place[0] for report, place in reversed(told) if report.is_by_number), told[-1][1][0])
    reports = (
        one._replace(card="" if of[0] == card else of[0].hex(), city="" if of[1] == city else of[1]) if len(told) > 1 else one
        for one, of in told
    )
    return State(card, city, day, tuple(reports))


def packed(reports: Iterable[Report]) -> list[tuple[object, ...]]:
    """Returns reports as they are written: nearly all name the number, and the card and the city of the row."""
    return [one[:_PLAIN] if one[_PLAIN:] == _PLAIN_END else tuple(one) for one in reports]


_PLAIN, _PLAIN_END = 4, (True, "", "")


def decode(row: Row) -> State:
    """Reads a row."""
    card, city, day, _, reports = row
    return State(bytes(card), city, day, tuple(Report(*one) for one in json.loads(reports)))


def encode(state: State) -> Row:
    """Writes a row."""
    return state.card, state.city, state.day, _encode(state.entry), _encode(packed(state.reports))


def entries_of(text: str) -> list[Entry]:
    """Reads the entries of some rows."""
    return [Entry(*one) for one in json.loads(text)]


CONCESSIONS = Projection(
    name="concession",
    key_columns=(("key", "bytea"),),
    value_columns=(("card", "bytea"), ("city", "text"), ("day", "text"), ("entry", "text"), ("reports", "text")),
    kinds=KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    indexes=("card, day",),
    marks=MARKS,
)
