"""Keys of receipts as they are on record, and the receipt of a batch made again from the journal.

A receipt is not stored. All that it says is in the journal: the numbers and positions of its batch, when it was recorded, and the digest of
the events as they were sent, which the last of them keeps. The same key signs the same text with the same bytes.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2, receipts_pb2

from hub.domain.errors import ReceiptNotFound
from hub.domain.receipt_book import BOOK
from hub.trust.batch_texts import ReceiptSays, receipt_text
from hub.trust.receipt_keys import ReceiptKeys

# A batch has so many events at most, so that its last one is not further from any other.
_BATCH_EVENTS = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class KnownKey(NamedTuple):
    """A key of receipts on record: *valid_until* None is one that is in force."""

    key_id: str
    algorithm: int
    public_key: bytes
    valid_from: datetime
    valid_until: datetime | None


class Given(NamedTuple):
    """A receipt: its text, the key and the signature; what the sender signed; and the position of the event that keeps both."""

    text: str
    key_id: str
    signature: bytes
    sent: receipts_pb2.SentBatch
    position: int


def log_origin(connection: psycopg.Connection, log_name: str) -> str:
    """Returns the name of the log's incarnation in force; where none has begun yet, that of the first under a name."""
    row = connection.execute("SELECT origin FROM tlog.incarnation ORDER BY incarnation DESC LIMIT 1").fetchone()
    return f"{log_name}/1" if row is None else str(row[0])


def known_keys(connection: psycopg.Connection) -> list[KnownKey]:
    """Returns the keys on record, in the order in which they were taken up."""
    found: dict[str, KnownKey] = {}
    for recorded_at, data in connection.execute(_BOOK, {"book": str(BOOK)}).fetchall():
        event = event_pb2.Event.FromString(data)
        if event.HasField("receipt_key_taken_up"):
            key = event.receipt_key_taken_up
            found[key.key_id] = KnownKey(key.key_id, key.algorithm, key.public_key, recorded_at, None)
        elif event.HasField("receipt_key_retired"):
            ended = event.receipt_key_retired.key_id
            found[ended] = found[ended]._replace(valid_until=recorded_at)
    return list(found.values())


def opened_after(connection: psycopg.Connection) -> int | None:
    """Returns the position after which the digests of events can be opened, None if they cannot."""
    row = connection.execute(_OPENED, {"book": str(BOOK)}).fetchone()
    return None if row is None else int(row[0])


def receipt_for(connection: psycopg.Connection, keys: ReceiptKeys, origin: str, feed: str, sequence: int) -> Given:
    """Makes the receipt of the batch that an event came in again; raises ReceiptNotFound."""
    end = _end(connection, feed, sequence)
    sent, recorded_us = end.sent, end.recorded_us
    valid = [known for known in known_keys(connection) if known.valid_from <= _EPOCH + timedelta(microseconds=recorded_us)]
    key = keys.of(valid[-1].key_id) if valid else None
    if key is None:
        raise ReceiptNotFound
    positions = _positions(connection, feed, sent.first_sequence, end.last)
    says = ReceiptSays(origin, feed, sent.first_sequence, end.last, positions, recorded_us, sent.events_digest, key.id)
    text = receipt_text(says)
    return Given(text, key.id, key.sign(text), sent, end.position)


class _End(NamedTuple):
    """The last event of a batch as it was sent: where and when it was recorded, its number, and what it keeps of the batch."""

    position: int
    recorded_us: int
    last: int
    sent: receipts_pb2.SentBatch


def _end(connection: psycopg.Connection, feed: str, sequence: int) -> _End:
    rows = connection.execute(_ENDS, {"feed": feed, "sequence": sequence, "most": _BATCH_EVENTS})
    for position, recorded_us, last, data in rows:
        sent = event_pb2.Event.FromString(data).sent_batch
        if sent.events_digest and sent.first_sequence <= sequence:
            return _End(position, recorded_us, last, sent)
    raise ReceiptNotFound


def _positions(connection: psycopg.Connection, feed: str, first: int, last: int) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for begin, end, position in connection.execute(_RUNS, {"feed": feed, "first": first, "last": last}):
        at = position + max(first, begin) - begin
        until = at + min(last, end) - max(first, begin)
        if runs and runs[-1][1] + 1 == at:
            runs[-1] = (runs[-1][0], until)
        else:
            runs.append((at, until))
    return runs


_BOOK = """
    SELECT e.recorded_at, e.data FROM journal.stream s JOIN journal.batch b USING (stream_id)
    JOIN journal.event e ON e.position BETWEEN b.first_position AND b.first_position + b.last_sequence - b.first_sequence
    WHERE s.name = %(book)s ORDER BY e.sequence"""
_OPENED = """
    SELECT e.position FROM journal.stream s JOIN journal.batch b USING (stream_id)
    JOIN journal.event e ON e.position BETWEEN b.first_position AND b.first_position + b.last_sequence - b.first_sequence
    WHERE s.name = %(book)s AND e.kind = 'digests_opened' ORDER BY e.sequence LIMIT 1"""
# The last events of the batches from that of a number on, as far as the end of what came with it can be.
_ENDS = """
    SELECT e.position, (extract(epoch FROM e.recorded_at) * 1000000)::bigint, b.last_sequence, e.data
    FROM journal.stream s JOIN journal.batch b USING (stream_id)
    JOIN journal.event e ON e.position = b.first_position + b.last_sequence - b.first_sequence
    WHERE s.name = %(feed)s AND s.is_feed AND b.last_sequence >= %(sequence)s AND b.last_sequence < %(sequence)s + %(most)s
      AND b.first_sequence > %(sequence)s - %(most)s AND b.first_sequence < %(sequence)s + %(most)s
    ORDER BY b.first_sequence"""
_RUNS = """
    SELECT b.first_sequence, b.last_sequence, b.first_position FROM journal.stream s JOIN journal.batch b USING (stream_id)
    WHERE s.name = %(feed)s AND s.is_feed AND b.last_sequence >= %(first)s AND b.first_sequence <= %(last)s
      AND b.first_sequence > %(first)s - 500
    ORDER BY b.first_sequence"""
