"""A log with keys of its own, for tests of witnesses: entries, tiles and checkpoints as files of a folder."""

from pathlib import Path

from hub.tlog import paths, tree
from hub.tlog.add_checkpoint import Request
from hub.tlog.algorithms import ED25519, ML_DSA_44, SM2
from hub.tlog.cosignatures import sign_note
from hub.tlog.note import Checkpoint, Note, SignerKey
from hub.tlog.tree import WIDTH, Appender, tile_width

ORIGIN = "exchange.example/1"
NOW_S = 1_790_000_000


def entry(position: int, *, sequence: int | None = None, recorded_us: int | None = None, stream: bytes = b"sc.usage") -> bytes:
    """An entry as docs/log-format.md has it, of an event without content."""
    number = position if sequence is None else sequence
    time_us = 1_790_000_000_000_000 + position if recorded_us is None else recorded_us
    numbers = b"".join([value.to_bytes(8, "big", signed=True) for value in (position, time_us, number)])
    return b"\1" + numbers + bytes([len(stream)]) + stream + b"\x0acard_taken\0" + bytes(32)


class SignedLog:
    """Grows in memory; `publish` writes what a site would serve."""

    def __init__(self, origin: str = ORIGIN, keys: list[SignerKey] | None = None) -> None:
        self.origin = origin
        self.keys = keys or [SignerKey.make(origin, kind) for kind in (ED25519, ML_DSA_44, SM2)]
        self.entries = [f"chuanyu-log/1\norigin {origin}\nhub {'0' * 32}\npseudonym-key {'0' * 64}\n".encode()]

    @property
    def key_lines(self) -> list[str]:
        return [key.verifier.text for key in self.keys]

    def forked(self, size: int) -> "SignedLog":
        """Another history under the same keys, the same up to *size*."""
        other = SignedLog(self.origin, self.keys)
        other.entries = self.entries[:size]
        return other

    def grow(self, size: int, stream: bytes = b"sc.usage") -> "SignedLog":
        """Adds events up to so many entries."""
        self.entries += [entry(position, stream=stream) for position in range(len(self.entries), size)]
        return self

    def read(self, level: int, number: int, width: int) -> bytes:
        appender, tiles = Appender(0, ()), {}
        for at_level, at, hashes in appender.add(b"".join([tree.leaf_hash(one) for one in self.entries])):
            tiles[at_level, at] = hashes
        return tiles[level, number][: 32 * width]

    def root(self, size: int) -> bytes:
        return tree.root_of([tree.leaf_hash(one) for one in self.entries[:size]])

    def note(self, size: int | None = None, now_s: int = NOW_S) -> Note:
        """A checkpoint, signed with all keys."""
        count = len(self.entries) if size is None else size
        text = Checkpoint(self.origin, count, self.root(count)).text
        return Note(text, tuple(sign_note(key, text, now_s) for key in self.keys))

    def request(self, old: int, size: int | None = None, now_s: int = NOW_S) -> bytes:
        """The body of add-checkpoint."""
        count = len(self.entries) if size is None else size
        return Request(old, tuple(tree.consistency(min(old, count), count, self.read)), self.note(count, now_s)).format()

    def publish(self, directory: Path, size: int | None = None, now_s: int = NOW_S) -> Path:
        """Writes checkpoint, tiles and entry bundles."""
        count = len(self.entries) if size is None else size
        appender = Appender(0, ())
        tiles = appender.add(b"".join([tree.leaf_hash(one) for one in self.entries[:count]]))
        files = {paths.tile(level, number, len(hashes) // 32): hashes for level, number, hashes in tiles}
        for number in range(-(-count // WIDTH)):
            width = tile_width(count, 0, number)
            files[paths.entries(number, width)] = paths.encode_bundle(self.entries[number * WIDTH : number * WIDTH + width])
        files[paths.CHECKPOINT] = self.note(count, now_s).format()
        for path, content in files.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(content)
        return directory
