"""The rows of `indicator_things`: what is in force of a thing, how it is written, and which steps follow from it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hub.domain.card import FROM_EITHER_SIDE, STATE_KINDS, with_fact
from hub.domain.event_rules import LIFECYCLE_KINDS
from hub.domain.indicators import members, units
from hub.domain.indicators.cards import CardKnown, Held
from hub.domain.indicators.cases import OF_A_CASE
from hub.domain.indicators.outlets import OF_AN_OUTLET, began, turns
from hub.domain.indicators.steps import Steps, days_told, held_by_day, of_card, of_holder, of_thing
from hub.domain.indicators.uses import OF_A_LOSS, OF_AN_ITEM, OPENED
from hub.domain.instants import microseconds
from hub.domain.reported import Reported
from hub.projections.projection import Key, Row
from hub.projections.views import concessions
from hub.projections.views.card_alias import links
from hub.projections.views.card_standing import fact_told, predecessor
from hub.projections.views.cases import fact_of
from hub.projections.views.indicator_events import Events, packed, unpacked
from hub.projections.views.indicator_payments import PAYEE, PAYMENT, Payee, Payment
from hub.projections.views.indicator_payments import decode as decode_payment
from hub.projections.views.indicator_payments import encode as encode_payment

CARD, PERSON, CASE, LOSS, ITEM, OUTLET = "card", "person", "case", "loss", "item", "outlet"
# A use or a grant of concession units, and those of a card in a city and month.
ENTRY, MONTH = "entry", "month"
# The kinds by which an identifier is tied to a card number: the issuer's.
TYING = LIFECYCLE_KINDS - FROM_EITHER_SIDE
_NOTHING_TOLD: list[Any] = [{}, None, {}]
_encode = json.JSONEncoder(separators=(",", ":")).encode

Units = Mapping[bytes, tuple[units.Used, ...]]


class Thing:
    """A row: the events in force of a thing; of a card also those of other identifiers of it, of a person the cards.

    *used* is what was used and granted of concession units: of a month by entry, of a card by month, of a person by card. It never changes
    once it is made, so that its steps are found once.
    """

    __slots__ = ("_all_used", "_card", "_held", "_number", "_steps", "cards", "entry", "events", "key", "members", "parts", "used")

    def __init__(
        self,
        key: Key,
        events: Events = (),
        parts: Mapping[bytes, Events] = {},
        cards: Mapping[bytes, Mapping[int, Held]] = {},
        used: Units = {},  # noqa: B006 (nobody changes it)
        entry: concessions.State | None = None,
        members: Mapping[bytes, Events] = {},
    ) -> None:
        """Nothing is derived yet."""
        self.key, self.events, self.parts, self.cards, self.members = key, events, parts, cards, members
        self.used, self.entry = used, entry
        self._steps: Steps | None = None
        self._card: CardKnown | None = None
        self._held: Mapping[int, Held] | None = None
        self._number: bytes | None = None
        self._all_used: tuple[units.Used, ...] | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is left of it."""
        return not (self.events or self.parts or self.cards or self.used or self.entry or self.members)

    def having(self, **parts: Any) -> "Thing":
        """Returns the row with other parts; what follows from those that stay is not found again."""
        mine: dict[str, Any] = {"events": self.events, "parts": self.parts, "cards": self.cards, "used": self.used, "members": self.members}
        made = Thing(self.key, **mine | parts)
        if made.events is self.events and made.parts is self.parts:
            made._card, made._held, made._number = self._card, self._held, self._number
        return made

    def is_told_as(self, other: "Thing") -> bool:
        """Whether it differs in concession units only: then what else it counts is the same."""
        is_same = self.events is other.events and self.parts is other.parts and self.cards is other.cards
        return is_same and self.members is other.members and self.entry is other.entry

    @property
    def number(self) -> bytes:
        """The card number that an identifier is tied to by what named it last, empty if to none."""
        if self._number is None:
            self._number = next(self.numbers, b"")
        return self._number

    @property
    def numbers(self) -> Iterator[bytes]:
        """All card numbers that an identifier is tied to, by what named it last first: without that it is tied to the next one."""
        for one in reversed(self.events):
            number, others = one.derived(links) if one.kind in TYING else (None, ())
            if number is not None and self.key[1] in others:
                yield number

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
    def all_used(self) -> tuple[units.Used, ...]:
        """What was used and granted of concession units, by city and month."""
        if self._all_used is None:
            self._all_used = units.together(one for some in self.used.values() for one in some)
        return self._all_used

    @property
    def steps(self) -> Steps:
        """What it counts, as steps by day."""
        if self._steps is None:
            self._steps = {**_STEPS[self.key[0]](self), **self.unit_steps, **self.member_steps}
        return self._steps

    @property
    def unit_steps(self) -> Steps:
        """What it counts of concession units granted: a card that is nobody's, or a person."""
        if not self.used or self.key[0] == MONTH or self.number:
            return {}
        if self.key[0] == CARD:
            return units.steps_of_card(self.held, self.all_used)
        return units.steps_of_holder(self.key[1], self.cards, self.used)

    @property
    def of_members(self) -> Events:
        """What was reported of a member of a group by an identifier of a card, or by a person's document."""
        return tuple(one for some in (self.events, *self.parts.values()) for one in some if one.kind in members.MEMBER_KINDS)

    @property
    def member_steps(self) -> Steps:
        """What it counts of members of groups: a card that is nobody's, or a person by all cards and documents."""
        # Most cards and persons have none, and each event of theirs asks.
        told = _reports(self.of_members) if self.key[0] in (CARD, PERSON) else []
        if not (told or self.members):
            return {}
        key, days = self.key[1], members.days_of(_reports(self.events))
        if self.key[0] == CARD:
            return days if self.number else {**days, **members.steps_of_member(b"", [(self.held, told)], key)}
        said: list[members.Said] = [(self.cards[name], _reports(some)) for name, some in self.members.items()]
        return {**days, **members.steps_of_member(key, [(None, told), *said], key)}


