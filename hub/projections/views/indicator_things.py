"""View: what the indicators count of each card, person, case, loss, row of a fund batch, and item of a library; and on which days.

A row keeps what is in force of a thing, and its steps are in the tables of `indicator_cells`. A card is all its identifiers: what is
reported by one of them goes to the card number that it is tied to, and from there to those who ever had the card.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from hub.domain.card import FROM_EITHER_SIDE, STATE_KINDS, with_fact
from hub.domain.culture.loans import LOAN_KINDS
from hub.domain.event_rules import LIFECYCLE_KINDS
from hub.domain.indicators.cards import CardKnown, Held
from hub.domain.indicators.cases import OF_A_CASE
from hub.domain.indicators.steps import Steps, days_told, held_by_day, of_card, of_holder, of_thing
from hub.domain.indicators.uses import CLOSED, OF_A_LOSS, OF_A_ROW, OF_AN_ITEM, OPENED, PaidRow
from hub.domain.instants import microseconds
from hub.domain.joint_services.cases import key_of
from hub.domain.reported import Reported
from hub.journal.reader import Recorded
from hub.projections.projection import Cells, Key, Linked, Projection, Row, Signed
from hub.projections.views import funds
from hub.projections.views.card_alias import links
from hub.projections.views.card_standing import fact_told, predecessor
from hub.projections.views.cases import CASE_KINDS, fact_of
from hub.projections.views.chains import named
from hub.projections.views.indicator_cells import COLUMNS, NAME, TABLES, VALUES, signed

CARD, PERSON, CASE, LOSS, PAYMENT, ITEM = "card", "person", "case", "loss", "payment", "item"
# The kinds by which an identifier is tied to a card number: the issuer's.
TYING = LIFECYCLE_KINDS - FROM_EITHER_SIDE
_LOSS_KINDS = frozenset({OPENED, CLOSED})
_encode = json.JSONEncoder(separators=(",", ":")).encode

Events = tuple[Recorded, ...]


class Thing:
    """A row: the events in force of a thing; of a card also those of other identifiers of it, of a person the cards, of a payment its row.

    It never changes once it is made, so that its steps are found once.
    """

    __slots__ = ("_card", "_held", "_steps", "cards", "events", "key", "parts", "row")

    def __init__(
        self,
        key: Key,
        events: Events = (),
        parts: Mapping[bytes, Events] = {},
        cards: Mapping[bytes, Mapping[int, Held]] = {},
        row: funds.FundRow | None = None,
    ) -> None:
        """Nothing is derived yet."""
        self.key, self.events, self.parts, self.cards, self.row = key, events, parts, cards, row
        self._steps: Steps | None = None
        self._card: CardKnown | None = None
        self._held: Mapping[int, Held] | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is left of it."""
        return not (self.events or self.parts or self.cards or self.row)

    @property
    def number(self) -> bytes:
        """The card number that an identifier is tied to by what named it last, empty if to none."""
        for one in reversed(self.events):
            number, others = links(one) if one.kind in TYING else (None, ())
            if number is not None and self.key[1] in others:
                return number
        return b""

    @property
    def card(self) -> CardKnown:
        """The card, with all that was reported by its identifiers."""
        if self._card is None:
            rows = ((self.key[1], self.events), *self.parts.items())
            self._card = card_of(self.key[1], ((name, one) for name, events in rows for one in events))
        return self._card

    @property
    def held(self) -> Mapping[int, Held]:
        """Whose the card is, day by day."""
        if self._held is None:
            self._held = held_by_day(self.card)
        return self._held

    @property
    def steps(self) -> Steps:
        """What it counts, as steps by day."""
        if self._steps is None:
            self._steps = _STEPS[self.key[0]](self)
        return self._steps


def card_of(number: bytes, told: Any) -> CardKnown:
    """Returns a card of (identifier, event): what was reported by each of its identifiers."""
    card = CardKnown(number)
    for name, one in sorted(told, key=lambda each: each[1].position):
        for key, is_before in ((one.event.card.key, False), (predecessor(one), True)):
            if key == name and one.kind in STATE_KINDS and (fact := fact_told(one, is_before)) is not None:
                card.facts = with_fact(card.facts, fact)
        if one.event.card.key == name and one.kind in STATE_KINDS:
            card.note(_reported(one))
    return card


