"""The files of a log, below its prefix, as C2SP tlog-tiles lays them out: what the web site gives, and what is written into a folder.

Entry bundles are computed from the rows of the journal; they have headers and hashes, nothing of what the events say.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from hub.domain.errors import HubError, NothingSealed
from hub.journal.archived import HISTORY, recalled
from hub.journal.envelope import LEAF_BYTES
from hub.tlog import paths, store
from hub.tlog.paths import CHECKPOINT, TilePath
from hub.tlog.store import Incarnation, Sealed
from hub.tlog.tree import HEIGHT, WIDTH, tile_width

GENESIS = "incarnation/genesis"

Report = Callable[[int, int], None]


class FileUnknown(HubError):
    """可验证日志没有这个文件，或尚未封存到那里 The log has no such file, or is not sealed so far."""


def log_of(connection: psycopg.Connection, number: int | None = None) -> Incarnation:
    """Returns the log that is written now, or the incarnation of a number; raises NothingSealed or FileUnknown."""
    if number is not None:
        found = store.find_incarnation(connection, number)
        if found is None:
            raise FileUnknown
        return found
    newest = store.newest_incarnation(connection)
    if newest is None:
        raise NothingSealed
    return newest


def head_of(connection: psycopg.Connection, incarnation: Incarnation) -> Sealed:
    """Returns the head of a log that was signed last; raises NothingSealed."""
    if (sealed := store.newest_checkpoint(connection, incarnation.number)) is None:
        raise NothingSealed
    return sealed


def content(connection: psycopg.Connection, incarnation: Incarnation, path: str) -> bytes:
    """Returns a file; raises PathRefused, FileUnknown or NothingSealed."""
    if path == GENESIS:
        return incarnation.genesis
    sealed = head_of(connection, incarnation)
    if path == CHECKPOINT:
        return store.cosigned_note(connection, incarnation.number, store.shown_checkpoint(connection, incarnation.number) or sealed)
    return tile_content(connection, incarnation, sealed, paths.parse(path))


def tile_content(connection: psycopg.Connection, incarnation: Incarnation, sealed: Sealed, path: TilePath) -> bytes:
    """Returns a tile or an entry bundle; raises FileUnknown for one that is not in the tree that was signed last."""
    level = path.level or 0
    if path.width > tile_width(sealed.size, level, path.number):
        raise FileUnknown
    if path.level is None:
        return paths.encode_bundle(entries(connection, incarnation, path.number * WIDTH, path.number * WIDTH + path.width))
    hashes = store.reader(connection, incarnation.number)(level, path.number, path.width)
    if len(hashes) != path.width * LEAF_BYTES:
        raise FileUnknown
    return hashes


def entries(connection: psycopg.Connection, incarnation: Incarnation, first: int, end: int) -> list[bytes]:
    """Returns the entries first … end - 1, all of which are in the journal; raises FileUnknown where some are not there any more."""
    with recalled(connection, [(max(1, first), end - 1)]) as history:
        rows = connection.execute(_ENTRIES.replace(HISTORY, history), {"first": max(1, first), "last": end - 1}, binary=True).fetchall()
    found = [bytes(entry) for (entry,) in rows]
    if first == 0:
        found.insert(0, incarnation.genesis)
    if len(found) != end - first:
        raise FileUnknown
    return found


def write_all(connection: psycopg.Connection, incarnation: Incarnation, folder: Path, report: Report = lambda _done, _of: None) -> int:
    """Writes a log into a folder, the signed head last, and returns the size; full tiles that are there are kept."""
    sealed = head_of(connection, incarnation)
    wanted = list(_paths_of(sealed.size))
    for done, path in enumerate(wanted, 1):
        if ".p/" in path or not (folder / path).exists():
            _write(folder / path, tile_content(connection, incarnation, sealed, paths.parse(path)))
        report(done, len(wanted))
    _write(folder / GENESIS, incarnation.genesis)
    _write(folder / CHECKPOINT, store.cosigned_note(connection, incarnation.number, sealed))
    return sealed.size


def _paths_of(size: int) -> Iterator[str]:
    """Yields the paths of all tiles and bundles of a tree."""
    level = 0
    while (hashes := size >> HEIGHT * level) > 0:
        for number in range(-(-hashes // WIDTH)):
            width = tile_width(size, level, number)
            yield paths.tile(level, number, width)
            if level == 0:
                yield paths.entries(number, width)
        level += 1


def _write(target: Path, content: bytes) -> None:
    """Writes a file that readers see whole or not at all; what a crash of the machine takes is written again."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.part")
    fresh.write_bytes(content)
    fresh.replace(target)


_ENTRIES = """
    SELECT journal.entry(e.position, e.recorded_at, e.sequence, s.name, e.occurred_at, e.kind, e.digest, e.data)
    FROM journal.history e JOIN journal.stream s USING (stream_id) WHERE e.position BETWEEN %(first)s AND %(last)s ORDER BY e.position"""
