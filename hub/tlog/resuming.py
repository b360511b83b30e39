"""The log after a restore: it goes on where nothing that was signed is missing; where some may be, it begins again as another incarnation.

A restored journal ends before the one it was taken from did. Signed again from there, the log would have two histories, and every witness
would refuse it. So a new one begins, whose first entry says from which it goes on, what the two have in common, and the number with which
each feed goes on: provinces send what they have receipts for again. Only with the newest signed head in hand, which the restored journal
has whole, is the log gone on with.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import psycopg

from hub.domain.errors import HubError
from hub.journal.reader import head_position
from hub.tlog import store, tree
from hub.tlog.cosignatures import check_note
from hub.tlog.genesis import Continued, Genesis
from hub.tlog.note import Checkpoint, parse
from hub.tlog.sealer import PAGE_LEAVES, NotToBeSealed, leaves, signers
from hub.tlog.store import Incarnation
from hub.trust.log_keys import LogKeys

Report = Callable[[int, int], None]


class CheckpointForeign(HubError):
    """所给检查点不是备份中这条日志的 the checkpoint is not one of the log in the backup: take that of"""


class Resumed(NamedTuple):
    """How the log goes on: under which *origin*, whether that is new, and how many entries are known to be lost (more may be)."""

    origin: str
    is_new: bool
    lost: int


def known_heads(log: Incarnation, keys: LogKeys, notes: Sequence[bytes]) -> list[Checkpoint]:
    """Returns the heads that were signed of a log; raises CheckpointForeign, NoteRefused, SignatureWrong or SignatureMissing."""
    heads = []
    for note in map(parse, notes):
        heads.append(Checkpoint.parse(note.text))
        if heads[-1].origin != log.origin:
            raise CheckpointForeign(log.origin)
        own = [key.verifier for key in signers(keys, log.origin)]
        # Which set signed, the journal that is restored may not know any more.
        for key in [key for key in own if note.of(key)] or own[:1]:
            check_note(note, key)
    return heads


def resume(
    connection: psycopg.Connection,
    heads: Sequence[Checkpoint],
    report: Report = lambda _done, _of: None,
    *,
    seen: Sequence[Checkpoint] = (),
) -> Resumed | None:
    """Makes the tiles of a restored log again and settles how it goes on, None where none was begun; *heads* are known from elsewhere.

    *seen* are those of witnesses: they show what is lost, and never that nothing is, since more may have been sealed than they
    saw. Raises NotToBeSealed where the restored journal is not what was signed: nothing is signed over it until that is cleared up.
    """
    log = store.newest_incarnation(connection)
    if log is None:
        return None
    stored = store.newest_checkpoint(connection, log.number)
    known = [] if stored is None else [Checkpoint(log.origin, stored.size, stored.root)]
    position = head_position(connection)
    grown = _tiled(connection, log, position, report)
    newest = max((*known, *heads, *seen), key=lambda head: head.size, default=Checkpoint(log.origin, 0, tree.EMPTY_ROOT))
    read = store.reader(connection, log.number)
    for head in (*known, *heads, *seen):
        if head.size <= grown.size and tree.root(head.size, read) != head.root:
            raise NotToBeSealed(f"checkpoint {head.size}")
    if heads and newest.size <= grown.size:
        return Resumed(log.origin, is_new=False, lost=0)
    begun = _begin_again(connection, log, Continued(newest, grown.size, grown.root(), _next_numbers(connection)))
    return Resumed(begun.origin, is_new=True, lost=max(0, newest.size - grown.size))


def _tiled(connection: psycopg.Connection, log: Incarnation, position: int, report: Report) -> tree.Appender:
    """Stores the tiles of all that is in the journal: none are in a backup."""
    grown = tree.Appender(0, ())
    while grown.size <= position:
        last = min(position, grown.size + PAGE_LEAVES - 1)
        tiles = {(level, at): hashes for level, at, hashes in grown.add(leaves(connection, log, grown.size, last))}
        store.put_tiles(connection, log.number, tiles)
        report(grown.size, position + 1)
    return grown


def _begin_again(connection: psycopg.Connection, log: Incarnation, continued: Continued) -> Incarnation:
    before = Genesis.parse(log.genesis)
    number = log.number + 1
    origin = f"{log.origin.rpartition('/')[0]}/{number}"
    begun = Incarnation(number, origin, Genesis(origin, before.hub, before.pseudonym_key, continued).entry)
    store.put_incarnation(connection, begun)
    return begun


def _next_numbers(connection: psycopg.Connection) -> tuple[tuple[int, str], ...]:
    rows = connection.execute("SELECT next_sequence, name FROM journal.stream WHERE is_feed ORDER BY name").fetchall()
    return tuple((int(number), str(name)) for number, name in rows)
