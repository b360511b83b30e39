"""Two checkpoints of one log that contradict each other, kept as a file that anybody can check with the log's public keys alone.

A log that signs two of them cannot take that back. The file is JSON: what it is, when it was seen, both notes as they came, and the keys.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from hub.domain.errors import HubError
from hub.tlog import note
from hub.tlog.note import Checkpoint, Note, VerifierKey
from hub.witness.folder import WatchedLog, write

FORMAT = "chuanyu-evidence/1"
# Anybody can send a wrong proof with a checkpoint of the log: more of that says no more, and must not fill the disk.
MOST_UNPROVED = 16


class Kind(StrEnum):
    """How two checkpoints contradict each other; the first three show it by themselves, the last one asks for the log's tiles."""

    SPLIT_VIEW = "split-view"
    ROLLBACK = "rollback"
    FORK = "fork"
    UNPROVED = "unproved-growth"

    @property
    def words(self) -> str:
        """What it is, for people."""
        return _WORDS[self]


_WORDS = {
    Kind.SPLIT_VIEW: "分裂视图：同一大小，两个不同的根。Split view: two roots for one size.",
    Kind.ROLLBACK: "回退：日志在签署较大的树之后又签署了较小的树。Rollback: the log signed a smaller tree after a larger one.",
    Kind.FORK: "分叉：较大的树不以较小的树开头。Fork: the larger tree does not begin with the smaller one.",
    Kind.UNPROVED: (
        "增长未获证明：所附证明不成立，请用镜像核对。Growth without proof: the proof that came does not hold; compare with a mirror."
    ),
}


class EvidenceRefused(HubError):
    """The file is not one of evidence."""


class Evidence(NamedTuple):
    """Both notes of a log, the earlier seen one first."""

    kind: Kind
    origin: str
    seen_s: int
    notes: tuple[Note, Note]
    keys: tuple[str, ...]

    def format(self) -> bytes:
        """Returns the file."""
        seen = datetime.fromtimestamp(self.seen_s, UTC).isoformat().replace("+00:00", "Z")
        fields = {
            "format": FORMAT,
            "kind": self.kind.value,
            "meaning": self.kind.words,
            "origin": self.origin,
            "seen_at": seen,
            "keys": list(self.keys),
            "notes": [one.format().decode() for one in self.notes],
        }
        return json.dumps(fields, ensure_ascii=False, indent=1).encode() + b"\n"


def parse(data: bytes) -> Evidence:
    """Reads such a file; raises EvidenceRefused, NoteRefused, KeyRefused."""
    try:
        fields = json.loads(data)
        first, second = [note.parse(one.encode()) for one in fields["notes"]]
        seen_s = int(datetime.fromisoformat(fields["seen_at"]).timestamp())
        keys = tuple(VerifierKey.parse(one).text for one in fields["keys"])
        if fields["format"] != FORMAT:
            raise EvidenceRefused(f"Its format is {fields['format']}.")
        return Evidence(Kind(fields["kind"]), str(fields["origin"]), seen_s, (first, second), keys)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EvidenceRefused() from None


def contradiction(log: WatchedLog, first: Note, second: Note) -> Kind | None:
    """Says how two notes of the log contradict each other by themselves, None where they do not; raises what `check_signed` raises."""
    heads = Checkpoint.parse(first.text), Checkpoint.parse(second.text)
    times = log.check_signed(first), log.check_signed(second)
    (small, small_s), (large, large_s) = sorted(zip(heads, times, strict=True), key=lambda one: one[0].size)
    if small.size == large.size:
        return Kind.SPLIT_VIEW if small.root != large.root else None
    return Kind.ROLLBACK if large_s and small_s > large_s else None


def keep(directory: Path, log: WatchedLog, kind: Kind, notes: Sequence[Note], now_s: int) -> Path:
    """Writes evidence, once for each pair of texts, and returns the file; of what is unproved only so much, and then the first of it."""
    first, second = [log.signatures(one) for one in notes]
    name = sha256(kind.value.encode() + b"\0" + first.text.encode() + b"\0" + second.text.encode()).hexdigest()[:16]
    path = directory / f"{kind.value}-{name}.json"
    unproved = sorted(directory.glob(f"{Kind.UNPROVED.value}-*.json")) if kind is Kind.UNPROVED else []
    if len(unproved) >= MOST_UNPROVED:
        return path if path in unproved else unproved[0]
    if not path.exists():
        keys = tuple(party.key.text for party in log.parties)
        write(path, Evidence(kind, log.origin, now_s, (first, second), keys).format())
    return path
