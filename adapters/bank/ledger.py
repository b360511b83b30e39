"""What the adapter must still know of rows that have left its outbox: under which number each was sent, how many lines a file had.

A later sending of a file names the events that it corrects. Fingerprints of each answer are kept, never the answer itself, which names a
person. The tables are in the outbox's own file, so that neither is lost or restored without the other. An answer is noted before its event
goes to the outbox and gets its number after that: whether it went is found by its source key, whatever crash was between.
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
CREATE TABLE IF NOT EXISTS bank_line (
    source_key TEXT PRIMARY KEY, file_name TEXT NOT NULL, bank TEXT NOT NULL, batch_no TEXT NOT NULL, row_no INTEGER NOT NULL,
    serial TEXT NOT NULL, is_paid INTEGER NOT NULL, content BLOB NOT NULL, sequence INTEGER NOT NULL, corrects INTEGER NOT NULL,
    is_last INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS bank_line_file ON bank_line (file_name) WHERE is_last;
CREATE INDEX IF NOT EXISTS bank_line_serial ON bank_line (bank, serial) WHERE is_last;
CREATE INDEX IF NOT EXISTS bank_line_number ON bank_line (sequence);
CREATE TABLE IF NOT EXISTS bank_file (
    file_name TEXT PRIMARY KEY, sendings INTEGER NOT NULL, line_count INTEGER NOT NULL, digest BLOB NOT NULL
) WITHOUT ROWID;
"""

_OF_FILE = """
SELECT source_key, file_name, bank, batch_no, row_no, serial, is_paid, content, sequence, corrects
FROM bank_line WHERE is_last AND file_name = ? ORDER BY sequence
"""
_OF_SERIAL = """
SELECT source_key, file_name, bank, batch_no, row_no, serial, is_paid, content, sequence, corrects
FROM bank_line WHERE is_last AND bank = ? AND serial = ? ORDER BY sequence
"""


class Answer(NamedTuple):
    """An answer of the bank: its file, the row, batch and serial, what its line said, its number and the one it corrects."""

    source_key: str
    file_name: str
    bank: str
    batch_no: str
    row_no: int
    serial: str
    is_paid: bool
    content: bytes
    sequence: int = 0
    corrects: int = 0


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

    def of_file(self, file_name: str) -> list[Answer]:
        """Returns what counts of a file, in the order of its numbers: each answer as it was corrected last."""
        return self._read(_OF_FILE, file_name)

    def of_serial(self, bank: str, serial: str) -> list[Answer]:
        """Returns what counts of the answers under a serial of a bank, in any file."""
        return self._read(_OF_SERIAL, bank, serial)

    def _read(self, query: str, *values: str) -> list[Answer]:
        with self._lock:
            return [Answer(*row) for row in self._db.execute(query, values)]

    def note(self, answers: Iterable[Answer]) -> None:
        """Keeps answers before their events go to the outbox; none of them counts yet."""
        with self._lock, self._db:
            self._db.executemany("INSERT OR IGNORE INTO bank_line VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", list(answers))

    def settle(self, feed: str) -> None:
        """Gives noted answers the numbers of their events in the outbox, and now they count; those that never went are forgotten."""
        with self._lock, self._db:
            went = self._db.execute(
                "SELECT source.sequence, corrects, source_key FROM bank_line JOIN source USING (source_key) "
                "WHERE bank_line.sequence = 0 AND feed = ?",
                (feed,),
            ).fetchall()
            self._db.executemany(
                "UPDATE bank_line SET is_last = 0 WHERE sequence = ?", ((corrects,) for _, corrects, _ in went if corrects)
            )
            self._db.executemany("UPDATE bank_line SET is_last = 1, sequence = ? WHERE source_key = ?", ((one[0], one[2]) for one in went))
            self._db.execute("DELETE FROM bank_line WHERE sequence = 0")

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
