"""Keys of receipts as they are on record, and the receipt of a batch made again from the journal.

A receipt is not stored. All that it says is in the journal: the numbers and positions of its batch, when it was recorded, and the digest of
the events as they were sent, which the last of them keeps. The same key signs the same text with the same bytes.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2, receipts_pb2
from google.protobuf.message import DecodeError

from hub.domain.errors import ReceiptNotFound
from hub.domain.receipt_book import BOOK, ReceiptBookAltered
from hub.journal.joins import EVENTS_OF
from hub.journal.reader import events_at
from hub.runs import Run, joined
from hub.trust.batch_texts import ReceiptSays, receipt_text
from hub.trust.receipt_keys import ReceiptKey, ReceiptKeys

# A batch has so many events at most, so that its last one is not further from any other.
_BATCH_EVENTS = 500
_NUMBERS_AT_ONCE = 4_096
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
    """Returns the keys on record, in the order in which they were taken up; raises ReceiptBookAltered where the book cannot be followed."""
    found: dict[str, KnownKey] = {}
    for position, recorded_at, data in connection.execute(_BOOK, {"book": str(BOOK)}).fetchall():
        if not _follow(found, recorded_at, data):
            raise ReceiptBookAltered(f"{position}")
    return list(found.values())


def _follow(found: dict[str, KnownKey], recorded_at: datetime, data: bytes) -> bool:
    """Follows one event of the book, and says whether the hub can have written it: each key begins once, and ends once after that."""
    try:
        event = event_pb2.Event.FromString(data)
    except DecodeError:
        return False
    if event.HasField("receipt_key_taken_up"):
        key = event.receipt_key_taken_up
        is_new = key.key_id not in found
        found[key.key_id] = KnownKey(key.key_id, key.algorithm, key.public_key, recorded_at, None)
        return is_new
    if event.HasField("receipt_key_retired"):
        ended = found.get(event.receipt_key_retired.key_id)
        if ended is None or ended.valid_until is not None:
            return False
        found[ended.key_id] = ended._replace(valid_until=recorded_at)
        return True
    return event.HasField("digests_opened")


def opened_after(connection: psycopg.Connection) -> int | None:
    """Returns the position after which the digests of events can be opened, None if they cannot."""
    row = connection.execute(_OPENED, {"book": str(BOOK)}).fetchone()
    return None if row is None else int(row[0])


def receipt_for(connection: psycopg.Connection, keys: ReceiptKeys, origin: str, feed: str, sequence: int) -> Given:
    """Makes the receipt of the batch that an event came in again; raises ReceiptNotFound."""
    batch = next(batches(connection, feed, sequence, sequence), None)
    if batch is None:
        raise ReceiptNotFound
    key = keys.of(key_for(known_keys(connection), batch))
    if key is None:
        raise ReceiptNotFound
    return give(batch, key, origin)


class AsSent(NamedTuple):
    """A batch as it was sent: its feed and last number, runs of positions (first, last), and when and where its last event is.

    *sent* is what that event keeps of it.
    """

    feed: str
    last: int
    positions: list[tuple[int, int]]
    recorded_us: int
    position: int
    sent: receipts_pb2.SentBatch


def key_for(known: Sequence[KnownKey], batch: AsSent) -> str:
    """Returns the id of the key that signs the receipt of a batch: the newest by then, "" if there was none."""
    by_then = _EPOCH + timedelta(microseconds=batch.recorded_us)
    return next((key.key_id for key in reversed(known) if key.valid_from <= by_then), "")


def give(batch: AsSent, key: ReceiptKey, origin: str) -> Given:
    """Makes the receipt of a batch."""
    sent = batch.sent
    says = ReceiptSays(origin, batch.feed, sent.first_sequence, batch.last, batch.positions, batch.recorded_us, sent.events_digest, key.id)
    text = receipt_text(says)
    return Given(text, key.id, key.sign(text), sent, batch.position)


def batches(connection: psycopg.Connection, feed: str, first: int, last: int) -> Iterator[AsSent]:
    """Yields the batches that have one of these numbers, by their last number; none from before there were receipts."""
    for begin in range(first, last + 1, _NUMBERS_AT_ONCE):
        end = min(begin + _NUMBERS_AT_ONCE - 1, last)
        for batch in _batches(connection, feed, begin, end):
            # One that reaches over from the numbers before was met there.
            if batch.sent.first_sequence >= begin or begin == first:
                yield batch


def _batches(connection: psycopg.Connection, feed: str, first: int, last: int) -> Iterator[AsSent]:
    # Rows by their numbers, as far back as a batch can begin: what was new of it has a row, and what was there before has others.
    rows = deque[tuple[Run, int]]()
    asked = {"feed": feed, "first": first - _BATCH_EVENTS, "last": last + _BATCH_EVENTS}
    found = connection.execute(_ROWS, asked).fetchall()
    ends = {one.position: one for one in events_at(connection, [first_position + last - first for first, last, first_position in found])}
    for row_first, row_last, first_position in found:
        rows.append(((row_first, row_last + 1), first_position))
        while rows[0][0][1] <= row_last - _BATCH_EVENTS:
            rows.popleft()
        end = ends[first_position + row_last - row_first]
        sent = end.event.sent_batch
        if sent.events_digest and row_last >= first and sent.first_sequence <= last:
            runs = joined(_placed(rows, sent.first_sequence, row_last + 1))
            positions = [(begin, end - 1) for begin, end in runs]
            yield AsSent(feed, row_last, positions, end.recorded_us, end.position, sent)


def _placed(rows: Iterable[tuple[Run, int]], first: int, end: int) -> Iterator[Run]:
    """Yields the positions of numbers as runs."""
    for (row_first, row_end), position in rows:
        begin, until = max(first, row_first), min(end, row_end)
        if begin < until:
            yield position + begin - row_first, position + until - row_first


_BOOK = f"""
    SELECT e.position, e.recorded_at, e.data FROM journal.stream s {EVENTS_OF}
    WHERE s.name = %(book)s ORDER BY e.sequence"""  # noqa: S608 (our own text)
_OPENED = f"""
    SELECT e.position FROM journal.stream s {EVENTS_OF}
    WHERE s.name = %(book)s AND e.kind = 'digests_opened' ORDER BY e.sequence LIMIT 1"""  # noqa: S608 (our own text)
# Batches, whose last events say how they were sent; a number came in a batch that ends less than the most events after it.
_ROWS = """
    SELECT b.first_sequence, b.last_sequence, b.first_position FROM journal.stream s JOIN journal.batch b USING (stream_id)
    WHERE s.name = %(feed)s AND s.is_feed AND b.last_sequence >= %(first)s AND b.first_sequence <= %(last)s
      AND b.first_sequence > %(first)s - 500
    ORDER BY b.first_sequence"""
