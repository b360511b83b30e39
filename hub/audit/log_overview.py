"""How far the log is: the heads that were signed last, and what each witness has cosigned. The console shows it."""

from datetime import datetime
from typing import NamedTuple

import psycopg

MOST_HEADS = 20


class Head(NamedTuple):
    """A signed head of the log, and which witnesses cosigned it."""

    size: int
    root: bytes
    sealed_at: datetime
    witnesses: tuple[str, ...]


class WitnessState(NamedTuple):
    """A witness: the largest head that it cosigned, when that was, and how many."""

    name: str
    size: int
    at: datetime
    heads: int


def heads(connection: psycopg.Connection) -> list[Head]:
    """Returns the newest heads of the newest incarnation, the newest first; those that somebody cosigned are preferred to others."""
    rows = connection.execute(_HEADS, {"most": MOST_HEADS}).fetchall()
    return [Head(size, bytes(root), at, tuple(names)) for size, root, at, names in rows]


def witness_states(connection: psycopg.Connection) -> list[WitnessState]:
    """Returns the witnesses of the newest incarnation."""
    return [WitnessState(*row) for row in connection.execute(_WITNESSES).fetchall()]


_HEADS = """
    WITH c AS (
        SELECT c.size, c.root, c.sealed_at,
               ARRAY(SELECT s.witness FROM tlog.cosignature s WHERE (s.incarnation, s.size) = (c.incarnation, c.size) ORDER BY 1) AS names
        FROM tlog.checkpoint c
        WHERE c.incarnation = (SELECT max(incarnation) FROM tlog.incarnation) ORDER BY c.size DESC LIMIT 1000)
    SELECT size, root, sealed_at, names FROM (
        SELECT * FROM c ORDER BY size = (SELECT max(size) FROM c) DESC, names <> '{}' DESC, size DESC LIMIT %(most)s) shown
    ORDER BY size DESC"""
_WITNESSES = """
    SELECT witness, max(size), (array_agg(at ORDER BY size DESC))[1], count(*) FROM tlog.cosignature
    WHERE incarnation = (SELECT max(incarnation) FROM tlog.incarnation) GROUP BY witness ORDER BY witness"""
