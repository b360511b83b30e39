"""Seals the journal: hangs what was recorded since the last time into the tree, signs its head, and stores both in one transaction.

Only one process of a database seals, the one that has the lock. Before it signs, it compares what it knows with the stored head and proves
that the new tree begins with the old one: so it never signs two histories, whatever another process or a restore did meanwhile. Where the
tree, the head and the journal do not fit together it signs nothing, and says so.
"""

import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

import psycopg

from hub.domain.errors import HubError
from hub.journal.envelope import leaf_hash
from hub.journal.leaves import LEAF
from hub.journal.reader import head_position
from hub.tlog import store, tree
from hub.tlog.contradictions import refuse_contradicted
from hub.tlog.cosignatures import check_note, sign_note
from hub.tlog.genesis import Genesis
from hub.tlog.key_book import KeySet, ends, known_sets, signers_at, signers_of
from hub.tlog.note import Checkpoint, Note, SignerKey, parse
from hub.tlog.store import Incarnation, Sealed
from hub.trust.log_keys import LogKeys

# What is read, hashed and stored at once; beyond it another head is signed.
PAGE_LEAVES = 1 << 16
THIN_EVERY_S = 60.0


class NotToBeSealed(HubError):
    """日志与已封存的树不符，停止签名 the journal does not fit what is sealed, so nothing is signed; run `hub fsck` (docs/log.md):"""


class KeyUnknown(HubError):
    """尚无假名密钥指纹：先启动一次 hub serve There is no fingerprint of the pseudonym key yet: start `hub serve` once."""


class Round(NamedTuple):
    """What one round came to: the head by now, how many leaves it added, and how far the journal is beyond it."""

    size: int
    added: int
    unsealed: int


def signers(keys: LogKeys, origin: str) -> tuple[SignerKey, ...]:
    """Returns the keys of a log of this origin, of all sets: which of them sign a tree, `key_book` says."""
    return tuple(key for one in keys.sets for key in signers_of(one, origin))


def begin(connection: psycopg.Connection, name: str) -> Incarnation:
    """Returns the log that is written now, the first of its *name* where there is none; raises KeyUnknown."""
    if (found := store.newest_incarnation(connection)) is not None:
        return found
    row = connection.execute("SELECT fingerprint FROM vault.key_fingerprint WHERE purpose = 'pseudonym'").fetchone()
    if row is None:
        raise KeyUnknown
    first = Incarnation(1, f"{name}/1", Genesis(f"{name}/1", secrets.token_bytes(16), bytes(row[0])).entry)
    store.put_incarnation(connection, first)
    return first


def leaves(connection: psycopg.Connection, incarnation: Incarnation, size: int, last: int) -> bytes:
    """Returns the leaves of a log from a size on, up to the position *last*; those of rows that have none are computed from the row.

    Raises NotToBeSealed where positions are missing.
    """
    first = max(1, size)
    row = connection.execute(_LEAVES, {"first": first, "last": last}, binary=True).fetchone()
    assert row is not None
    found, count, with_leaf = row
    if with_leaf < count:
        row = connection.execute(_COMPUTED, {"first": first, "last": last}, binary=True).fetchone()
        assert row is not None
        (found,) = row
    hashes = bytes(found or b"")
    if count != last - first + 1 or len(hashes) != count * tree.HASH:
        raise NotToBeSealed(f"{first} … {last}")
    return hashes if size else leaf_hash(incarnation.genesis) + hashes


