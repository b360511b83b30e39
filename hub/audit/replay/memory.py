"""The views that an answer about a card rests on, folded in memory by their own functions, and read as an edge reads them.

What `hub.api.cards.card_snapshot` reads by one statement is looked up here; agreements and registers, which all cards share, are in
`timelines`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hub.domain.acceptance import Question, looks_at_record
from hub.domain.card import Fact
from hub.domain.concessions import Entry, year_began
from hub.domain.culture.loans import READER_REGISTERED
from hub.domain.records.known import NOTHING, Library, Records, Register, RegisterKey, library_of, records_of
from hub.domain.rule_input import BORROWING, ELDER
from hub.domain.succession import CardRow, facts_known, wanted
from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.ledgers import Rows, fold_events
from hub.projections.projection import Key, Projection, kinds_of
from hub.projections.touched import folds_in, keys_of, named_rows, read_by
from hub.projections.views.card_alias import CARD_ALIAS
from hub.projections.views.card_rows import merged
from hub.projections.views.card_standing import CARD_STANDING
from hub.projections.views.card_standing import Card as CardState
from hub.projections.views.concessions import CONCESSIONS
from hub.projections.views.culture import LOANS
from hub.projections.views.entries import ENTRIES
from hub.projections.views.holder_cards import HOLDER_CARDS
from hub.projections.views.holder_record import HOLDER_RECORD
from hub.projections.views.reports import reported

# Of these an answer reads the rows of its own card and holder.
CARD_VIEWS: tuple[Projection, ...] = (CARD_STANDING, CARD_ALIAS, HOLDER_CARDS, HOLDER_RECORD, CONCESSIONS, ENTRIES, LOANS)
CARD_KINDS = kinds_of(CARD_VIEWS) or frozenset()
_Names = defaultdict[bytes, set[Key]]


class OnRecord(NamedTuple):
    """The keys that a holder's record may be under, the facts under each, the entries of concessions, and the card's entries at gates."""

    subjects: set[bytes]
    facts: list[list[Fact]]
    units: list[Entry]
    entries: list[list[Fact]]


class OfHolder(NamedTuple):
    """Who has a card, by the keys of documents, and the numbers of all cards of theirs."""

    holders: list[bytes]
    cards: list[bytes]


class About(NamedTuple):
    """The keys that a person's record may be under, the items that the person borrowed, and the keys of rows about both by view."""

    subjects: set[bytes]
    items: set[str]
    rows: dict[str, set[Key]]


