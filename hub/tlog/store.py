"""What the database has of the log: incarnations, tiles, checkpoints. The sealer writes it; everybody else reads it."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import psycopg

from hub.tlog.note import MOST_SIGNATURES, parse
from hub.tlog.tree import HASH, Read


class Incarnation(NamedTuple):
    """A log of this hub; *genesis* is its first entry. There is one, and one more for each restore that lost what was sealed."""

    number: int
    origin: str
    genesis: bytes


class Sealed(NamedTuple):
    """A signed head of the log: *note* has its text and the log's own signatures."""

    size: int
    root: bytes
    note: bytes
    sealed_at: datetime


def newest_incarnation(connection: psycopg.Connection) -> Incarnation | None:
    """Returns the log that is written now, None before the first start of a sealer."""
    row = connection.execute("SELECT incarnation, origin, genesis FROM tlog.incarnation ORDER BY incarnation DESC LIMIT 1").fetchone()
    return None if row is None else Incarnation(row[0], row[1], bytes(row[2]))


def find_incarnation(connection: psycopg.Connection, number: int) -> Incarnation | None:
    """Returns a log of this hub, None if it has no such one."""
    row = connection.execute("SELECT incarnation, origin, genesis FROM tlog.incarnation WHERE incarnation = %s", (number,)).fetchone()
    return None if row is None else Incarnation(row[0], row[1], bytes(row[2]))


def put_incarnation(connection: psycopg.Connection, incarnation: Incarnation) -> None:
    """Begins a log."""
    connection.execute("INSERT INTO tlog.incarnation (incarnation, origin, genesis) VALUES (%s, %s, %s)", incarnation)


def newest_checkpoint(connection: psycopg.Connection, incarnation: int) -> Sealed | None:
    """Returns the head that was signed last, None before the first."""
    row = connection.execute(
        "SELECT size, root, note, sealed_at FROM tlog.checkpoint WHERE incarnation = %s ORDER BY size DESC LIMIT 1", (incarnation,)
    ).fetchone()
    return None if row is None else Sealed(row[0], bytes(row[1]), bytes(row[2]), row[3])


def find_checkpoint(connection: psycopg.Connection, incarnation: int, size: int) -> Sealed | None:
    """Returns the head of a size, None if none was signed at it or it is not kept."""
    row = connection.execute(
        "SELECT size, root, note, sealed_at FROM tlog.checkpoint WHERE incarnation = %s AND size = %s", (incarnation, size)
    ).fetchone()
    return None if row is None else Sealed(row[0], bytes(row[1]), bytes(row[2]), row[3])


def shown_checkpoint(connection: psycopg.Connection, incarnation: int) -> Sealed | None:
    """Returns the head to show to others: the newest that a witness cosigned within the last minute, or else the newest of all.

    A round of witnesses is every ten seconds and a head every second, so the newest of all has hardly ever a witness's line.
    """
    row = connection.execute(
        """SELECT size, root, note, sealed_at FROM tlog.checkpoint c
           WHERE incarnation = %s AND sealed_at > clock_timestamp() - interval '1 minute'
             AND EXISTS (SELECT FROM tlog.cosignature s WHERE s.incarnation = c.incarnation AND s.size = c.size)
           ORDER BY size DESC LIMIT 1""",
        (incarnation,),
    ).fetchone()
    return newest_checkpoint(connection, incarnation) if row is None else Sealed(row[0], bytes(row[1]), bytes(row[2]), row[3])


def cosigned_note(connection: psycopg.Connection, incarnation: int, sealed: Sealed) -> bytes:
    """Returns a checkpoint with the lines of the witnesses that cosigned it behind the log's own, as many as a note may have."""
    room = MOST_SIGNATURES - len(parse(sealed.note).signatures)
    rows = connection.execute(
        "SELECT line FROM tlog.cosignature WHERE incarnation = %s AND size = %s ORDER BY at, witness LIMIT %s",
        (incarnation, sealed.size, room),
    ).fetchall()
    return sealed.note + "".join([f"{line.rstrip()}\n" for (line,) in rows]).encode()


def reader(connection: psycopg.Connection, incarnation: int) -> Read:
    """Returns what reads the tiles of a log, for `hub.tlog.tree`; a tile that is not there has no bytes."""

    def read(level: int, number: int, width: int) -> bytes:
        row = connection.execute(
            "SELECT substr(hashes, 1, %s) FROM tlog.tile WHERE incarnation = %s AND level = %s AND number = %s",
            (width * HASH, incarnation, level, number),
        ).fetchone()
        return b"" if row is None else bytes(row[0])

    return read


def put(
    connection: psycopg.Connection, incarnation: int, tiles: Mapping[tuple[int, int], bytes], size: int, root: bytes, note: bytes
) -> Sealed:
    """Stores a signed head and the tiles that grew for it; in one transaction, or what is signed would not be there to be proved."""
    with connection.transaction():
        put_tiles(connection, incarnation, tiles)
        row = connection.execute(
            "INSERT INTO tlog.checkpoint (incarnation, size, root, note) VALUES (%s, %s, %s, %s) RETURNING sealed_at",
            (incarnation, size, root, note),
        ).fetchone()
    assert row is not None
    return Sealed(size, root, note, row[0])


def put_tiles(connection: psycopg.Connection, incarnation: int, tiles: Mapping[tuple[int, int], bytes]) -> None:
    """Stores tiles that are new or wider."""
    connection.execute(
        """INSERT INTO tlog.tile (incarnation, level, number, hashes)
           SELECT %s, level, number, hashes FROM unnest(%s::smallint[], %s::bigint[], %b::bytea[]) t (level, number, hashes)
           ON CONFLICT (incarnation, level, number) DO UPDATE SET hashes = EXCLUDED.hashes""",
        (incarnation, [level for level, _ in tiles], [number for _, number in tiles], list(tiles.values())),
    )


def thin(connection: psycopg.Connection, incarnation: int) -> None:
    """Removes checkpoints of the last day, older than an hour, that nobody cosigned, but the last of each minute.

    One is signed every second, of four kilobytes; the root of one that is removed can still be proved.
    """
    connection.execute(
        """DELETE FROM tlog.checkpoint c
           WHERE c.incarnation = %s AND c.sealed_at BETWEEN clock_timestamp() - interval '1 day' AND clock_timestamp() - interval '1 hour'
             AND NOT EXISTS (SELECT FROM tlog.cosignature s WHERE s.incarnation = c.incarnation AND s.size = c.size)
             AND EXISTS (SELECT FROM tlog.checkpoint l WHERE l.incarnation = c.incarnation AND l.size > c.size
                         AND l.sealed_at >= c.sealed_at AND l.sealed_at < date_trunc('minute', c.sealed_at) + interval '1 minute')""",
        (incarnation,),
    )
