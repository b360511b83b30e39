"""What the adapter must still know of rows that have left its outbox: under which number each was sent, how many lines a file had.

A later sending of a file names the events that it corrects. Fingerprints of each answer are kept, never the answer itself, which names a
person. The tables are in the outbox's own file, so that neither is lost or restored without the other; what a crash keeps out of them is
found again when the same file is read again, because source keys do not change.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from adapters.bank.errors import AckCode, FileRefused
from adapters.bank.return_file import VerifiedFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS bank_answer (
    identity TEXT, content BLOB NOT NULL, sequence INTEGER NOT NULL, file_name TEXT NOT NULL, PRIMARY KEY (identity, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bank_file (
    file_name TEXT PRIMARY KEY, sendings INTEGER NOT NULL, line_count INTEGER NOT NULL, digest BLOB NOT NULL
) WITHOUT ROWID;
"""


class Answer(NamedTuple):
    """One answer of the bank: which it is, what it said, its number, and the file it came with."""

    identity: str
    content: bytes
    sequence: int
    file_name: str


def fingerprint(text: str) -> bytes:
    """Returns the SM3 of a line."""
    return hashlib.new("sm3", text.encode()).digest()


class Ledger:
    """The answers and files that were taken; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Opens the tables in the outbox's file at *path*, which the outbox has made."""
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        # FULL: a file leaves the inbox on the strength of what is written here.
        self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; {SCHEMA}")

    def answers(self, identity: str) -> list[Answer]:
        """Returns what was sent under *identity*, in order; the last one counts."""
        with self._lock:
            rows = self._db.execute(
                "SELECT identity, content, sequence, file_name FROM bank_answer WHERE identity = ? ORDER BY sequence", (identity,)
            )
            return [Answer(*row) for row in rows]

    def remember(self, answers: Iterable[Answer]) -> None:
        """Keeps answers; one that is known already stays as it is."""
        with self._lock, self._db:
            self._db.executemany("INSERT OR IGNORE INTO bank_answer VALUES (?, ?, ?, ?)", list(answers))

    def admit(self, file: VerifiedFile, digest: bytes) -> int:
        """Takes note of *file* and returns which sending it is; raises FileRefused where it has fewer lines than the one before.

        A later sending may change lines and add lines. A line that is gone says nothing of what happened.
        """
        name = file.name.text
        with self._lock, self._db:
            row = self._db.execute("SELECT sendings, line_count, digest FROM bank_file WHERE file_name = ?", (name,)).fetchone()
            sendings, lines, known = row or (0, 0, b"")
            if file.count < lines:
                raise FileRefused(AckCode.LINES_MISSING, "补发笔数少于原文件")
            sendings += known != digest
            self._db.execute("INSERT OR REPLACE INTO bank_file VALUES (?, ?, ?, ?)", (name, sendings, file.count, digest))
        return int(sendings)

    def close(self) -> None:
        """Closes the file; everything remembered is in it already."""
        with self._lock:
            self._db.close()
