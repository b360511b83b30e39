"""Recorded answers, the newest first, some of them: the journal is read backwards, as far as a page may, and says how far it was."""

from collections.abc import Callable
from typing import NamedTuple

import psycopg

from hub.journal.reader import Recorded, first_position, head_position, read_page

KIND = "decision_made"
# So many positions are looked at for one page of a list.
LOOKED_AT, PAGE = 60_000, 6_000


class Found(NamedTuple):
    """What was found, and the position that was looked at last: older ones may be before it, 0 where there is nothing older."""

    decisions: list[Recorded]
    back_to: int


def recent_decisions(connection: psycopg.Connection, wanted: Callable[[Recorded], bool], before: int, most: int) -> Found:
    """Returns answers that are *wanted* of the positions below *before*, 0 for the newest."""
    upper = min(before - 1 if before else 2**62, head_position(connection))
    lowest, first = max(0, upper - LOOKED_AT), first_position(connection)
    found: list[Recorded] = []
    while upper > lowest:
        lower = max(lowest, upper - PAGE)
        for one in reversed(read_page(connection, lower, upper, {KIND})):
            if wanted(one):
                found.append(one)
            if len(found) == most:
                return Found(found, one.position if one.position > first else 0)
        upper = lower
    return Found(found, lowest + 1 if lowest >= first else 0)
