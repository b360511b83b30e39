"""A person who has a card, as of both times: the cards, what is on record, filings, concession units by city, and loans."""

import json
from collections.abc import Iterator

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.audit.known.asking import AsOf
from hub.audit.known.thing import Line, Lines, is_live, line
from hub.audit.outcome import Text
from hub.audit.replay import said
from hub.audit.replay.memory import CARD_VIEWS, Memory
from hub.audit.replay.own import Own, events_of, joined, own_events
from hub.domain import reference
from hub.domain.card import policies_of, standing
from hub.domain.card_machines import LIVES
from hub.domain.concessions import BINDINGS, balance, binding_of, city_of, scheme_at
from hub.domain.culture.loans import LOAN_KINDS, READER_REGISTERED, reader_at
from hub.domain.errors import CardNotFound
from hub.domain.medical.filings import FILING_KINDS, filings_on_record
from hub.domain.records.known import Records
from hub.intake.request_rules import refuse_unknown_region
from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.views.concessions import CONCESSIONS
from hub.projections.views.culture import LOANS
from hub.projections.views.reports import positions_named
from hub.words.ledgers import FILING_STATES
from hub.words.names import BINDINGS as BINDING_WORDS
from hub.words.names import PROVINCES

_SHOWN_ELSEWHERE = FILING_KINDS | set(BINDINGS)


class PersonThing:
    """Who has a card, at an instant."""

    def __init__(self, own: Own, valid_us: int, region: str = "") -> None:
        """With a *region* only the units of its city are looked at."""
        self.own, self._valid_us, self._city, self._memory = own, valid_us, city_of(region), Memory()
        key = own.key.hex()[:12]
        self.name = Text(f"持卡 {key}… 者", f"the holder of card {key}…")

    def fold(self, event: Recorded, change: Change | None) -> None:
        """Folds the next event."""
        self._memory.fold(event, change)

    def lines(self) -> Lines:
        """Returns what is known by the events so far."""
        records = self._memory.on_record(self.own.key)
        if self._city:
            return tuple(_units(records, self._valid_us, self._city)) if self._memory.facts(self.own.key) or records.units else ()
        cards = [card for card in self._memory.held(self.own.key).cards if self._memory.facts(card)]
        found = [*self._lives(cards), *_filings(records, self._valid_us), *_facts(records, self._valid_us)]
        found += [*_units(records, self._valid_us), *_loans(records, self._valid_us)]
        return (line("cards", ("名下卡", "cards"), len(cards)), *found) if cards or found else ()

    def _lives(self, cards: list[bytes]) -> Iterator[Line]:
        for card in cards:
            province, key = self._memory.province(card), card.hex()[:12]
            known = standing(self._memory.facts(card), self._valid_us, policies_of(reference.load(), province))
            zh, en = PROVINCES.get(province, ("", ""))
            for life in LIVES:
                if state := getattr(known, life.name):
                    title = f"{zh}卡 {key}… {life.title_zh}", f"{en} card {key}… {life.title_en}".strip()
                    yield line(f"card {key} {life.name}", title, state, said.state(str(state)))

    def is_same(self, connection: psycopg.Connection) -> bool:
        """Whether the live views have just the rows of the person's cards and record.

        Rows of others are in memory only as far as reports have to do with this person's: a return of a book that corrects another's event.
        """
        subjects, items, rows = self._memory.about(self.own.key)
        named = {"subjects": list(subjects), "items": list(items)}
        rows[CONCESSIONS.name].update(connection.execute(_UNITS, named))
        rows[LOANS.name].update(connection.execute(_LOANS, named))
        return all(is_live(connection, view, {key: self._memory.states(view).get(key) for key in rows[view.name]}) for view in CARD_VIEWS)


_UNITS = f"SELECT key FROM views.{CONCESSIONS.name} WHERE card = ANY (%(subjects)s)"  # noqa: S608 (the name of our own view)
_LOANS = f"""
    SELECT name, position FROM views.{LOANS.name}
    WHERE (card <> '' AND card = ANY (%(subjects)s)) OR (holder <> '' AND holder = ANY (%(subjects)s)) OR name = ANY (%(items)s)"""  # noqa: S608 (the name of our own view)


def find(connection: psycopg.Connection, asked: protos.PersonQuestion, at: AsOf) -> PersonThing:
    """Finds who has a card; raises CardNotFound where nothing at all was reported of it."""
    return PersonThing(_own(connection, asked.card.key, at.reached), at.valid_us)


def find_units(connection: psycopg.Connection, asked: protos.ConcessionQuestion, at: AsOf) -> PersonThing:
    """Finds the units that a card's holder has of a city's concession; raises CardNotFound or RequestInvalid."""
    refuse_unknown_region(reference.load(), asked.region, at.valid_us, "concession.region")
    return PersonThing(_own(connection, asked.card.key, at.reached), at.valid_us, asked.region)


