"""What is counted against somebody: sign-ins that failed, by name and by address, and searches for cards, by user."""

import psycopg

from hub.domain.errors import HubError

FAILURES, LOCKED_MIN = 5, 15
SEARCHES, SEARCHED_MIN = 30, 60


class SearchedTooOften(HubError):
    """Thirty searches for cards an hour are the most; try again later."""


def is_locked(connection: psycopg.Connection, *about: str) -> bool:
    """Whether too many sign-ins have failed lately for one of some names and addresses."""
    row = connection.execute(_MOST, {"about": list(about), "minutes": LOCKED_MIN}).fetchone()
    return row is not None and int(row[0]) >= FAILURES


def note(connection: psycopg.Connection, *about: str) -> None:
    """Counts an attempt against each of some names and addresses."""
    connection.execute("INSERT INTO console.attempt (about) SELECT unnest(%s::text[])", (list(about),))
    connection.execute("DELETE FROM console.attempt WHERE at < clock_timestamp() - interval '2 hours'")


def forgive(connection: psycopg.Connection, *about: str) -> None:
    """Forgets what was counted against a name once it has signed in."""
    connection.execute("DELETE FROM console.attempt WHERE about = ANY (%s)", (list(about),))


def count_search(connection: psycopg.Connection, account: str) -> None:
    """Counts a search for a card; raises SearchedTooOften beyond the limit."""
    about = f"search:{account}"
    row = connection.execute(_MOST, {"about": [about], "minutes": SEARCHED_MIN}).fetchone()
    if row is not None and int(row[0]) >= SEARCHES:
        raise SearchedTooOften
    note(connection, about)


_MOST = """
    SELECT COALESCE(max(n), 0) FROM (
        SELECT count(*) AS n FROM console.attempt
        WHERE about = ANY (%(about)s) AND at > clock_timestamp() - make_interval(mins => %(minutes)s) GROUP BY about) counted"""