def _reported(one: Recorded) -> Reported:
    return Reported(one.kind, one.event, one.occurred_us, one.position)


def _reports(thing: Thing) -> list[Reported]:
    return [_reported(one) for one in thing.events]


def _case(thing: Thing) -> Steps:
    facts = [fact_of(one) for one in thing.events]
    instants = [fact.occurred_us for fact in facts]
    return of_thing(facts, OF_A_CASE, instants) | days_told("K4", instants)


def _loss(thing: Thing) -> Steps:
    told = _reports(thing)
    asked = [microseconds(one.event.loss_opened.requested_at) for one in told if one.kind == OPENED]
    occurred = [one.occurred_us for one in told]
    return of_thing(told, OF_A_LOSS, [*asked, *occurred]) | days_told("K11", occurred)


def _payment(thing: Thing) -> Steps:
    assert thing.row is not None, "a payment is a row"
    instants = [one.occurred_us for one in thing.row.reports]
    return of_thing(PaidRow(thing.row.province, thing.row.reports), OF_A_ROW, instants) | days_told("K19", instants)


def _item(thing: Thing) -> Steps:
    told = _reports(thing)
    instants = [one.occurred_us for one in told]
    return of_thing(told, OF_AN_ITEM, instants) | days_told("K20", instants)


_STEPS = {
    # What is reported by an identifier of a card counts with its number.
    CARD: lambda thing: {} if thing.number else of_card(thing.card),
    PERSON: lambda thing: of_holder(thing.key[1], thing.cards.values()),
    CASE: _case,
    LOSS: _loss,
    PAYMENT: _payment,
    ITEM: _item,
}


def name_of(recorded: Recorded) -> Key:
    """Returns which case, loss or item an event is of."""
    (name,) = _names(recorded)
    return name