def _own(connection: psycopg.Connection, key: bytes, through: int) -> Own:
    """Returns the person's events, with those of all items that the person borrowed: anybody may return them."""
    own = own_events(connection, key, through)
    barcodes = {getattr(event.event, event.kind).barcode for event in own.events if event.kind in LOAN_KINDS}
    items = events_of(connection, positions_named(connection, LOANS, barcodes), through)
    own = joined(own, items._replace(named=frozenset()))
    if not any(event.kind in _SAY_SOMETHING for event in own.events):
        raise CardNotFound
    return own


_SAY_SOMETHING = frozenset().union(*(view.kinds or () for view in CARD_VIEWS))


def _filings(records: Records, at_us: int) -> Iterator[Line]:
    for filing in filings_on_record((fact for fact in records.facts if fact.kind in FILING_KINDS), at_us):
        province = PROVINCES.get(filing.province, (filing.province, filing.province))
        title = f"{province[0]}备案 {filing.filing_no}", f"filing {filing.filing_no} of {province[1]}"
        yield line(f"filing {filing.province}/{filing.filing_no}", title, filing.state, FILING_STATES[filing.state])


def _facts(records: Records, at_us: int) -> Iterator[Line]:
    """Yields the last fact of each kind that is kept of a person, as it had happened by an instant."""
    newest = {fact.kind: fact for fact in records.facts if fact.occurred_us <= at_us and fact.kind not in _SHOWN_ELSEWHERE}
    for kind, fact in sorted(newest.items()):
        detail = json.dumps(fact.detail, sort_keys=True, ensure_ascii=False, default=str)
        yield line(f"record {kind}", (said.kind(kind).zh, said.kind(kind).en), f"{fact.occurred_us} {detail}", said.at(fact.occurred_us))


def _units(records: Records, at_us: int, only: str = "") -> Iterator[Line]:
    """Yields what the person has of each city's concession."""
    bound = {city_of(fact.detail.get("at", "")) for fact in records.facts if fact.kind in BINDINGS}
    for city in [only] if only else sorted(filter(None, {entry.city for entry in records.units} | bound)):
        yield from _units_in(records, city, at_us, is_asked=bool(only))


def _units_in(records: Records, city: str, at_us: int, *, is_asked: bool) -> Iterator[Line]:
    scheme = scheme_at(reference.load(), city, at_us)
    if scheme is None and is_asked:
        yield line(f"units {city}", (f"{city} 优待次数", f"concession units in {city}"), "NONE", ("当地当日没有优待", "no concession here"))
    if scheme is not None and (is_asked or any(entry.city == city for entry in records.units)):
        known = balance(records.units, scheme, city, at_us)
        values = f"{known.period} left {known.left} used {known.used} topped_up {known.topped_up}"
        words = (
            f"{known.period} 剩余 {known.left}，已用 {known.used}，增补 {known.topped_up}",
            f"{known.period}: {known.left} left, {known.used} used, {known.topped_up} topped up",
        )
        yield line(f"units {city}", (f"{city} 优待次数", f"concession units in {city}"), values, words)
    fact = binding_of(records.facts, city, at_us)
    if fact is not None:
        binding = str(fact.detail["binding"])
        yield line(f"binding {city}", (f"{city} 优待绑定", f"concession of {city} bound to"), binding, BINDING_WORDS[binding])


def _loans(records: Records, at_us: int) -> Iterator[Line]:
    told = records.library.reports
    registered = [report for report in told if report.kind == READER_REGISTERED]
    items = [report for report in told if report.kind != READER_REGISTERED]
    reader = reader_at(registered, items, records.library.reader, at_us)
    if not (reader.registrations or reader.loans):
        return
    still_out, overdue, unpaid = sum(loan.is_open for loan in reader.loans), len(reader.overdue), len(reader.unpaid)
    yield line("readers", ("注册的图书馆", "libraries registered with"), len(reader.registrations))
    values = f"out {still_out} overdue {overdue} unpaid {unpaid} of {len(reader.loans)}"
    words = (
        f"在借 {still_out}，逾期 {overdue}，丢失未赔 {unpaid}，共 {len(reader.loans)} 次",
        f"{still_out} out, {overdue} overdue, {unpaid} lost and not paid for, of {len(reader.loans)}",
    )
    yield line("loans", ("借阅", "loans"), values, words)
    yield line("is_stopped", ("停借", "stopped"), reader.is_stopped, ("是", "yes") if reader.is_stopped else ("否", "no"))
