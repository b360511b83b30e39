"""Asks how often cards of one province were used in another, by scenario, as known at a position: of some business days together.

`usage_eras` and `usage_blocks` have what changed by era and block of positions; what changed in the last block is in the rows of the facts.
So an answer adds up rows, whatever number of uses they are of.
"""

from collections.abc import Mapping
from typing import NamedTuple

import psycopg

from hub.domain.errors import ViewBehind
from hub.projections.views.blocks import edge
from hub.projections.views.usage_counts import Wanted, counts, moved_between, reached_by


class Way(NamedTuple):
    """Whose cards were used, in which province, for what; empty where nobody said."""

    issuer: str
    serving: str
    scenario: str


class Ways:
    """What was known at a position of uses by way."""

    def __init__(self, connection: psycopg.Connection, position: int) -> None:
        """Reads what changed in the block that the position is in; raises ViewBehind."""
        self._connection, self._edge = connection, edge(position)
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if position > (reached := reached_by(connection)):
                raise ViewBehind(as_of_position=reached)
            self._is_of_before = connection.execute(_OF_BEFORE).fetchone() is not None
            self._rest = {} if self._is_of_before else moved_between(connection, self._edge.first - 1, position)

    def of(self, day: str, until: str) -> Mapping[Way, int]:
        """Returns the uses of business days from *day* through *until*."""
        wanted, found = Wanted(day, until), dict[Way, int]()
        if self._is_of_before:
            cells = {one.cell: one.uses for one in counts(self._connection, wanted, self._edge.position).cells}
        else:
            rows = self._connection.execute(_KNOWN, {**self._edge._asdict(), "day": day, "until": until}).fetchall()
            found = {Way(*row[:3]): int(row[3]) for row in rows}
            cells = {cell: uses for cell, (uses, _) in self._rest.items() if wanted.has(cell)}
        for cell, uses in cells.items():
            way = Way(cell.issuer, cell.region[:2], cell.scenario)
            found[way] = found.get(way, 0) + uses
        return {way: uses for way, uses in found.items() if uses}


# Rows of a release before do not say since when they count, and neither has it added up by blocks.
_OF_BEFORE = "SELECT FROM views.daily_usage_facts WHERE first_position IS NULL LIMIT 1"
_KNOWN = """
    SELECT issuer, serving, scenario, sum(uses) FROM (
        SELECT issuer, serving, scenario, uses, business_day FROM views.usage_eras WHERE era < %(era)s
        UNION ALL
        SELECT issuer, serving, scenario, uses, business_day FROM views.usage_blocks WHERE block >= %(first_block)s AND block < %(block)s
    ) k WHERE business_day BETWEEN %(day)s AND %(until)s GROUP BY issuer, serving, scenario"""
