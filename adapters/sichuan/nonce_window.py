"""The nonce window: a message number is taken once, and a message may be at most five minutes off.

Numbers are remembered in a small SQLite file, so that a restart opens no hole, and forgotten when the timestamp alone
would refuse them. A number is remembered after its request was handled: a crash before that lets the province send
again, and the outbox knows whether the fact was taken already. For the same reason a commit lost in a power cut does
no harm, and the file is not flushed at every one.
"""

import sqlite3
import threading
from datetime import datetime, timedelta
from pathlib import Path

from adapters.kit.private_files import private_file
from adapters.kit.values import read_time, to_utc
from adapters.sichuan.replies import MessageRepeated, ParameterInvalid

WINDOW = timedelta(seconds=300)


def read_local(text: str) -> datetime:
    """Returns the UTC instant of a local time `yyyyMMddHHmmss` without zone; raises ValueError."""
    return to_utc(read_time(text, "%Y%m%d%H%M%S"))


class NonceWindow:
    """The message numbers seen inside the window, per sender."""

    def __init__(self, path: Path) -> None:
        """Opens the file at *path*, making it on first use."""
        self._lock = threading.Lock()
        self._db = sqlite3.connect(private_file(path), isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "CREATE TABLE IF NOT EXISTS seen (app_id TEXT, msg_id TEXT, expires_at REAL NOT NULL,"
            " PRIMARY KEY (app_id, msg_id)) WITHOUT ROWID;"
            "CREATE INDEX IF NOT EXISTS seen_expires_at ON seen (expires_at);"
        )

    def check(self, app_id: str, msg_id: str, timestamp: str, now: datetime) -> None:
        """Raises MessageRepeated for a message too old, too far ahead or seen before, ParameterInvalid for no time at all."""
        try:
            sent_at = read_local(timestamp)
        except ValueError as error:
            raise ParameterInvalid("timestamp") from error
        if abs(now - sent_at) > WINDOW:
            raise MessageRepeated("timestamp 与本机时间相差超过 300 秒")
        with self._lock:
            seen = self._db.execute("SELECT 1 FROM seen WHERE app_id = ? AND msg_id = ?", (app_id, msg_id)).fetchone()
        if seen:
            raise MessageRepeated("msgId 已使用")

    def remember(self, app_id: str, msg_id: str, now: datetime) -> None:
        """Takes the number, and forgets those that no timestamp can bring back."""
        # A message may be stamped five minutes ahead, so it stays acceptable for up to twice the window.
        expires_at = (now + 2 * WINDOW).timestamp()
        with self._lock:
            self._db.execute("DELETE FROM seen WHERE expires_at < ?", (now.timestamp(),))
            self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", (app_id, msg_id, expires_at))

    def count(self) -> int:
        """Returns how many numbers are remembered."""
        with self._lock:
            (count,) = self._db.execute("SELECT count(*) FROM seen").fetchone()
        return int(count)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()
