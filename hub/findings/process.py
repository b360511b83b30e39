"""The process of findings: follows the views and records what the rules find, as findings of a rule, a subject and a local day.

It decides, a fold may not: a page of the journal touches some subjects, each rule looks at their steps around the days that were touched,
and what it finds is compared with what was raised of these days. Handled again after a crash, or from position 1, a page records nothing
twice. A rule that has other parameters finds with these what comes after; what was raised is looked at by the version that raised it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.card import STATE_KINDS
from hub.domain.instants import DAY_US, day_text, epoch_day, epoch_day_of, midnight_us
from hub.domain.looks import card_by_key
from hub.domain.unusual_use.finding import Finding, id_of
from hub.domain.unusual_use.patterns import WITHOUT_A_WINDOW, Found, found_by
from hub.domain.unusual_use.rule_book import ADOPTED, CARD, PARTICIPANT, PERSON, Version
from hub.domain.unusual_use.steps import DECISION, PAYMENTS, Step
from hub.findings.reading import Span, contradicted, has_opted_out, rule_versions, steps_within
from hub.journal.corrections import changes
from hub.journal.reader import read_page
from hub.journal.recorder import AggregateStore
from hub.processes.rounds import Rounds
from hub.projections.views.card_alias import CARD_ALIAS, cards_of
from hub.projections.views.contradictions import CODES_SHOWN_AGAIN
from hub.projections.views.findings import FINDINGS
from hub.projections.views.holder_record import HOLDER_RECORD
from hub.projections.views.raised_findings import RAISED_FINDINGS, Listed, of_subjects
from hub.projections.views.use_steps import KIND_NAMES, USE_STEPS, named

PAGE_EVENTS = 5_000
CHECKPOINT = "process.findings"
CONSENTS = frozenset({"consent_granted", "consent_withdrawn"})
_RESTS_ON = [view.name for view in (USE_STEPS, FINDINGS, CODES_SHOWN_AGAIN, CARD_ALIAS, HOLDER_RECORD, RAISED_FINDINGS)]
_ALWAYS = Span(-(2**62), 2**62)


class Touched(NamedTuple):
    """What a page touches: days of cards and of participants, by their keys; cards as a whole; persons who are paid."""

    cards: dict[bytes, set[int]]
    participants: dict[bytes, set[int]]
    whole_cards: set[bytes]
    persons: set[bytes]


class FindingProcess:
    """Handles pages of the journal; used from one thread. Only one of several processes works at a time."""

    def __init__(self, connection: psycopg.Connection, store: AggregateStore) -> None:
        """*connection* reads journal and views and keeps the checkpoint, *store* saves the findings."""
        self._connection, self._store = connection, store
        self._rounds = Rounds(connection, CHECKPOINT, _RESTS_ON)

    def advance(self, now: datetime, page_events: int = PAGE_EVENTS) -> int:
        """Handles one page and returns how many positions it moved; 0 where the views have not come further."""
        with self._rounds.begin() as current:
            if current is None or current.seen == current.after:
                return 0
            current.end = self._handle(current.after, min(current.after + page_events, current.seen), now)
        return current.end - current.after

    def _handle(self, after: int, end: int, now: datetime) -> int:
        """Handles a page up to *end*, or up to where a rule has other parameters; returns how far it came."""
        touched, end = self._touched(after, end)
        in_force = {code: some[-1] for code, some in rule_versions(self._connection, end - 1).items()}
        known = self._known(touched)
        for subject_kind, spans, days in self._asked(touched, known):
            steps = steps_within(self._connection, spans)
            for subject in {*steps, *known.keys() & spans.keys()}:
                day_texts = {day_text(one) for one in days[subject]} if days is not None else None
                look = _Look(subject_kind, subject, steps.get(subject, []), day_texts, known.get(subject, []))
                self._look(look, in_force, windowed=days is not None, end=end, now=now)
        for card, found in self._contradicted(touched, known).items():
            look = _Look(CARD, card, found, None, known.get(card, []))
            self._look(look, in_force, windowed=False, end=end, now=now)
        return end

    def _touched(self, after: int, end: int) -> tuple[Touched, int]:
        changed = changes(self._connection, after, end)
        cards: list[tuple[bytes, int | None]] = []
        found = Touched(defaultdict(set), defaultdict(set), set(), set())
        for recorded in read_page(self._connection, after, end, STATE_KINDS | CONSENTS | {ADOPTED}, also=changed):
            if recorded.kind == ADOPTED:
                end = recorded.position
                break
            if recorded.kind in STATE_KINDS or recorded.kind in CONSENTS:
                cards.append((recorded.card, None))
            change = changed.get(recorded.position)
            for other in (*change.out, *([change.into] if change.into is not None else [])) if change is not None else ():
                if (step := other.derived(named)) is not None:
                    _add(found, cards, step.subject, step.card, step.step.kind, step.step.occurred_us)
        rows = self._connection.execute(_STEPS, {"after": after, "end": end}).fetchall()
        for subject, card, kind, occurred_us in rows:
            _add(found, cards, bytes(subject), bytes(card), KIND_NAMES[kind], occurred_us)
        rows = self._connection.execute(_SHOWN_AGAIN, {"after": after, "end": end}).fetchall()
        cards += [(bytes(card), None) for (card,) in rows]
        names = list({card for card, _ in cards if card})
        numbers = dict(zip(names, cards_of(self._connection, names), strict=True))
        for card, day in cards:
            if card:
                found.whole_cards.add(numbers[card])
                if day is not None:
                    # A use may be the first of two, the second of which is on the next day.
                    found.cards[numbers[card]] |= {day, day + 1}
        return found, end

    def _known(self, touched: Touched) -> dict[bytes, list[Listed]]:
        found: dict[bytes, list[Listed]] = defaultdict(list)
        for one in of_subjects(self._connection, [*touched.whole_cards, *touched.participants, *touched.persons]):
            found[one.subject].append(one)
        return found

    def _asked(
        self, touched: Touched, known: Mapping[bytes, list[Listed]]
    ) -> Iterable[tuple[str, dict[bytes, Span], dict[bytes, set[int]] | None]]:
        """Yields which spans of which subjects are read; with the days that are complete in them, None for all."""
        days = {card: set(some) for card, some in touched.cards.items()}
        for card in touched.whole_cards & known.keys():
            raised = {epoch_day_of(date.fromisoformat(one.day)) for one in known[card] if one.rule_code not in WITHOUT_A_WINDOW}
            if raised:
                days[card] = days.get(card, set()) | raised
        yield CARD, {card: _span(some) for card, some in days.items()}, days
        asked = touched.participants
        yield PARTICIPANT, {one: _span(some) for one, some in asked.items()}, asked
        yield PERSON, dict.fromkeys(touched.persons, _ALWAYS), None

    def _contradicted(self, touched: Touched, known: Mapping[bytes, list[Listed]]) -> dict[bytes, list[Step]]:
        found = contradicted(self._connection, touched.whole_cards)
        return {card: found.get(card, []) for card in {*found, *(touched.whole_cards & known.keys())}}

    def _look(self, look: "_Look", in_force: Mapping[str, Version], *, windowed: bool, end: int, now: datetime) -> None:
        """Compares what the rules find of a subject with what was raised of it, on the days that are complete."""
        for code, version in in_force.items():
            if version.rule.subject != look.kind or (code not in WITHOUT_A_WINDOW) != windowed:
                continue
            raised = {one.day: one for one in look.known if one.rule_code == code and look.has(one.day)}
            found = {one.day: one for one in found_by(version, look.steps) if look.has(one.day)} if look.steps else {}
            for day in sorted(raised.keys() | found.keys()):
                self._compare(look, version, raised.get(day), found.get(day), end, now)

    def _compare(self, look: "_Look", version: Version, raised: Listed | None, found: Found | None, end: int, now: datetime) -> None:
        if raised is not None and raised.rule_version != version.number:
            before = rule_versions(self._connection)[version.rule.code][raised.rule_version - 1]
            found = next((one for one in found_by(before, look.steps) if one.day == raised.day), None)
        if version.rule.heeds_opt_out and found is not None and has_opted_out(self._connection, look.subject):
            found = None
        if raised is None and found is None:
            return
        day = raised.day if raised is not None else found.day if found is not None else ""
        known = self._store.get(Finding, id_of(version.rule.code, look.subject, day))
        if known is None:
            assert found is not None, "what is raised is in the journal"
            known = Finding.raise_of(version, look.subject, found, look.card, now)
        else:
            known.see(found, end, now)
        self._rounds.saved(self._store.save(known))


class _Look(NamedTuple):
    """A subject with its steps, the days on which these are complete (None: all), and what was raised of it."""

    kind: str
    subject: bytes
    steps: list[Step]
    days: set[str] | None
    known: list[Listed]

    def has(self, day: str) -> bool:
        """Whether all steps of a day are there."""
        return self.days is None or day in self.days

    @property
    def card(self) -> references.CardRef | None:
        """The card that it is about."""
        issuer = next((step.issuer for step in self.steps if step.issuer), "")
        return card_by_key(issuer, references.CARD_IDENTIFIER_KIND_CARD_NO, self.subject) if self.kind == CARD else None


def _add(found: Touched, cards: list[tuple[bytes, int | None]], subject: bytes, card: bytes, kind: str, occurred_us: int) -> None:
    day = epoch_day(occurred_us)
    if kind == DECISION:
        found.participants[subject] |= {day, day + 1}
    elif kind in PAYMENTS:
        found.persons.add(subject)
        cards.append((card, None))
    else:
        cards.append((card, day))


def _span(days: Iterable[int]) -> Span:
    """Returns what has all steps of some days, and of the day before the first: no window is longer."""
    some = list(days)
    return Span(midnight_us(min(some)) - DAY_US, midnight_us(max(some) + 1))


def present() -> datetime:
    """Returns the present instant."""
    return datetime.now(UTC)


_STEPS = "SELECT subject, card, kind, occurred_us FROM views.use_step WHERE position > %(after)s AND position <= %(end)s"
_SHOWN_AGAIN = "SELECT card FROM views.code_shown_again WHERE position > %(after)s AND position <= %(end)s"
