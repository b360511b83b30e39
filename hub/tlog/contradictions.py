"""Checkpoints that the log signed and does not begin with, as witnesses showed them: where there is one, nothing more is signed."""

import psycopg

from hub.domain.errors import HubError


class HistoryContradicted(HubError):
    """A witness has a checkpoint that this hub signed and its log does not begin with; nothing more is signed (docs/witness.md):"""


def refuse_contradicted(connection: psycopg.Connection, incarnation: int) -> None:
    """Raises HistoryContradicted where a witness has shown another history of this log."""
    row = connection.execute(
        "SELECT witness, size FROM tlog.contradiction WHERE incarnation = %s ORDER BY seen_at LIMIT 1", (incarnation,)
    ).fetchone()
    if row is not None:
        raise HistoryContradicted(f"{row[0]}: {row[1]}")


def put(connection: psycopg.Connection, incarnation: int, witness: str, size: int, ours: bytes, theirs: bytes) -> None:
    """Keeps both notes, once for each witness and size."""
    connection.execute(
        """INSERT INTO tlog.contradiction (incarnation, witness, size, ours, theirs) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
        (incarnation, witness, size, ours, theirs),
    )


def count(connection: psycopg.Connection, incarnation: int) -> int:
    """Returns how many there are of this log."""
    row = connection.execute("SELECT count(*) FROM tlog.contradiction WHERE incarnation = %s", (incarnation,)).fetchone()
    return int(row[0]) if row is not None else 0