class Sealer:
    """Seals one log on a session of role hub_sealer that alone has the lock; used from one thread."""

    def __init__(self, connection: psycopg.Connection, keys: LogKeys, incarnation: Incarnation) -> None:
        """Reads nothing yet."""
        self._connection, self._incarnation = connection, incarnation
        self._keys, self._sets = keys, list[KeySet]()
        self._sealed: Sealed | None = None
        self._tree: tree.Appender | None = None
        # When the last head was signed, by its own time.
        self._signed_s = 0
        self._thinned_at = time.monotonic()

    def seal(self) -> Round:
        """Seals up to PAGE_LEAVES leaves beyond the stored head, to where a set of keys ends at most, and signs the new head.

        Without anything new it signs nothing. Raises NotToBeSealed, HistoryContradicted, LogKeysAway.
        """
        refuse_contradicted(self._connection, self._incarnation.number)
        stored = store.newest_checkpoint(self._connection, self._incarnation.number)
        # The head comes first: what ends a set of keys at a position up to there is known then.
        head = head_position(self._connection)
        self._sets = known_sets(self._connection)
        grown, self._tree = self._tree, None
        if grown is None or stored != self._sealed:
            grown = self._load(stored)
        size = grown.size
        if head + 1 < size:
            raise NotToBeSealed(f"{size - 1} > {head}")
        if head + 1 > size:
            last = min(head, size + PAGE_LEAVES - 1, *(end - 1 for end in ends(self._sets) if end > size))
            self._sealed = self._grow(grown, stored, leaves(self._connection, self._incarnation, size, last))
        self._tree = grown
        self._thin()
        return Round(grown.size, grown.size - size, head + 1 - grown.size)

    def _load(self, stored: Sealed | None) -> tree.Appender:
        """Returns the stored tree, once it has the root that was signed last."""
        self._sealed = stored
        if stored is None:
            return tree.Appender(0, ())
        loaded = tree.Appender.at(stored.size, store.reader(self._connection, self._incarnation.number))
        signed = parse(stored.note)
        signers = self._signers(stored.size)
        check_note(signed, signers[0].verifier)
        if Checkpoint.parse(signed.text) != Checkpoint(self._incarnation.origin, stored.size, stored.root) or loaded.root() != stored.root:
            raise NotToBeSealed(f"checkpoint {stored.size}")
        times = [check_note(signed, key.verifier).signed_s for key in signers if key.kind.is_timed]
        self._signed_s = max(self._signed_s, *times)
        return loaded

    def _grow(self, grown: tree.Appender, stored: Sealed | None, added: bytes) -> Sealed:
        """Adds leaves to the tree, and signs and stores its head."""
        number, before = self._incarnation.number, grown.size
        tiles = {(level, at): hashes for level, at, hashes in grown.add(added)}
        kept = store.reader(self._connection, number)

        def read(level: int, at: int, width: int) -> bytes:
            hashes = tiles.get((level, at))
            return kept(level, at, width) if hashes is None else hashes[: width * tree.HASH]

        root = grown.root()
        tree.check_growth(
            before, grown.size, tree.consistency(before, grown.size, read), tree.EMPTY_ROOT if stored is None else stored.root, root
        )
        text = Checkpoint(self._incarnation.origin, grown.size, root).text
        # With a clock that was set back, a smaller tree would seem to be signed after a larger one: to witnesses that is a rollback.
        self._signed_s = now_s = max(int(time.time()), self._signed_s)
        note = Note(text, tuple(sign_note(key, text, now_s) for key in self._signers(grown.size))).format()
        return store.put(self._connection, number, tiles, grown.size, root, note)

    def _signers(self, size: int) -> tuple[SignerKey, ...]:
        return signers_at(self._keys, self._sets, self._incarnation.origin, size)

    def _thin(self) -> None:
        if time.monotonic() - self._thinned_at > THIN_EVERY_S:
            self._thinned_at = time.monotonic()
            store.thin(self._connection, self._incarnation.number)


def catch_up(sealer: Sealer, report: Callable[[int, int], None] = lambda _done, _of: None) -> Round:
    """Seals all that the journal has, and reports how much is done of how much."""
    while (done := sealer.seal()).unsealed:
        report(done.size, done.size + done.unsealed)
    return done


_LEAVES = """
    SELECT string_agg(leaf, ''::bytea ORDER BY position), count(*), count(leaf) FROM journal.event
    WHERE position BETWEEN %(first)s AND %(last)s"""
_COMPUTED = f"""
    SELECT string_agg({LEAF}, ''::bytea ORDER BY e.position)
    FROM journal.event e JOIN journal.stream s USING (stream_id) WHERE e.position BETWEEN %(first)s AND %(last)s"""  # noqa: S608 (our own text)