class Memory:
    """Rows by view, and by what they are looked up: identifiers by card number, entries and reports by card, holder and name."""

    def __init__(self) -> None:
        """Nothing is folded yet."""
        self._rows = {view.name: Rows() for view in CARD_VIEWS}
        self._parked: dict[str, set[str]] = {view.name: set() for view in CARD_VIEWS}
        self._identifiers: _Names = defaultdict(set)
        self._entries: _Names = defaultdict(set)
        self._reports: _Names = defaultdict(set)
        self._named: defaultdict[str, set[Key]] = defaultdict(set)
        self._of_kind = {kind: [view for view in CARD_VIEWS if view.kinds is None or kind in view.kinds] for kind in CARD_KINDS}

    def fold(self, event: Recorded, change: Change | None = None) -> None:
        """Folds one event, the next in the order of positions, with what it corrects."""
        if change is None:
            for view in self._of_kind.get(event.kind, ()):
                if (mark := view.marks.get(event.kind)) is None or mark in event.data:
                    self._fold_alone(view, event)
            return
        for view in CARD_VIEWS:
            rows = self._rows[view.name]
            touched, _ = named_rows(view, folds_in(*read_by(view, [event], {event.position: change})))
            fold_events(view, touched, rows, self._parked[view.name])
            for touch in touched:
                self._note(view, keys_of(touch), rows)

    def _fold_alone(self, view: Projection, event: Recorded) -> None:
        """Folds an event that corrects nothing, as most: what `fold_events` does for views that have but rows, in half the time."""
        rows, parked, evolve = self._rows[view.name], self._parked[view.name], view.evolve
        try:
            keys = list(dict.fromkeys(view.keys(event, None)))
        except Exception:
            # The engine parks it by its position.
            return
        states = rows.states
        for key in keys:
            if parked and repr(key) in parked:
                continue
            try:
                states[key] = evolve(key, states.get(key), event, None)
            except Exception:
                parked.add(repr(key))
        self._note(view, keys, rows)

    def _note(self, view: Projection, keys: Sequence[Key], rows: Rows) -> None:
        """Notes by what rows are looked up; one that is no more so is passed over when it is read."""
        for key in keys:
            if (state := rows.states.get(key)) is None:
                continue
            if view is CARD_ALIAS:
                self._identifiers[state[0]].add(key)
            elif view is CONCESSIONS:
                self._entries[state.card].add(key)
            elif view is LOANS:
                self._named[str(key[0])].add(key)
                for name in filter(None, (state.card, state.holder)):
                    self._reports[name].add(key)

    def identifiers(self, key: bytes) -> list[bytes]:
        """Returns the card number that an identifier belongs to, and all other identifiers of that card."""
        known = self._rows[CARD_ALIAS.name].states.get((key,))
        card = known[0] if known is not None else key
        return [card, *self._tied(card)]

    def _tied(self, card: bytes) -> list[bytes]:
        alias = self._rows[CARD_ALIAS.name].states
        return sorted(key[0] for key in self._identifiers.get(card, ()) if (row := alias.get(key)) is not None and row[0] == card)

    def _lives_of(self, key: bytes) -> Iterator[CardState]:
        states = self._rows[CARD_STANDING.name].states
        for identifier in self.identifiers(key):
            if (state := states.get((identifier,))) is not None:
                yield state

    def _row(self, asked: bytes) -> CardRow | None:
        """Returns a card as an edge reads it, None where the hub knows nothing of it."""
        rows: dict[bytes, CardRow] = {}
        card = self.identifiers(asked)[0]
        for state in self._lives_of(asked):
            merged(rows, asked, card, state.province, state.facts, self._held(state.holder))
        return rows.get(asked)

    def _held(self, holder: bytes | None) -> str | None:
        """Returns the cards of a holder where they may matter: several of one province, or a death that one of them has."""
        row = None if holder is None else self._rows[HOLDER_CARDS.name].states.get((holder,))
        if row is None:
            return None
        _, cards, is_shared, is_wide = row
        if is_shared or (is_wide and any(self._has_death(bytes.fromhex(card)) for card in _cards_in(cards))):
            return str(cards)
        return None

    def _has_death(self, card: bytes) -> bool:
        states = self._rows[CARD_STANDING.name].states
        found = (states.get((key,)) for key in (card, *self._tied(card)))
        return any("death" in fact.detail for state in found if state is not None for fact in state.facts)

    def facts(self, key: bytes, *, with_ecard: bool = True) -> list[Fact]:
        """Returns the facts of a card with those that follow from its relatives."""
        rows = self._with_relatives(key, with_ecard=with_ecard)
        return facts_known(key, rows, with_ecard=with_ecard) if rows else []

    def _with_relatives(self, key: bytes, *, with_ecard: bool = True) -> dict[bytes, CardRow]:
        """Returns a card with those that its facts follow from, nothing where the hub knows nothing of it."""
        row = self._row(key)
        if row is None:
            return {}
        rows, asked = {key: row}, {key}
        while more := wanted(rows, [*rows], with_ecard=with_ecard) - asked:
            asked |= more
            rows |= {other: row for other in more if (row := self._row(other)) is not None}
        return rows

    def person(self, key: bytes) -> bytes:
        """Returns the key of who has a card, else that of the card: people are counted by it."""
        return next((state.holder for state in self._lives_of(key) if state.holder), self.identifiers(key)[0])

    def recorded(self, key: bytes) -> "OnRecord":
        """Returns all that is on record of the holder of a card, but for what libraries reported."""
        subjects = self._subjects(key)
        states = self._rows[HOLDER_RECORD.name].states
        known = [state for subject in subjects if (state := states.get((subject,))) is not None]
        return OnRecord(subjects, known, self._units(subjects, ""), self._last_entries(key))

    def records(self, key: bytes, question: Question, registers: Mapping[RegisterKey, Register]) -> Records:
        """Returns what is on record of the holder, as far as a question needs it."""
        if not looks_at_record(question):
            return NOTHING
        subjects = self._subjects(key)
        states = self._rows[HOLDER_RECORD.name].states
        known = [state for subject in subjects if (state := states.get((subject,))) is not None]
        known += self._last_entries(key) if question.is_exit else []
        units = self._units(subjects, year_began(question.at_us)) if question.scenario == ELDER else []
        library = self._library(subjects) if question.scenario == BORROWING else Library()
        if not (registers or known or units or library.reports):
            return NOTHING
        return records_of(known, registers, units, library)

    def held(self, key: bytes) -> OfHolder:
        """Returns the holders of a card and the numbers of all cards that they have, the card's own first."""
        holders = sorted({state.holder for state in self._lives_of(key) if state.holder})
        rows = (self._rows[HOLDER_CARDS.name].states.get((holder,)) for holder in holders)
        others = (bytes.fromhex(card) for row in rows if row is not None for card in _cards_in(row[1]))
        return OfHolder(holders, list(dict.fromkeys((self.identifiers(key)[0], *others))))

    def on_record(self, key: bytes) -> Records:
        """Returns all that is on record of the holder of a card, without registers."""
        known = self.recorded(key)
        return records_of(known.facts, {}, known.units, self._library(known.subjects))

    def about(self, key: bytes) -> About:
        """Returns the rows that what is known of the holder of a card rests on."""
        subjects = self._subjects(key)
        relatives = {other for card in self.held(key).cards for other in self._with_relatives(card)}
        names = subjects | {one for other in relatives for one in self.identifiers(other)}
        names |= {state.holder for other in relatives for state in self._lives_of(other) if state.holder}
        own = {report for subject in subjects for report in self._reports.get(subject, ())}
        items = {str(item) for item, _ in own}
        rows: dict[str, set[Key]] = {view.name: {(name,) for name in names} for view in CARD_VIEWS}
        rows[CONCESSIONS.name] = {unit for subject in subjects for unit in self._entries.get(subject, ())}
        rows[LOANS.name] = own.union(*(self._named[item] for item in items))
        return About(subjects, items, rows)

    def province(self, card: bytes) -> str:
        """Returns the province that issued a card, "" if that is not known."""
        return next((state.province for state in self._lives_of(card) if state.province), "")

    def states(self, view: Projection) -> dict[Key, Any]:
        """Returns the rows of one of the views, None where there is none any more."""
        return self._rows[view.name].states

    def _subjects(self, key: bytes) -> set[bytes]:
        """Returns all keys that what is on record of the holder of a card may be under."""
        holders, cards = self.held(key)
        return {key, *holders, *(identifier for card in cards for identifier in (card, *self._tied(card)))}

    def _last_entries(self, key: bytes) -> list[list[Fact]]:
        """Returns the last entries of a card, under each of its identifiers."""
        states = self._rows[ENTRIES.name].states
        return [state for one in {key, *self.identifiers(key)} if (state := states.get((one,))) is not None]

    def _units(self, subjects: Iterable[bytes], since: str) -> list[Entry]:
        states, named = self._rows[CONCESSIONS.name].states, set(subjects)
        keys = {key for subject in named for key in self._entries.get(subject, ())}
        found = ((key, states.get(key)) for key in sorted(keys))
        return [state.entry for _, state in found if state is not None and state.card in named and state.day >= since]

    def _library(self, subjects: Iterable[bytes]) -> Library:
        """Returns what libraries reported of the holder, and of every item that the holder borrowed."""
        states = self._rows[LOANS.name].states
        own = {key for subject in subjects for key in self._reports.get(subject, ())}
        told = {key for name, _ in own for key in self._named[str(name)]}
        reports = [
            reported(int(key[1]), state)
            for key in sorted(told, key=lambda key: key[1])
            if (state := states.get(key)) is not None and state.spans.endswith("-") and (key in own or state.kind != READER_REGISTERED)
        ]
        return library_of(reports, (int(key[1]) for key in own)) if reports else Library()


def _cards_in(text: str) -> list[str]:
    """Returns the keys of a holder's cards, in hex, from how `holder_cards` has them by province."""
    found: dict[str, list[str]] = json.loads(text)
    return [card for cards in found.values() for card in cards]
