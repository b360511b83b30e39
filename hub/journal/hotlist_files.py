"""The hotlist's files in the database. An epoch counts as published once the journal has its event, and not before."""

from typing import NamedTuple

import psycopg

from hub.domain.hotlist import Hotlist

_COLUMNS = "epoch, base_epoch, position, (extract(epoch FROM made_at) * 1000000)::bigint, listed, issued, unlistable, length(data), digest"
_PUBLISHED = f"epoch < (SELECT next_sequence FROM journal.stream WHERE name = '{Hotlist.ID}')"  # noqa: S608 (our own id)


class HotlistEntry(NamedTuple):
    """What is said of a file; a snapshot is its own base."""

    epoch: int
    base_epoch: int
    position: int
    made_us: int
    listed: int
    issued: int
    unlistable: int
    size_bytes: int
    digest: bytes


def latest_epoch(connection: psycopg.Connection) -> int:
    """Returns the newest published epoch, 0 if there is none."""
    row = connection.execute("SELECT next_sequence FROM journal.stream WHERE name = %s", (str(Hotlist.ID),)).fetchone()
    return 0 if row is None else int(row[0]) - 1


def find_entry(connection: psycopg.Connection, epoch: int) -> HotlistEntry | None:
    """Returns what is said of a published file, None if there is none."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM hotlist.file WHERE epoch = %s AND {_PUBLISHED}".encode(),  # noqa: S608 (our own text)
        (epoch,),
    ).fetchone()
    return None if row is None else HotlistEntry(*row)


def entries(connection: psycopg.Connection, most: int) -> list[HotlistEntry]:
    """Returns what is said of published files, the newest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM hotlist.file WHERE {_PUBLISHED} ORDER BY epoch DESC LIMIT %s".encode(),  # noqa: S608 (our own text)
        (most,),
    ).fetchall()
    return [HotlistEntry(*row) for row in rows]


def find_deltas(connection: psycopg.Connection, base_epoch: int, after_epoch: int) -> list[HotlistEntry]:
    """Returns the published deltas over a snapshot that come after an epoch, in order."""
    rows = connection.execute(
        f"""SELECT {_COLUMNS} FROM hotlist.file
            WHERE base_epoch = %s AND epoch > %s AND epoch > base_epoch AND {_PUBLISHED} ORDER BY epoch""".encode(),  # noqa: S608
        (base_epoch, after_epoch),
    ).fetchall()
    return [HotlistEntry(*row) for row in rows]


def find_data(connection: psycopg.Connection, epoch: int) -> bytes | None:
    """Returns the file of a published epoch, None if it is not kept."""
    row = connection.execute(f"SELECT data FROM hotlist.file WHERE epoch = %s AND {_PUBLISHED}".encode(), (epoch,)).fetchone()  # noqa: S608
    return None if row is None else bytes(row[0])


def put(connection: psycopg.Connection, entry: HotlistEntry, data: bytes) -> None:
    """Keeps the file of an epoch that is about to be published, in place of what an interrupted build left under its number."""
    with connection.transaction():
        connection.execute("DELETE FROM hotlist.file WHERE epoch = %s", (entry.epoch,))
        connection.execute(
            """INSERT INTO hotlist.file (epoch, base_epoch, position, made_at, listed, issued, unlistable, digest, data)
               VALUES (%s, %s, %s, '1970-01-01Z'::timestamptz + %s * interval '1 microsecond', %s, %s, %s, %s, %s)""",
            (*entry[:7], entry.digest, data),
        )
