"""What a witness keeps, all in one folder: its keys, the logs that it watches, and of each the largest tree that it cosigned.

    witness.keys      private keys, one a line; mode 0600
    logs/HASH/log     the log's keys and address; HASH is the SHA-256 of its origin
    logs/HASH/high    size and root of the largest tree that was cosigned
    logs/HASH/latest  its checkpoint, with the log's signatures and the witness's
    logs/HASH/mirror/ tiles, entries and checkpoint, as the log has them
    evidence/         pairs of notes that contradict each other

The folder must never be put back from a backup: an older one would cosign a second history. Where its files disagree, or one that must be
there is missing, nothing is signed any more (StateDoubtful); a new witness under another name is the way out.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from hub.domain.errors import HubError
from hub.durable import whole
from hub.file_lock import locks
from hub.tlog import note, tree
from hub.tlog.algorithms import ED25519_COSIGNATURE, ML_DSA_44
from hub.tlog.cosignatures import check_note
from hub.tlog.note import Checkpoint, CheckpointRefused, Note, NoteRefused, SignerKey, VerifierKey, decimal, decode64, encode64
from hub.tlog.policy import LOG_KINDS, LogSignatureMissing, LogUnknown, Party

KINDS = (ED25519_COSIGNATURE, ML_DSA_44)
MIRROR = "/mirror"
_KEYS, _LOGS, _LOG, _HIGH, _LATEST = "witness.keys", "logs", "log", "high", "latest"


class FolderMissing(HubError):
    """There is no witness in this folder; `hub witness init` makes one."""


class FolderTaken(HubError):
    """The folder has a witness already; take another one."""


class FolderBusy(HubError):
    """Another process works in this folder; end it first."""


class KeysOpen(HubError):
    """Others can read the witness's keys; set the file's mode to 0600."""


class LogKnown(HubError):
    """The witness watches a log of this origin already."""


class LogKeyUnfit(HubError):
    """The keys are not those of one log: each has the log's origin as name and a kind for logs."""


class StateDoubtful(HubError):
    """What the witness cosigned is not certain, so it signs nothing; make a new one under a new name."""


class High(NamedTuple):
    """The largest tree of a log that was cosigned; size 0 before the first."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class WatchedLog:
    """A log that a witness watches: its keys, its address ("" where nobody fetches from it), and where its files are."""

    origin: str
    parties: tuple[Party, ...]
    directory: Path

    @property
    def url(self) -> str:
        """Where its tiles are."""
        return next((party.url for party in self.parties if party.url), "")

    @property
    def mirror(self) -> Path:
        """Where its mirror is."""
        return self.directory / "mirror"

    def check_signed(self, signed: Note) -> int:
        """Checks that this log signed and returns when, 0 if it does not say; raises SignatureWrong, LogSignatureMissing."""
        found = [check_note(signed, party.key) for party in self.parties if signed.of(party.key)]
        if not found:
            raise LogSignatureMissing(f"Its origin is {self.origin}.")
        return max(one.signed_s for one in found)

    def signatures(self, signed: Note) -> Note:
        """Returns the note with the log's own lines alone."""
        return Note(signed.text, tuple(line for party in self.parties for line in signed.of(party.key)))


