"""What an outbox keeps of what the hub has acknowledged: its receipts for good, the keys that they were signed with, and for a while, where
the operator wants it, the events themselves.

A receipt has no identifier in it and nothing that could be found by trying: the digest of the events is blinded by a key in another file.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.kit.proofs import HubKey, read

KEPT_SCHEMA = """
CREATE TABLE IF NOT EXISTS receipt (
    feed TEXT NOT NULL, last_sequence INTEGER NOT NULL, first_sequence INTEGER NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (feed, last_sequence, first_sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hub_key (
    key_id TEXT PRIMARY KEY, public BLOB NOT NULL, from_us INTEGER NOT NULL, until_us INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (
    feed TEXT NOT NULL, sequence INTEGER NOT NULL, event BLOB NOT NULL, kept_at INTEGER NOT NULL DEFAULT (unixepoch()),
    PRIMARY KEY (feed, sequence)
);
CREATE INDEX IF NOT EXISTS sent_kept_at ON sent (kept_at);
"""


def keep_receipt(db: sqlite3.Connection, document: str) -> None:
    """Keeps a receipt; of the same numbers the first stays, which says the earliest time."""
    says = read(document)
    db.execute("INSERT OR IGNORE INTO receipt VALUES (?, ?, ?, ?)", (says.feed, says.last, says.first, document))


def keep_sent(db: sqlite3.Connection, feed: str, through_sequence: int) -> None:
    """Keeps events that are pending up to a number."""
    db.execute(
        "INSERT OR REPLACE INTO sent (feed, sequence, event) SELECT feed, sequence, event FROM pending WHERE feed = ? AND sequence <= ?",
        (feed, through_sequence),
    )


def forget_sent(db: sqlite3.Connection, days: int) -> None:
    """Deletes events that have been kept for so many days, all of them for 0."""
    db.execute("DELETE FROM sent WHERE kept_at <= unixepoch() - ?", (days * 86_400,))


def keep_keys(db: sqlite3.Connection, keys: dict[str, HubKey]) -> None:
    """Keeps keys of the hub; one that is known keeps its beginning, and its end once it has one."""
    db.executemany(
        "INSERT INTO hub_key VALUES (?, ?, ?, ?) ON CONFLICT (key_id) DO UPDATE SET until_us = coalesce(until_us, excluded.until_us)",
        [(key_id, key.public, key.from_us, key.until_us) for key_id, key in keys.items()],
    )


class Kept:
    """The receipts in an outbox file, read beside an adapter that runs."""

    def __init__(self, path: Path) -> None:
        """*path* is the outbox."""
        self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)

    def keys(self) -> dict[str, HubKey]:
        """Returns the keys of the hub that receipts were signed with."""
        return {key_id: HubKey(*rest) for key_id, *rest in self._db.execute("SELECT key_id, public, from_us, until_us FROM hub_key")}

    def receipts(self, feeds: Sequence[str] = ()) -> Iterator[str]:
        """Yields the receipts of some feeds, or of all, in order."""
        wanted = f"WHERE feed IN ({','.join('?' * len(feeds))})" if feeds else ""
        rows = self._db.execute(f"SELECT document FROM receipt {wanted} ORDER BY feed, last_sequence, first_sequence", tuple(feeds))  # noqa: S608
        return (document for (document,) in rows)

    def sent(self, feed: str, first: int, last: int) -> list[tuple[int, bytes]]:
        """Returns those of the events of some numbers that are still kept."""
        return self._db.execute(
            "SELECT sequence, event FROM sent WHERE feed = ? AND sequence BETWEEN ? AND ? ORDER BY sequence", (feed, first, last)
        ).fetchall()

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
