"""Reads business days with a side, and whose feeds are whose, on a session that only reads."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import psycopg

from hub.domain.participant import Participant
from hub.domain.reconciliation.day_book import Break, DayBook, day_of_code
from hub.domain.reconciliation_errors import BreakUnknown
from hub.domain.settlement.lines import SIDES
from hub.journal.numbered import Numbered


class Listed(NamedTuple):
    """A business day with a side."""

    side: str
    day: date
    book: DayBook


def day_book(connection: psycopg.Connection, side: str, day: date) -> DayBook | None:
    """Returns a business day with a side, None where nothing was reported or found."""
    found = _days(side).at_numbers(connection, [day.toordinal()])
    return found[0] if found else None


def day_books(connection: psycopg.Connection, first: date, last: date) -> Iterator[Listed]:
    """Yields the business days of which something was reported or found, the newest first."""
    ordinals = range(last.toordinal(), first.toordinal() - 1, -1)
    there = {side: _days(side).versions(connection, ordinals) for side in SIDES}
    for ordinal in ordinals:
        for side in SIDES:
            if ordinal in there[side]:
                (book,) = _days(side).at_numbers(connection, [ordinal])
                yield Listed(side, date.fromordinal(ordinal), book)


def find_break(connection: psycopg.Connection, code: str) -> tuple[DayBook, Break]:
    """Returns a break and its day; raises BreakUnknown."""
    side, day = day_of_code(code)
    book = day_book(connection, side, day)
    if book is None:
        raise BreakUnknown
    return book, book.break_of(code)


class Stream(NamedTuple):
    """A feed: its name, and the province of the participant that has it."""

    name: str
    province: str


def streams(connection: psycopg.Connection) -> dict[int, Stream]:
    """Returns all feeds by their number in the journal."""
    rows = connection.execute("SELECT stream_id, name, owner FROM journal.stream WHERE is_feed").fetchall()
    owners = sorted({owner for _, _, owner in rows})
    known = Numbered(Participant, lambda number: Participant.create_id(owners[number])).at_numbers(connection, range(len(owners)))
    provinces = {one.urn: one.province for one in known}
    return {stream_id: Stream(name, provinces.get(owner, "")) for stream_id, name, owner in rows}


def position_of(connection: psycopg.Connection, feed: str, sequence: int) -> int | None:
    """Returns the position of a number of a feed, None while it is not recorded."""
    row = connection.execute(_POSITION, {"feed": feed, "sequence": sequence}).fetchone()
    return None if row is None else int(row[0])


def _days(side: str) -> Numbered[DayBook]:
    return Numbered(DayBook, lambda ordinal: DayBook.create_id(side, date.fromordinal(ordinal)))


_POSITION = """
    SELECT b.first_position + %(sequence)s - b.first_sequence
    FROM journal.stream s JOIN journal.batch b USING (stream_id)
    WHERE s.name = %(feed)s AND s.is_feed AND %(sequence)s BETWEEN b.first_sequence AND b.last_sequence"""