@dataclass(frozen=True, slots=True)
class Folder:
    """An opened folder; *keys* cosign as a witness, *mirror_keys* as a mirror."""

    path: Path
    keys: tuple[SignerKey, ...]
    mirror_keys: tuple[SignerKey, ...]

    @property
    def name(self) -> str:
        """The witness's name."""
        return self.keys[0].name

    @property
    def evidence(self) -> Path:
        """Where notes that contradict each other are kept."""
        return self.path / "evidence"

    def add_log(self, lines: Sequence[str], url: str) -> WatchedLog:
        """Begins to watch a log, from size 0; raises KeyRefused, LogKeyUnfit, LogKnown."""
        keys = log_keys(lines)
        directory = self._of(keys[0].name)
        if directory.exists():
            raise LogKnown(keys[0].name)
        # The description comes last: a log without it was never watched.
        write(directory / _HIGH, _high_text(High(0, tree.EMPTY_ROOT)))
        write(directory / _LOG, "".join([f"{key.text} {url}".rstrip() + "\n" for key in keys]).encode())
        return self.log(keys[0].name)

    def change_log_keys(self, lines: Sequence[str]) -> WatchedLog:
        """Has other keys count for a log that is watched; raises KeyRefused, LogKeyUnfit, LogUnknown.

        Raises LogSignatureMissing where none of them signed what was cosigned last: the witness would not know its own log any more.
        """
        keys = log_keys(lines)
        log = self.log(keys[0].name)
        changed = replace(log, parties=tuple(Party(key, log.url) for key in keys))
        if (latest := self.latest(log)) is not None:
            changed.check_signed(latest)
        write(log.directory / _LOG, "".join([f"{key.text} {log.url}".rstrip() + "\n" for key in keys]).encode())
        return changed

    def log(self, origin: str) -> WatchedLog:
        """Returns a log that is watched; raises LogUnknown."""
        directory = self._of(origin)
        if not (directory / _LOG).exists():
            raise LogUnknown(f"Its origin is {origin}.")
        return _read_log(directory)

    def logs(self) -> list[WatchedLog]:
        """Returns all logs that are watched, by origin."""
        found = [_read_log(path.parent) for path in (self.path / _LOGS).glob(f"*/{_LOG}")]
        return sorted(found, key=lambda log: log.origin)

    def high(self, log: WatchedLog) -> High:
        """Returns the largest tree that was cosigned; raises StateDoubtful."""
        try:
            high = _read_high((log.directory / _HIGH).read_bytes())
            latest = self.latest(log)
            head = High(0, tree.EMPTY_ROOT) if latest is None else self._own_head(log, latest)
        except (OSError, HubError) as problem:
            raise StateDoubtful(f"{log.directory}: {problem}") from None
        # A crash between the two leaves `latest` further on, never `high`.
        if head.size < high.size or (head.size == high.size and head.root != high.root):
            raise StateDoubtful(f"{log.directory}: size {head.size} is in latest and {high.size} in high.")
        return head

    def _own_head(self, log: WatchedLog, latest: Note) -> High:
        head = Checkpoint.parse(latest.text)
        for key in self.keys:
            check_note(latest, key.verifier)
        log.check_signed(latest)
        if head.origin != log.origin:
            raise CheckpointRefused(f"its origin is {head.origin}.")
        return High(head.size, head.root)

    def latest(self, log: WatchedLog) -> Note | None:
        """Returns the last checkpoint that was cosigned, None before the first; raises NoteRefused."""
        path = log.directory / _LATEST
        return note.parse(path.read_bytes()) if path.exists() else None

    def store(self, log: WatchedLog, cosigned: Note) -> None:
        """Keeps a checkpoint with its cosignatures, on disk before it returns."""
        head = Checkpoint.parse(cosigned.text)
        write(log.directory / _LATEST, cosigned.format())
        write(log.directory / _HIGH, _high_text(High(head.size, head.root)))

    @contextmanager
    def alone(self, purpose: str) -> Iterator[None]:
        """Keeps other processes from doing the same work in this folder; raises FolderBusy."""
        descriptor = os.open(self.path / f".{purpose}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not locks(descriptor):
                raise FolderBusy(f"{self.path}: {purpose}")
            yield
        finally:
            os.close(descriptor)

    def _of(self, origin: str) -> Path:
        return self.path / _LOGS / origin_hash(origin)


def origin_hash(origin: str) -> str:
    """Returns what a log's pages are found under: the SHA-256 of its origin."""
    return sha256(origin.encode()).hexdigest()


def log_keys(lines: Sequence[str]) -> list[VerifierKey]:
    """Reads the keys of one log, also as the lines of a policy (`log KEY ADDRESS`); raises KeyRefused, LogKeyUnfit."""
    keys = [VerifierKey.parse(line.split()[1] if line.startswith("log ") and line.split()[1:] else line) for line in lines]
    if not keys or {key.name for key in keys} != {keys[0].name} or any(key.kind not in LOG_KINDS for key in keys):
        raise LogKeyUnfit()
    return keys


def make(path: Path, name: str) -> Folder:
    """Makes a witness with fresh keys; raises FolderTaken, KeyRefused."""
    if (path / _KEYS).exists():
        raise FolderTaken(str(path))
    keys = [SignerKey.make(name + suffix, kind) for suffix in ("", MIRROR) for kind in KINDS]
    write(path / _KEYS, "".join([f"{key.text}\n" for key in keys]).encode())
    (path / _LOGS).mkdir(exist_ok=True, mode=0o700)
    return opened(path)


def opened(path: Path) -> Folder:
    """Opens a witness's folder; raises FolderMissing, KeysOpen, KeyRefused."""
    file = path / _KEYS
    if not file.exists():
        raise FolderMissing(str(path))
    if file.stat().st_mode & 0o077:
        raise KeysOpen(str(file))
    keys = [SignerKey.parse(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return Folder(path, tuple(keys[: len(KINDS)]), tuple(keys[len(KINDS) :]))


def write(path: Path, content: bytes) -> None:
    """Writes a file whole, on disk before it returns."""
    with whole(path) as file:
        file.write(content)


def _high_text(high: High) -> bytes:
    return f"{high.size}\n{encode64(high.root)}\n".encode()


def _read_high(content: bytes) -> High:
    size, root, *rest = [*content.decode("ascii", "replace").split("\n"), ""][:3]
    number, found = decimal(size), decode64(root)
    if number is None or found is None or len(found) != tree.HASH or any(rest):
        raise CheckpointRefused("high is not a size and a root.")
    return High(number, found)


def _read_log(directory: Path) -> WatchedLog:
    parties = []
    for line in (directory / _LOG).read_text(encoding="utf-8").splitlines():
        key, _, url = line.partition(" ")
        parties.append(Party(VerifierKey.parse(key), url))
    if not parties:
        raise NoteRefused(f"{directory / _LOG} is empty.")
    return WatchedLog(parties[0].key.name, tuple(parties), directory)
