"""Durable numbering for systems that cannot number: an event gets its sequence here, once, before anyone is answered.

One SQLite file holds several feeds. It owns three facts: the next sequence of each feed, which source key got which
sequence (kept for good, so that a message sent twice is one event), and the bytes not yet acknowledged by the hub
(deleted on acknowledgement), each with the trace it came from. Which numbers the hub quarantined is kept for good, too: a message that
comes again is answered as it was; so are the hub's receipts, which say nothing of events. It never renumbers by itself and drops bytes
only when it is asked to. What it drops is gone: overwritten in the file, and in SQLite's log within seconds.
"""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from adapters.kit.errors import HubBehind, OutboxDamaged, OutboxLost
from adapters.kit.kept import KEPT_SCHEMA, forget_sent, keep_keys, keep_receipt, keep_sent
from adapters.kit.private_files import close_to_others, private_file
from adapters.kit.proofs import HubKey

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS feed (
    feed TEXT PRIMARY KEY, next_sequence INTEGER NOT NULL, acknowledged_sequence INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS source (
    feed TEXT NOT NULL, source_key TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (feed, source_key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    feed TEXT NOT NULL, sequence INTEGER NOT NULL, source_key TEXT NOT NULL, event BLOB NOT NULL, trace_parent TEXT,
    PRIMARY KEY (feed, sequence)
);
CREATE TABLE IF NOT EXISTS quarantined (
    feed TEXT NOT NULL, sequence INTEGER NOT NULL, rules TEXT NOT NULL, PRIMARY KEY (feed, sequence)
) WITHOUT ROWID;
"""
    + KEPT_SCHEMA
)
# The hub takes batches of up to 1 MiB; what the request adds is a few bytes an event, and 64 trace parents.
MAX_BATCH_BYTES = 1_000_000
# Each cleaning is two flushes to disk, so not one an acknowledgement.
CLEAN_EVERY_S = 1.0


@dataclass(frozen=True)
class FeedState:
    """How far one feed is: what the next event will be numbered and what the hub has taken."""

    next_sequence: int
    acknowledged_sequence: int

    @property
    def pending_count(self) -> int:
        """Returns how many events wait for the hub."""
        return self.next_sequence - 1 - self.acknowledged_sequence


class Origin(NamedTuple):
    """Which trace pending events come from, and where those among them begin and end; others may be between them."""

    trace_parent: str
    first_sequence: int
    last_sequence: int


class Outbox:
    """The numbered events of a province that the hub has not acknowledged yet; safe to use from several threads."""

    def __init__(self, path: Path, keep_sent_days: int = 0) -> None:
        """Opens the file at *path*, making it on first use with access for its owner only.

        With *keep_sent_days* what the hub has acknowledged is kept for as long, in clear, so that it can be compared with the log.
        """
        private_file(path)
        # What SQLite adds beside it gets the file's mode when it is made; an older adapter's may be wider.
        for beside in path.parent.glob(f"{path.name}-*"):
            close_to_others(beside)
        self._lock, self._keep_sent_days = threading.Lock(), keep_sent_days
        # Whether bytes of acknowledged events may still be in the log.
        self._has_remains = True
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # FULL: an event is promised to the province once it is here, so the log is flushed at every commit.
        self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; {SCHEMA}")
        with self._transaction() as db:
            columns = [column for _, column, *_ in db.execute("PRAGMA table_info(pending)")]
            if "trace_parent" not in columns:
                # A file of an adapter that kept no traces.
                db.execute("ALTER TABLE pending ADD COLUMN trace_parent TEXT")

        if self._db.execute("PRAGMA user_version").fetchone() == (0,):
            # A file of an adapter that left deleted bytes in free pages.
            self._db.executescript("VACUUM; PRAGMA user_version = 1")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def put(
        self, feed: str, items: Sequence[tuple[str, bytes]], trace_parent: str | None = None, *, is_message: bool = False
    ) -> list[tuple[int, bool]]:
        """Numbers the (source key, event bytes) *items* in order, all or none, and returns (sequence, is new) of each.

        A source key seen before keeps its sequence and is not added again, whatever its bytes say now. Items that are one message are
        known or new together: where the first was seen before, nothing is added, and it alone is returned. *trace_parent* says what
        they come from.
        """
        numbered: list[tuple[int, bool]] = []
        with self._transaction() as db:
            state = _state(db, feed)
            next_sequence = state.next_sequence
            for source_key, event in items:
                seen = db.execute("SELECT sequence FROM source WHERE feed = ? AND source_key = ?", (feed, source_key)).fetchone()
                if seen:
                    numbered.append((seen[0], False))
                    if is_message and len(numbered) == 1:
                        break
                    continue
                db.execute("INSERT INTO source VALUES (?, ?, ?)", (feed, source_key, next_sequence))
                db.execute(
                    "INSERT INTO pending (feed, sequence, source_key, event, trace_parent) VALUES (?, ?, ?, ?, ?)",
                    (feed, next_sequence, source_key, event, trace_parent),
                )
                numbered.append((next_sequence, True))
                next_sequence += 1
            _store(db, feed, FeedState(next_sequence, state.acknowledged_sequence))
        return numbered

    def pending(self, feed: str, from_sequence: int, limit: int) -> list[tuple[int, bytes]]:
        """Returns up to *limit* unacknowledged (sequence, event bytes) in order, fewer where they are large."""
        with self._lock:
            rows = self._db.execute(
                "SELECT sequence, event FROM pending WHERE feed = ? AND sequence >= ? ORDER BY sequence LIMIT ?",
                (feed, from_sequence, limit),
            ).fetchall()
        size, kept = 0, 0
        for _, event in rows:
            size += len(event)
            if kept and size > MAX_BATCH_BYTES:
                break
            kept += 1
        return rows[:kept]

    def origins(self, feed: str, first_sequence: int, last_sequence: int) -> list[Origin]:
        """Returns the traces that pending events come from, in order of their first event."""
        with self._lock:
            rows = self._db.execute(
                "SELECT trace_parent, min(sequence), max(sequence) FROM pending WHERE feed = ? AND sequence BETWEEN ? AND ?"
                " AND trace_parent IS NOT NULL GROUP BY trace_parent ORDER BY min(sequence)",
                (feed, first_sequence, last_sequence),
            ).fetchall()
        return [Origin(*row) for row in rows]

    def acknowledge(
        self, feed: str, through_sequence: int, quarantined: Mapping[int, Sequence[str]] | None = None, receipt: str = ""
    ) -> None:
        """Drops the bytes up to and including *through_sequence*; keeps which the hub *quarantined* by what rules, and its *receipt*.

        An acknowledgement heard twice changes nothing. Raises OutboxDamaged for a number that was never handed out.
        """
        with self._transaction() as db:
            state = _state(db, feed)
            if through_sequence >= state.next_sequence:
                raise OutboxDamaged(f"feed {feed}: acknowledged {through_sequence}, handed out up to {state.next_sequence - 1}")
            if through_sequence > state.acknowledged_sequence:
                rows = [(feed, sequence, json.dumps(list(rules))) for sequence, rules in (quarantined or {}).items()]
                db.executemany("INSERT OR REPLACE INTO quarantined VALUES (?, ?, ?)", rows)
                if receipt:
                    keep_receipt(db, receipt)
                if self._keep_sent_days:
                    keep_sent(db, feed, through_sequence)
                db.execute("DELETE FROM pending WHERE feed = ? AND sequence <= ?", (feed, through_sequence))
                _store(db, feed, FeedState(state.next_sequence, through_sequence))
                self._has_remains = True

    def keep_keys(self, keys: dict[str, HubKey]) -> None:
        """Keeps the keys of the hub that receipts are signed with."""
        with self._transaction() as db:
            keep_keys(db, keys)

    def keep_receipt(self, receipt: str) -> None:
        """Keeps the receipt of a batch that did not come from here, such as one of a file."""
        with self._transaction() as db:
            keep_receipt(db, receipt)

    def clean(self) -> None:
        """Empties SQLite's log, in which acknowledged events can still be read after they were deleted from the file itself."""
        with self._lock:
            if self._has_remains:
                forget_sent(self._db, self._keep_sent_days)
                busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._has_remains = bool(busy)

    async def keep_clean(self) -> None:
        """Cleans every CLEAN_EVERY_S until cancelled; a file that cannot be written now may be once there is room."""
        while True:
            await asyncio.sleep(CLEAN_EVERY_S)
            with suppress(sqlite3.OperationalError):
                await asyncio.to_thread(self.clean)

    def quarantined(self, feed: str, sequences: Sequence[int]) -> dict[int, list[str]]:
        """Returns which of *sequences* the hub quarantined, with the rules they break."""
        with self._lock:
            rows = self._db.execute(
                "SELECT sequence, rules FROM quarantined WHERE feed = ? AND sequence IN (SELECT value FROM json_each(?)) ORDER BY sequence",
                (feed, json.dumps(list(sequences))),
            ).fetchall()
        return {sequence: json.loads(rules) for sequence, rules in rows}

    def newest_quarantined(self, feed: str, most: int) -> dict[int, list[str]]:
        """Returns the highest *most* sequences that the hub quarantined, in order, with the rules they break."""
        with self._lock:
            rows = self._db.execute(
                "SELECT sequence, rules FROM quarantined WHERE feed = ? ORDER BY sequence DESC LIMIT ?", (feed, most)
            ).fetchall()
        return {sequence: json.loads(rules) for sequence, rules in reversed(rows)}

    def check_pair(self, feed: str, hub_next_sequence: int) -> FeedState:
        """Returns how far *feed* is, if a hub that expects *hub_next_sequence* can be the one it was sent to.

        Raises OutboxLost when the hub has more than was handed out, HubBehind when it has less than it acknowledged.
        """
        state = self.state(feed)
        facts = f"feed {feed}: hub expects {hub_next_sequence}, outbox {state}"
        if hub_next_sequence > state.next_sequence:
            raise OutboxLost(facts)
        if hub_next_sequence <= state.acknowledged_sequence:
            raise HubBehind(facts)
        return state

    def continue_at(self, feed: str, sequence: int) -> None:
        """Numbers whatever waits in *feed* from *sequence* on, as an operator orders after the outbox was lost.

        An event that the hub had taken before the loss may then be recorded twice: twice can be seen, never cannot.
        """
        with self._transaction() as db:
            rows = db.execute("SELECT source_key, event, trace_parent FROM pending WHERE feed = ? ORDER BY sequence", (feed,)).fetchall()
            db.execute("DELETE FROM pending WHERE feed = ?", (feed,))
            # Numbers that are handed out again say nothing of what had them before.
            db.execute("DELETE FROM quarantined WHERE feed = ? AND sequence >= ?", (feed, sequence))
            db.execute("DELETE FROM sent WHERE feed = ? AND sequence >= ?", (feed, sequence))
            for number, (source_key, event, trace_parent) in enumerate(rows, sequence):
                db.execute(
                    "INSERT INTO pending (feed, sequence, source_key, event, trace_parent) VALUES (?, ?, ?, ?, ?)",
                    (feed, number, source_key, event, trace_parent),
                )
                db.execute("UPDATE source SET sequence = ? WHERE feed = ? AND source_key = ?", (number, feed, source_key))
            _store(db, feed, FeedState(sequence + len(rows), sequence - 1))

    def state(self, feed: str) -> FeedState:
        """Returns how far *feed* is; a feed never used is at its beginning."""
        with self._lock:
            return _state(self._db, feed)

    def close(self) -> None:
        """Closes the file; everything put is on disk already."""
        with self._lock:
            self._db.close()


def _state(db: sqlite3.Connection, feed: str) -> FeedState:
    row = db.execute("SELECT next_sequence, acknowledged_sequence FROM feed WHERE feed = ?", (feed,)).fetchone()
    return FeedState(*row) if row else FeedState(1, 0)


def _store(db: sqlite3.Connection, feed: str, state: FeedState) -> None:
    db.execute("INSERT OR REPLACE INTO feed VALUES (?, ?, ?)", (feed, state.next_sequence, state.acknowledged_sequence))
