"""View: what the indicators count of each card, person, case, loss, row of a fund batch, item of a library and outlet; and on which days.

A row keeps what is in force of a thing, and its steps are in the tables of `indicator_cells`. A card is all its identifiers: what is
reported by one of them goes to the card number that it is tied to, and from there to those who ever had the card. So do concession units:
a use is a thing, those of a card in a city and month are one, and of these the card has the first use and what was granted on top.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hub.domain.card import STATE_KINDS
from hub.domain.culture.loans import LOAN_KINDS
from hub.domain.indicators import facts, units
from hub.domain.indicators.members import MEMBER_KINDS, is_of_members
from hub.domain.indicators.outlets import name_of_outlet
from hub.domain.indicators.plain_payments import change_of
from hub.domain.indicators.steps import change
from hub.domain.indicators.uses import CLOSED, OPENED
from hub.domain.joint_services.cases import key_of
from hub.journal.reader import Recorded
from hub.projections.projection import Cells, Key, Linked, Projection, Signed
from hub.projections.views import concessions, funds
from hub.projections.views import indicator_payments as payments
from hub.projections.views.card_alias import links
from hub.projections.views.card_standing import predecessor
from hub.projections.views.cases import CASE_KINDS, fact_of
from hub.projections.views.chains import named
from hub.projections.views.indicator_cells import COLUMNS, NAME, STEPS, TABLES, VALUES, signed
from hub.projections.views.indicator_events import Events, events_after
from hub.projections.views.indicator_payments import PAYEE, PAYMENT, Payee, Payment
from hub.projections.views.indicator_rows import (
    CARD,
    CASE,
    ENTRY,
    ITEM,
    LOSS,
    MONTH,
    OUTLET,
    PERSON,
    TYING,
    State,
    Thing,
    decode,
    encode,
)  # fmt: skip

_LOSS_KINDS = frozenset({OPENED, CLOSED})
# A month is named by its card, its city and its first days: "500000" and "2026-03".
_MONTH, _PLACE = 7, 13


def name_of(recorded: Recorded) -> Key:
    """Returns which case, loss, item or outlet an event is of."""
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
    if kind == facts.OUTLET:
        named = name_of_outlet(recorded.reported)
        return ((OUTLET, "/".join(named).encode()),)
    if kind in funds.ROW_KINDS:
        return recorded.derived(payments.payments_named)
    if kind == facts.ELIGIBLE:
        return recorded.derived(payments.payee_named)
    if kind in concessions.KINDS:
        return tuple((ENTRY, key) for (key,) in concessions.keys(recorded, None))
    if kind in MEMBER_KINDS:
        return _members(recorded)
    number, others = recorded.derived(links) if kind in TYING else (None, [])
    tied = others if number is not None else []
    own = (event.card.key, predecessor(recorded)) if kind in STATE_KINDS else ()
    return tuple((CARD, key) for key in dict.fromkeys((*own, *tied)) if key)


def _members(recorded: Recorded) -> tuple[Key, ...]:
    """Names the card that something is said of a member by, else the person."""
    event = recorded.event
    if not is_of_members(recorded.reported):
        return ()
    return ((CARD, event.card.key),) if event.card.key else ((PERSON, event.holder.key),) if event.holder.key else ()


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the things of the event and of the one it corrects, and the cards and persons that they may be joined with."""
    for about in (recorded, corrected):
        if about is not None and about.kind in KINDS:
            yield from about.derived(_names)
            if about.kind in TYING and (number := about.derived(links)[0]) is not None:
                yield CARD, number
            if about.kind in STATE_KINDS:
                yield from ((PERSON, key) for key in about.derived(_holders))
            if about.kind in concessions.KINDS and (said := concessions.place_of(about)) is not None:
                yield from (_month(*said), (CARD, said[0]))


def _month(card: bytes, city: str, day: str) -> Key:
    return MONTH, card + f"{city}{day[:_MONTH]}".encode()


def _holders(recorded: Recorded) -> tuple[bytes, ...]:
    event = recorded.event
    return tuple(key for key in (event.holder.key, event.holder_data_corrected.corrected_holder.key) if key)


def evolve(key: Key, thing: Any, recorded: Recorded, corrected: Recorded | None) -> State | None:
    """Takes out what is in force no more and adds what is now."""
    if key[0] == PAYMENT:
        return payments.evolve_payment(key, thing, recorded, corrected)
    if key[0] == PAYEE:
        return payments.evolve_payee(key, thing, recorded, corrected)
    if key[0] == ENTRY:
        entry = concessions.evolve(key[1:], thing.entry if thing is not None else None, recorded, corrected)
        return thing if entry is (thing.entry if thing is not None else None) else Thing(key, entry=entry)
    known: Thing = thing or Thing(key)
    is_told = not recorded.is_reversal and recorded.kind in KINDS and key in recorded.derived(_names)
    events = events_after(known.events, recorded, corrected, is_told=is_told)
    if events == known.events:
        return known if thing is not None else None
    return _left(known.having(events=events))


def _left(thing: Thing) -> Thing | None:
    # What others are made of stays, as nothing, so that they hear of it.
    return None if thing.is_nothing and thing.key[0] not in (CARD, MONTH) else thing


