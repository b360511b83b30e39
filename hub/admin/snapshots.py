"""What questions about ledgers share: one snapshot in which a view is at a known position, its reports, and who a card is of."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import NamedTuple, TypeVar

import psycopg

from hub.domain.card import Fact
from hub.domain.errors import ViewBehind
from hub.domain.instants import epoch_day_of, midnight_us
from hub.domain.reported import Person, Reported
from hub.projections.projection import Projection
from hub.projections.views.card_alias import identifiers_of
from hub.projections.views.card_standing import CARD_STANDING, facts_of
from hub.projections.views.holder_cards import HOLDER_CARDS
from hub.projections.views.reports import Report, reported

Answer = TypeVar("Answer")
# Who has a card, if that is known, and the facts of the card.
HeldBy = tuple[bytes | None, list[Fact]]


class Asked(NamedTuple):
    """Who asks, and when: *province* sees what it is a side of, "" everything."""

    province: str
    today: date


class Told(NamedTuple):
    """The reports of a view that a question needs: those in force, and those that came after what took them out."""

    reports: list[Reported]
    late: list[Reported]


def is_side(sides: Iterable[str], province: str) -> bool:
    """Whether a province is one of the sides that may see something; "" sees everything."""
    return not province or province in sides


def end_us(on: date) -> int:
    """Returns the last instant of a day."""
    return midnight_us(epoch_day_of(on) + 1) - 1


@contextmanager
def snapshot(connection: psycopg.Connection, view: Projection, min_position: int) -> Iterator[int]:
    """Reads in one snapshot, and gives the position of a view in it; raises ViewBehind where that is before *min_position*."""
    with _one_snapshot(connection):
        yield position_in(connection, view, min_position)


@contextmanager
def _one_snapshot(connection: psycopg.Connection) -> Iterator[None]:
    """Reads in one snapshot; within one, in that."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def about_person(connection: psycopg.Connection, card: bytes, ask: Callable[[psycopg.Connection, Person], Answer]) -> tuple[bool, Answer]:
    """Returns whether anything is known of the person who has a card, and the answer about that person, both from one snapshot.

    Read one after the other, a view could move between them: an answer would miss cards that its position has, and a look be
    recorded as one that showed nothing.
    """
    with _one_snapshot(connection):
        person = person_with(connection, card)
        return is_known(connection, person), ask(connection, person)


def position_in(connection: psycopg.Connection, view: Projection, min_position: int) -> int:
    """Returns the position of a view; raises ViewBehind where that is before *min_position*."""
    try:
        row = connection.execute("SELECT position FROM views.checkpoint WHERE view = %s", (view.name,)).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        row = None
    if row is None or row[0] < min_position:
        raise ViewBehind
    return int(row[0])


def told_under(connection: psycopg.Connection, view: Projection, names: Iterable[str], position: int) -> Told:
    """Reads the reports under some names, as they were in force at a position; 0 is now."""
    wanted = list(names)
    rows = connection.execute(_SELECT % view.name + "name = ANY (%s) OR (also <> '' AND also = ANY (%s))", (wanted, wanted))
    return told_in(((row[0], Report._make(row[1:])) for row in rows), position)


def told_of(connection: psycopg.Connection, view: Projection, person: Person, position: int) -> Told:
    """Reads the reports about a person."""
    rows = connection.execute(
        _SELECT % view.name + "(card <> '' AND card = ANY (%s)) OR (holder <> '' AND holder = ANY (%s))",
        (list(person.cards), list(person.holders)),
    )
    return told_in(((row[0], Report._make(row[1:])) for row in rows), position)


def told_in(rows: Iterable[tuple[int, Report]], position: int) -> Told:
    """Returns what rows with their positions say; one that is there under several names once."""
    told: dict[int, Reported] = {}
    late: dict[int, Reported] = {}
    for at, row in rows:
        if row.was_in_force(position):
            told[at] = reported(at, row)
        elif row.came_late(position):
            late[at] = reported(at, row)
    return Told(list(told.values()), list(late.values()))


_SELECT = """SELECT position, kind, data, occurred_us, recorded_us, stream_id, sequence, card, holder, spans, also FROM views.%s WHERE """


def person_with(connection: psycopg.Connection, card: bytes) -> Person:
    """Returns who has a card, by all cards and documents that the hub knows of that person."""

    def identifiers(cards: Iterable[bytes]) -> set[bytes]:
        return {found for one in cards for found in identifiers_of(connection, one)}

    def said(cards: Iterable[bytes]) -> Iterator[HeldBy]:
        for of, text in connection.execute(_STANDING, (list(cards),)):
            yield bytes(of) if of is not None else None, facts_of(text)

    def held(holders: Iterable[bytes]) -> set[bytes]:
        return cards_held(text for (text,) in connection.execute(_HELD, (list(holders),)))

    return person_known(Person(frozenset(), frozenset(identifiers([card]))), said, lambda of: identifiers(held(of)))


def is_known(connection: psycopg.Connection, person: Person) -> bool:
    """Whether anything was reported of one of a person's cards."""
    return connection.execute(_KNOWN, (list(person.cards),)).fetchone() is not None


def person_known(
    begun: Person,
    said: Callable[[Iterable[bytes]], Iterable[tuple[bytes | None, list[Fact]]]],
    cards_of: Callable[[Iterable[bytes]], set[bytes]],
) -> Person:
    """Returns a person with all that is known: *said* gives the holders and facts of cards, *cards_of* the cards of holders.

    A card that took another's place belongs to the same person, although nobody may have named a document.
    """
    known = begun
    while True:
        holders, cards = set(known.holders), set(known.cards)
        for holder, facts in said(known.cards):
            holders |= {holder} if holder is not None else set()
            cards |= {bytes.fromhex(fact.detail["before"]) for fact in facts if fact.detail.get("before")}
        found = Person(frozenset(holders), frozenset(cards | cards_of(holders)))
        if found == known:
            return known
        known = found


def cards_held(held: Iterable[str]) -> set[bytes]:
    """Returns the keys of cards as rows of `holder_cards` have them."""
    return {bytes.fromhex(card) for text in held for of_province in json.loads(text).values() for card in of_province}


_STANDING = f"SELECT holder, facts FROM views.{CARD_STANDING.name} WHERE key = ANY (%s)"  # noqa: S608 (names of our own views)
_KNOWN = f"SELECT FROM views.{CARD_STANDING.name} WHERE key = ANY (%s) LIMIT 1"
_HELD = f"SELECT cards FROM views.{HOLDER_CARDS.name} WHERE key = ANY (%s)"  # noqa: S608