def _names(recorded: Recorded) -> tuple[Key, ...]:
    """Names the things that an event is of."""
    kind, event = recorded.kind, recorded.event
    if kind in CASE_KINDS:
        return ((CASE, repr(tuple(key_of(fact_of(recorded)))).encode()),)
    if kind in _LOSS_KINDS:
        return ((LOSS, str(recorded.stream_id).encode()),)
    if kind in LOAN_KINDS:
        return ((ITEM, getattr(event, kind).barcode.encode()),)
    if kind in funds.ROW_KINDS:
        return tuple((PAYMENT, key) for (key,) in funds.keys(recorded, None))
    number, others = links(recorded) if kind in TYING else (None, [])
    tied = others if number is not None else []
    own = (event.card.key, predecessor(recorded)) if kind in STATE_KINDS else ()
    return tuple((CARD, key) for key in dict.fromkeys((*own, *tied)) if key)


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the things of the event and of the one it corrects, and the cards and persons that they may be joined with."""
    for about in (recorded, corrected):
        if about is not None and about.kind in KINDS:
            yield from about.derived(_names)
            if about.kind in TYING and (number := links(about)[0]) is not None:
                yield CARD, number
            if about.kind in STATE_KINDS:
                yield from ((PERSON, key) for key in _holders(about))


def _holders(recorded: Recorded) -> tuple[bytes, ...]:
    event = recorded.event
    return tuple(key for key in (event.holder.key, event.holder_data_corrected.corrected_holder.key) if key)


def evolve(key: Key, thing: Thing | None, recorded: Recorded, corrected: Recorded | None) -> Thing | None:
    """Takes out what is in force no more and adds what is now."""
    if key[0] == PAYMENT:
        row = funds.evolve(key[1:], thing.row if thing is not None else None, recorded, corrected)
        return thing if thing is not None and row is thing.row else None if row is None else Thing(key, row=row)
    known = thing or Thing(key)
    gone = {recorded.position} if corrected is None else {recorded.position, corrected.position}
    events = tuple(one for one in known.events if one.position not in gone)
    if not recorded.is_reversal and recorded.kind in KINDS and key in recorded.derived(_names):
        events = tuple(sorted((*events, recorded), key=lambda one: one.position))
    if events == known.events:
        return thing
    return _left(Thing(key, events, known.parts, known.cards))


def _left(thing: Thing) -> Thing | None:
    return None if thing.is_nothing else thing


def above(thing: Thing) -> list[Key]:
    """Names the number that an identifier is tied to, and who ever had a card."""
    if thing.key[0] != CARD:
        return []
    number = thing.number
    events = (one for some in (thing.events, *thing.parts.values()) for one in some)
    people = dict.fromkeys(key for one in events if one.kind in STATE_KINDS for key in _holders(one))
    return [*([(CARD, number)] if number else ()), *((PERSON, key) for key in people)]


def join(key: Key, thing: Thing | None, below: Thing, _: Recorded) -> Thing | None:
    """Adds to a card what was reported by an identifier of it, and to a person the days of a card; or takes it off."""
    known, name, number = thing or Thing(key), below.key[1], below.number
    if key[0] == CARD:
        parts = {other: events for other, events in known.parts.items() if other != name}
        if number == key[1]:
            parts[name] = below.events
        return thing if _positions(parts) == _positions(known.parts) else _left(Thing(key, known.events, parts, known.cards))
    cards = {other: days for other, days in known.cards.items() if other != name}
    if not number and any(one.holder == key[1] for one in below.held.values()):
        cards[name] = below.held
    return thing if cards == known.cards else _left(Thing(key, known.events, known.parts, cards))


def _positions(parts: Mapping[bytes, Events]) -> dict[bytes, list[int]]:
    return {name: [one.position for one in events] for name, events in parts.items()}


def moved(recorded: Recorded, before: Thing | None, after: Thing | None) -> Iterator[Signed]:
    """Says by how much a change of a thing moves what is counted."""
    yield from signed(recorded.in_force_since, before.steps if before is not None else {}, after.steps if after is not None else {})


def encode(thing: Thing) -> Row:
    """Writes a row."""
    parts = {name.hex(): [_packed(one) for one in events] for name, events in sorted(thing.parts.items())}
    cards = {name.hex(): [[day, one.holder.hex(), *one[1:]] for day, one in sorted(days.items())] for name, days in thing.cards.items()}
    row = thing.row
    payment = None if row is None else [row.province, row.batch_no, row.row_no, row.card.hex(), row.holder.hex(), funds.packed(row)]
    return (
        _encode([thing.key[0], thing.key[1].hex(), [_packed(one) for one in thing.events], parts, dict(sorted(cards.items())), payment]),
    )


def _packed(one: Recorded) -> list[object]:
    said = b64encode(one.data).decode()
    return [one.position, one.recorded_us, one.stream_id, one.sequence, one.kind, said]


def decode(row: Row) -> Thing:
    """Reads a row."""
    what, key, events, parts, cards, payment = json.loads(row[0])
    return Thing(
        (what, bytes.fromhex(key)),
        _unpacked(events),
        {bytes.fromhex(name): _unpacked(some) for name, some in parts.items()},
        {bytes.fromhex(name): _days(days) for name, days in cards.items()},
        None if payment is None else _payment_row(*payment),
    )


def _unpacked(events: list[Any]) -> Events:
    return tuple(
        Recorded(position, recorded_us, stream_id, sequence, kind, b64decode(said))
        for position, recorded_us, stream_id, sequence, kind, said in events
    )


def _days(days: list[Any]) -> Mapping[int, Held]:
    return {
        day: Held(bytes.fromhex(holder), has_ecard, is_issued, has_died, tuple((name, value) for name, value in places))
        for day, holder, has_ecard, is_issued, has_died, places in days
    }


def _payment_row(province: str, batch_no: str, row_no: int, card: str, holder: str, text: str) -> funds.FundRow:
    return funds.FundRow(province, batch_no, row_no, bytes.fromhex(card), bytes.fromhex(holder), *funds.unpacked(text))


KINDS = STATE_KINDS | TYING | CASE_KINDS | _LOSS_KINDS | LOAN_KINDS | funds.ROW_KINDS
INDICATOR_THINGS = Projection(
    name=NAME,
    key_columns=(("thing", "text"), ("key", "bytea")),
    value_columns=(("told", "text"),),
    kinds=KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    refers=dict.fromkeys(funds.ROW_KINDS, named),
    linked=Linked(above=above, join=join, climbs=True),
    cells=Cells(key_columns=COLUMNS, value_columns=VALUES, of=moved, tables=TABLES, below_zero=True),
)
