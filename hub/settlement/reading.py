"""Reads statements on a session that only reads."""

from collections.abc import Iterable, Iterator
from datetime import date

import psycopg

from hub.domain import reference
from hub.domain.settlement.statement import Statement, code_of, number_of
from hub.domain.settlement_errors import SchemeUnknown, StatementUnknown
from hub.journal.numbered import Numbered

# What a list shows of a scheme at most: more than a year of days.
MOST = 400


def statements_of(scheme: str) -> Numbered[Statement]:
    """Returns how the statements of a scheme are found by number."""
    return Numbered(Statement, lambda number: Statement.create_id(code_of(scheme, number)))


def find(connection: psycopg.Connection, code: str) -> Statement:
    """Returns a statement; raises StatementUnknown."""
    scheme, number = number_of(code)
    found = statements_of(scheme).at_numbers(connection, [number])
    if not found:
        raise StatementUnknown
    return found[0]


def last(connection: psycopg.Connection, scheme: str) -> Statement | None:
    """Returns the newest statement of a scheme, None before the first."""
    known = statements_of(scheme)
    found = known.at_numbers(connection, known.newest_numbers(connection, 1))
    return found[0] if found else None


def find_day(connection: psycopg.Connection, scheme: str, business_day: str) -> Statement:
    """Returns the statement of a scheme and business day; raises StatementUnknown."""
    known = statements_of(scheme)
    low, high = 1, known.count(connection)
    while low <= high:
        middle = (low + high) // 2
        (found,) = known.at_numbers(connection, [middle])
        if found.issued.business_day == business_day:
            return found
        low, high = (middle + 1, high) if found.issued.business_day < business_day else (low, middle - 1)
    raise StatementUnknown


def listed(connection: psycopg.Connection, scheme: str = "", first_day: str = "", last_day: str = "") -> Iterator[Statement]:
    """Yields statements, the newest first, scheme by scheme."""
    for code in schemes_named(scheme):
        known = statements_of(code)
        for one in known.at_numbers(connection, known.newest_numbers(connection, MOST)):
            if first_day <= one.issued.business_day and (not last_day or one.issued.business_day <= last_day):
                yield one


def schemes_named(scheme: str, on: date | None = None) -> Iterable[str]:
    """Returns the codes of the schemes that are meant, of a day if one is given; raises SchemeUnknown."""
    schemes = reference.load().schemes
    known = sorted(schemes.versions) if on is None else [one.scheme for one in schemes.in_force(on)]
    if scheme and scheme not in known:
        raise SchemeUnknown(schemes=" ".join(known))
    return [scheme] if scheme else known