State = Thing | Payment | Payee


def card_of(number: bytes, told: Any) -> CardKnown:
    """Returns a card of (identifier, event): what was reported by each of its identifiers."""
    card = CardKnown(number)
    for name, one in sorted(told, key=lambda each: each[1].position):
        for key, is_before in ((one.event.card.key, False), (predecessor(one), True)):
            if key == name and one.kind in STATE_KINDS and (fact := fact_told(one, is_before)) is not None:
                card.facts = with_fact(card.facts, fact)
        if one.event.card.key == name and one.kind in STATE_KINDS:
            card.note(one.reported)
    return card


def _reports(events: Events) -> list[Reported]:
    return [one.reported for one in events]


def _case(thing: Thing) -> Steps:
    facts = [fact_of(one) for one in thing.events]
    instants = [fact.occurred_us for fact in facts]
    return of_thing(facts, OF_A_CASE, instants) | days_told("K4", instants)


def _loss(thing: Thing) -> Steps:
    told = _reports(thing.events)
    asked = [microseconds(one.event.loss_opened.requested_at) for one in told if one.kind == OPENED]
    occurred = [one.occurred_us for one in told]
    return of_thing(told, OF_A_LOSS, [*asked, *occurred]) | days_told("K11", occurred)


def _entry(thing: Thing) -> Steps:
    entry = thing.entry
    return {} if entry is None else units.steps_of_entry(entry.entry) | days_told(units.UNITS, (one.occurred_us for one in entry.reports))


def _of_card(thing: Thing) -> Steps:
    # What is reported by an identifier of a card counts with its number.
    return {} if thing.number else of_card(thing.card)


def _item(thing: Thing) -> Steps:
    told = _reports(thing.events)
    instants = [one.occurred_us for one in told]
    return of_thing(told, OF_AN_ITEM, instants) | days_told("K20", instants)


def _outlet(thing: Thing) -> Steps:
    told = _reports(thing.events)
    return of_thing(told, OF_AN_OUTLET, turns(told)) | days_told("K13", map(began, told))


_STEPS = {
    CARD: _of_card,
    PERSON: lambda thing: of_holder(thing.key[1], thing.cards.values()),
    ENTRY: _entry,
    MONTH: lambda _: {},
    CASE: _case,
    LOSS: _loss,
    ITEM: _item,
    OUTLET: _outlet,
}


def encode(thing: State) -> Row:
    """Writes a row."""
    if not isinstance(thing, Thing):
        return encode_payment(thing)
    parts = {name.hex(): [packed(one) for one in events] for name, events in sorted(thing.parts.items())}
    cards = {name.hex(): [[day, one.holder.hex(), *one[1:]] for day, one in sorted(days.items())] for name, days in thing.cards.items()}
    entry = None if thing.entry is None else [thing.entry.card.hex(), *thing.entry[1:3], concessions.packed(thing.entry.reports)]
    used = {name.hex(): told for name, told in sorted(thing.used.items())}
    members_told = {name.hex(): [packed(one) for one in some] for name, some in sorted(thing.members.items())}
    told = [used, entry, members_told] if members_told else [used, entry] if used or entry else []
    events = [packed(one) for one in thing.events]
    return _encode([thing.key[0], thing.key[1].hex(), events, parts, dict(sorted(cards.items())), None, *told]), None, None


def decode(row: Row) -> State:
    """Reads a row."""
    text = json.loads(row[0])
    if text[0] in (PAYMENT, PAYEE):
        return decode_payment(text, *row[1:])
    # Where an older release had rows of batches there is nothing.
    what, key, events, parts, cards, _, *told = text
    used, entry, members_told = told + _NOTHING_TOLD[len(told) :]
    return Thing(
        (what, bytes.fromhex(key)),
        unpacked(events),
        {bytes.fromhex(name): unpacked(some) for name, some in parts.items()},
        {bytes.fromhex(name): _days(days) for name, days in cards.items()},
        {bytes.fromhex(name): tuple(map(_used, told)) for name, told in used.items()},
        None if entry is None else _entry_row(*entry),
        {bytes.fromhex(name): unpacked(some) for name, some in members_told.items()},
    )


def _used(told: list[Any]) -> units.Used:
    city, month, first, extra = told
    return units.Used(city, month, first, tuple((day, some) for day, some in extra))


def _entry_row(card: str, city: str, day: str, reports: list[Any]) -> concessions.State:
    return concessions.State(bytes.fromhex(card), city, day, tuple(concessions.Report(*one) for one in reports))


def _days(days: list[Any]) -> Mapping[int, Held]:
    return {
        day: Held(bytes.fromhex(holder), has_ecard, is_issued, has_died, tuple((name, value) for name, value in places))
        for day, holder, has_ecard, is_issued, has_died, places in days
    }
