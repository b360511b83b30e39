"""What the adapter must still know of facts that have left its outbox: under which number each was sent.

A correction or a reversal names the event it changes, a re-sent file is compared with the one before, and a 流水号 that
comes again must come with the same call. So a fingerprint of each fact's identity, a fingerprint of what it said, and
its sequence are kept for good; never the fact itself, which names a person. The tables are in the outbox's own file,
so that neither is lost or restored without the other. They are written after the outbox: what a crash keeps out of
them is found again when the same file is read again, because source keys do not change.
"""

import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from adapters.chongqing.errors import AckCode, FileRefused, SerialReused
from adapters.chongqing.usage_file import VerifiedFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (
    identity TEXT, file_id TEXT, version TEXT, seq INTEGER, content BLOB NOT NULL, sequence INTEGER NOT NULL,
    txn_type TEXT NOT NULL, PRIMARY KEY (identity, file_id, version, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (
    file_id TEXT PRIMARY KEY, version TEXT NOT NULL, line_count INTEGER NOT NULL, digest TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS call (
    serial TEXT PRIMARY KEY, content BLOB NOT NULL, taken_at REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line that became an event: which fact it is about, its place, what it said, and its sequence."""

    identity: str
    file_id: str
    version: str
    seq: int
    content: bytes
    sequence: int
    txn_type: str


class Ledger:
    """The facts, files and calls that were taken; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Opens the tables in the outbox's file at *path*, which the outbox has made."""
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        # FULL: a file leaves the inbox on the strength of what is written here.
        self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; {SCHEMA}")
        if "taken_at" not in [column[1] for column in self._db.execute("PRAGMA table_info(call)")]:
            # A file of an earlier release: when its calls came is not known, which is long ago.
            self._db.execute("ALTER TABLE call ADD COLUMN taken_at REAL NOT NULL DEFAULT 0")

    def facts(self, identity: str) -> list[Fact]:
        """Returns what was sent under *identity*, in order; the last one counts."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM fact WHERE identity = ? ORDER BY sequence", (identity,)).fetchall()
        return [Fact(*row) for row in rows]

    def remember(self, facts: Iterable[Fact]) -> None:
        """Keeps *facts*; one that is known already stays as it is."""
        rows = [tuple(getattr(fact, column) for column in Fact.__slots__) for fact in facts]
        with self._lock, self._db:
            self._db.executemany("INSERT OR IGNORE INTO fact VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def admit(self, file: VerifiedFile) -> None:
        """Takes note of *file*; raises FileRefused when it cannot follow what was taken under its number.

        A re-send may change lines and add lines. It may not drop any: a line that is gone says nothing about what
        happened, a reversal does.
        """
        header = file.header
        with self._lock, self._db:
            seen = self._db.execute("SELECT version, line_count, digest FROM file WHERE file_id = ?", (header.file_id,)).fetchone()
            version, line_count, digest = seen or ("", 0, "")
            if header.version < version:
                raise FileRefused(AckCode.VERSION, "该文件号已收到更高版本")
            if header.version == version and file.digest != digest:
                raise FileRefused(AckCode.CONTENT_CHANGED, "同一版本内容不同，补发须版本加一")
            if file.count < line_count:
                raise FileRefused(AckCode.CONTENT_CHANGED, "补发笔数少于原文件")
            self._db.execute(
                "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)",
                (header.file_id, header.version, file.count, file.digest),
            )

    def admit_call(self, serial: str, content: bytes, now_s: float) -> float:
        """Takes note of a call and returns when it first came, in seconds since 1970, as *now_s*.

        Raises SerialReused when its 流水号 came before with another content.
        """
        with self._lock, self._db:
            seen = self._db.execute("SELECT content, taken_at FROM call WHERE serial = ?", (serial,)).fetchone()
            if seen and seen[0] != content:
                raise SerialReused("流水号已用于另一笔业务")
            self._db.execute("INSERT OR IGNORE INTO call VALUES (?, ?, ?)", (serial, content, now_s))
        return float(seen[1]) if seen else now_s

    def close(self) -> None:
        """Closes the file; everything remembered is in it already."""
        with self._lock:
            self._db.close()