def above(thing: State) -> Sequence[Key]:
    """Names the number that an identifier is tied to, and who ever had a card; the months of an entry, the card of a month; who is paid."""
    if isinstance(thing, Payment):
        return payments.above_payment(thing)
    if isinstance(thing, Payee):
        return ()
    if thing.key[0] == ENTRY:
        return _above_entry(thing.entry) if thing.entry is not None else ()
    if thing.key[0] == MONTH:
        return [(CARD, thing.key[1][:-_PLACE])]
    if thing.key[0] != CARD:
        return []
    events = (one for some in (thing.events, *thing.parts.values()) for one in some)
    people = dict.fromkeys(key for one in events if one.kind in STATE_KINDS for key in one.derived(_holders))
    # Also a number that another one took the place of: what did so may be reversed.
    return [*((CARD, number) for number in dict.fromkeys(thing.numbers)), *((PERSON, key) for key in people)]


def _above_entry(entry: concessions.State) -> Sequence[Key]:
    """Names the months of an entry and their cards: what it is of the last report, it is of another once that is reversed."""
    cards = dict.fromkeys(card for card, _ in entry.places)
    cities = dict.fromkeys(city for _, city in entry.places)
    return [key for card in cards for key in (*(_month(card, city, entry.day) for city in cities), (CARD, card))]


def join(key: Key, thing: Any, below: Any, _: Recorded) -> State | None:
    """Adds to a row what one below it has: to a card what was reported by an identifier of it, to a person a card; or takes it off."""
    if isinstance(below, Payment):
        return payments.join_payment(thing, below)
    return _join(key, thing, below)


def _join(key: Key, thing: Thing | None, below: Thing) -> Thing | None:
    known, name, number = thing or Thing(key), below.key[1], below.number
    if key[0] == CARD and below.key[0] == ENTRY:
        # The card hears of it by its month.
        return thing
    if key[0] == CARD and below.key[0] == CARD:
        parts = {other: events for other, events in known.parts.items() if other != name}
        used = {month: told for month, told in known.used.items() if month[:-_PLACE] != name}
        if number == key[1]:
            parts[name] = below.events
            used.update(below.used)
        is_same = _positions(parts) == _positions(known.parts) and used == known.used
        return thing if is_same else _left(known.having(parts=parts, used=used))
    used = {other: told for other, told in known.used.items() if other != name}
    if key[0] in (MONTH, CARD):
        if told := _told(below, key):
            used[name] = told
        return thing if used == known.used else _left(known.having(used=used))
    cards = {other: days for other, days in known.cards.items() if other != name}
    members = {other: told for other, told in known.members.items() if other != name}
    if not number and any(one.holder == key[1] for one in below.held.values()):
        cards[name] = below.held
        used.update({name: below.all_used} if below.used else {})
        if said := below.of_members:
            members[name] = said
    if cards != known.cards or _positions(members) != _positions(known.members):
        return _left(known.having(cards=cards, used=used, members=members))
    return thing if used == known.used else _left(known.having(used=used))


def _told(below: Thing, key: Key) -> tuple[units.Used, ...]:
    """Returns what an entry, or those of a month, come to in the row above that has a key."""
    if below.key[0] == ENTRY:
        entry = below.entry
        return (units.of_entry(entry.entry),) if entry is not None and _month(*entry[:3]) == key else ()
    return below.all_used


def _positions(parts: Mapping[bytes, Events]) -> dict[bytes, list[int]]:
    return {name: [one.position for one in events] for name, events in parts.items()}


def moved(recorded: Recorded, before: State | None, after: State | None) -> Iterable[Signed]:
    """Says by how much a change of a thing moves what is counted."""
    since = recorded.in_force_since
    if isinstance(after, Payment) and (plain := after.plain) is not None:
        was = before.plain if isinstance(before, Payment) else None
        if before is None or was is not None:
            return signed(since, change_of(was, plain))
    if isinstance(before, Thing) and isinstance(after, Thing) and after.is_told_as(before):
        return signed(since, change(before.unit_steps, after.unit_steps))
    return signed(since, change(before.steps if before is not None else {}, after.steps if after is not None else {}))


_MONEY = funds.ROW_KINDS | concessions.KINDS | {facts.ELIGIBLE}
KINDS = MEMBER_KINDS | STATE_KINDS | TYING | CASE_KINDS | _LOSS_KINDS | LOAN_KINDS | {facts.OUTLET} | _MONEY
INDICATOR_THINGS = Projection(
    name=NAME,
    key_columns=(("thing", "text"), ("key", "bytea")),
    value_columns=(("told", "text"), *payments.COLUMNS),
    kinds=KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    refers=dict.fromkeys(funds.ROW_KINDS, named),
    marks=concessions.MARKS,
    linked=Linked(above=above, join=join, climbs=True, below=payments.BELOW),
    indexes=payments.INDEXES,
    cells=Cells(key_columns=COLUMNS, value_columns=VALUES, of=moved, tables=TABLES, below_zero=True, by_position=STEPS),
)
