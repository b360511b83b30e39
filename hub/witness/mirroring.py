"""Mirrors a log: fetches every entry, computes the tree, and cosigns only what it has on disk (C2SP tlog-mirror).

It computes each tile from the entries, so a tile of the log is never believed. Entries show feed, number, time and kind and nothing of the
content. Where the entries do not lead to the signed root, nothing is cosigned and both notes are kept as evidence.
"""

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from hub.domain.errors import HubError
from hub.tlog import note, paths, tree
from hub.tlog.cosignatures import sign_note
from hub.tlog.note import Checkpoint, Note
from hub.tlog.tree import HASH, WIDTH, Appender, tile_width
from hub.witness import evidence
from hub.witness.evidence import Kind
from hub.witness.folder import Folder, StateDoubtful, WatchedLog, write
from hub.witness.headers import Order
from hub.witness.sources import Source, SourceLacks

log = logging.getLogger(__name__)

_ORDER = "order.json"
_GENESIS = "chuanyu-log/1\norigin {origin}\n"


class MirrorRefused(HubError):
    """The log's entries are not what it signed; nothing is cosigned."""


class LogContradicted(HubError):
    """The log signed two checkpoints that contradict each other; both are kept as evidence."""


class LogOfAnother(HubError):
    """The log at this address is another one; check the address."""


class Mirrored(NamedTuple):
    """What a round brought: the size before and now, and whether anything is new."""

    before: int
    size: int


class Mirror:
    """Mirrors one log of a folder."""

    def __init__(self, folder: Folder, watched: WatchedLog, source: Source, now: Callable[[], float] = time.time) -> None:
        """*source* is where entries come from."""
        self._folder, self._log, self._source, self._now = folder, watched, source, now

    def update(self) -> Mirrored:
        """Brings the mirror to the log's checkpoint; raises what refuses it, and Unreachable or SourceLacks for another try."""
        signed = note.parse(self._source(paths.CHECKPOINT))
        head = Checkpoint.parse(signed.text)
        if head.origin != self._log.origin:
            raise LogOfAnother(f"It is {head.origin}, not {self._log.origin}.")
        self._log.check_signed(signed)
        before = self.checkpoint()
        start = Checkpoint(self._log.origin, 0, tree.EMPTY_ROOT) if before is None else Checkpoint.parse(before.text)
        for seen in (before, self._folder.latest(self._log)):
            if seen is not None and (kind := evidence.contradiction(self._log, seen, signed)):
                self._contradicted(kind, seen, signed)
        if head.size <= start.size:
            return Mirrored(start.size, start.size)
        appender, order = self._appender(start), self._order(start)
        while appender.size < head.size:
            self._append(appender, order, head.size)
        if appender.root() != head.root:
            self._refuse(before, signed, start, head)
        now_s = int(self._now())
        lines = [sign_note(key, signed.text, now_s) for key in self._folder.mirror_keys]
        order.store(self._log.mirror / _ORDER)
        write(self._log.mirror / paths.CHECKPOINT, self._log.signatures(signed).with_lines(lines).format())
        log.info("mirror: cosigned", extra={"origin": head.origin, "size": head.size, "before": start.size})
        return Mirrored(start.size, head.size)

    def checkpoint(self) -> Note | None:
        """Returns the mirror's checkpoint, None before the first."""
        path = self._log.mirror / paths.CHECKPOINT
        return note.parse(path.read_bytes()) if path.exists() else None

    def tile(self, level: int, number: int, width: int) -> bytes:
        """Reads a tile of the mirror; raises StateDoubtful where it is not there."""
        return self._kept(paths.tile(level, number, width), paths.tile(level, number))[: width * HASH]

    def entries(self, number: int, width: int) -> list[bytes]:
        """Reads entries of the mirror; raises StateDoubtful where they are not there."""
        return paths.decode_first(self._kept(paths.entries(number, width), paths.entries(number)), width)

    def _kept(self, path: str, full: str) -> bytes:
        # A round that was cut off may have a full file where its checkpoint still speaks of a partial one.
        for one in (path, full):
            if (self._log.mirror / one).exists():
                return (self._log.mirror / one).read_bytes()
        raise StateDoubtful(f"{self._log.mirror / path} is missing.")

    def _appender(self, start: Checkpoint) -> Appender:
        appender = Appender.at(start.size, self.tile)
        if appender.root() != start.root:
            raise StateDoubtful(f"{self._log.mirror}: its tiles do not lead to its checkpoint of size {start.size}.")
        return appender

    def _order(self, start: Checkpoint) -> Order:
        """Returns what the entries so far say of the order; read again from all of them where the last round was cut off."""
        order = Order.load(self._log.mirror / _ORDER, start.size)
        if order is None:
            order = Order(0, 0, {})
            for number in range(-(-start.size // WIDTH)):
                for entry in self.entries(number, tile_width(start.size, 0, number)):
                    order.take(entry)
        return order

    def _append(self, appender: Appender, order: Order, size: int) -> None:
        """Fetches the next entry bundle and writes it with the tiles that come of it."""
        number, have = divmod(appender.size, WIDTH)
        width = tile_width(size, 0, number)
        bundle = self._source(paths.entries(number, width))
        entries = paths.decode_bundle(bundle, width)
        if number == 0 and have == 0 and not entries[0].startswith(_GENESIS.format(origin=self._log.origin).encode()):
            raise LogOfAnother("Its first entry names another origin.")
        hashes = [tree.leaf_hash(entry) for entry in entries]
        if have and b"".join(hashes[:have]) != self.tile(0, number, have):
            raise MirrorRefused(f"Entries from {number * WIDTH} on are others than those that it showed before.")
        for entry in entries[have:]:
            order.take(entry)
        write(self._log.mirror / paths.entries(number, width), bundle)
        for level, at, tile in appender.add(b"".join(hashes[have:])):
            write(self._log.mirror / paths.tile(level, at, len(tile) // HASH), tile)
            if len(tile) == WIDTH * HASH:
                self._drop_partial(paths.tile(level, at))
        if width == WIDTH:
            self._drop_partial(paths.entries(number))

    def _drop_partial(self, path: str) -> None:
        """Removes what a full file replaces."""
        parts = self._log.mirror / f"{path}.p"
        if parts.is_dir():
            for part in parts.iterdir():
                part.unlink()
            parts.rmdir()

    def _contradicted(self, kind: Kind, seen: Note, signed: Note) -> None:
        path = evidence.keep(self._folder.evidence, self._log, kind, (seen, signed), int(self._now()))
        raise LogContradicted(f"{kind.words} {path}")

    def _refuse(self, before: Note | None, signed: Note, start: Checkpoint, head: Checkpoint) -> None:
        """Says why the entries do not lead to the root: a bundle that its own tile contradicts, or another history."""
        for number in range(start.size // WIDTH, -(-head.size // WIDTH)):
            width = tile_width(head.size, 0, number)
            try:
                theirs = self._source(paths.tile(0, number, width))
            except SourceLacks:
                break
            if theirs != self.tile(0, number, width):
                raise MirrorRefused(f"Entries from {number * WIDTH} on do not hash to the log's tile {paths.tile(0, number, width)}.")
        if before is not None:
            self._contradicted(Kind.FORK, before, signed)
        raise MirrorRefused(f"{head.size} entries do not lead to the root that was signed.")
