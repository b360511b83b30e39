"""The receipts of a bundle: the hub's signed word for each batch that an event of a feed came in, and its sender's signature.

A receipt is made again from the journal. The keys that it is checked with are events of the log themselves, and are in the bundle.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, NamedTuple

import psycopg

from hub.audit.bundle_file import as_json
from hub.domain.errors import HubError
from hub.domain.participant import Participant
from hub.domain.receipt_book import BOOK
from hub.journal.joins import EVENTS_OF, NAME_AT
from hub.journal.receipts import AsSent, Given, KnownKey, batches, give, key_for, known_keys
from hub.runs import Run, runs_of
from hub.trust.receipt_keys import ReceiptKeys

RECEIPTS_A_PART = 500
KEY_KINDS = ("receipt_key_taken_up", "receipt_key_retired", "participant_signing_key_registered")


class ReceiptKeyMissing(HubError):
    """此机没有这些回执的密钥，请复制边缘节点的 receipt-*.key copy receipt-*.key from an edge, or retire the key if it is lost:"""


class Numbers(NamedTuple):
    """Numbers of a feed, as runs [first, end), whose events a bundle shows."""

    feed: str
    runs: list[Run]


def shown_numbers(connection: psycopg.Connection, positions: Sequence[int]) -> list[Numbers]:
    """Returns the numbers of the events of provinces' feeds among some positions, by feed."""
    rows = connection.execute(_NUMBERS, (list(positions),)).fetchall()
    return [Numbers(feed, runs_of(number for _, number in found)) for feed, found in groupby(rows, lambda row: str(row[0]))]


def has_receipts(connection: psycopg.Connection, shown: Iterable[Numbers]) -> bool:
    """Says whether a number among these came in a batch that has a receipt."""
    runs = ((one.feed, first, end - 1) for one in shown for first, end in one.runs)
    return any(next(batches(connection, *run), None) is not None for run in runs)


def key_positions(connection: psycopg.Connection, feeds: Iterable[str], size: int) -> list[int]:
    """Returns where the keys of receipts and those of the feeds' owners were taken up, and where the former ended, in a tree of a size."""
    owners = connection.execute("SELECT DISTINCT owner FROM journal.stream WHERE name = ANY (%s) AND is_feed", (list(feeds),)).fetchall()
    if not owners:
        return []
    streams = [str(BOOK), *(str(Participant.create_id(owner)) for (owner,) in owners)]
    rows = connection.execute(_KEYS, {"streams": streams, "kinds": list(KEY_KINDS), "size": size}).fetchall()
    return [position for (position,) in rows]


def members(connection: psycopg.Connection, shown: Iterable[Numbers], keys: ReceiptKeys, origin: str) -> Iterator[tuple[str, bytes]]:
    """Yields the members of the receipts of some numbers; raises ReceiptKeyMissing."""
    known = known_keys(connection)
    found = (one for numbers in shown for one in _of_feed(connection, numbers, known, keys, origin))
    number = 0
    while part := list(islice(found, RECEIPTS_A_PART)):
        yield f"receipts/{number:06d}", as_json({"receipts": part})
        number += 1


def _of_feed(
    connection: psycopg.Connection, numbers: Numbers, known: Sequence[KnownKey], keys: ReceiptKeys, origin: str
) -> Iterator[dict[str, Any]]:
    """Yields the receipts of a feed's numbers by their last number, and between them the numbers that have none."""
    given = 0
    for first, end in numbers.runs:
        following = first
        for batch in batches(connection, numbers.feed, first, end - 1):
            begin = batch.sent.first_sequence
            if begin > following:
                yield _without(numbers.feed, following, begin - 1)
            following = max(following, batch.last + 1)
            # One batch may have numbers of several runs.
            if batch.last > given:
                given = batch.last
                yield _receipt(batch, known, keys, origin)
        if following < end:
            yield _without(numbers.feed, following, end - 1)


def _receipt(batch: AsSent, known: Sequence[KnownKey], keys: ReceiptKeys, origin: str) -> dict[str, Any]:
    name = key_for(known, batch)
    key = keys.of(name)
    if key is not None:
        return _said(give(batch, key, origin))
    if not any(one.key_id == name and one.valid_until is not None for one in known):
        raise ReceiptKeyMissing(name)
    return _without(batch.feed, batch.sent.first_sequence, batch.last, name)


def _said(given: Given) -> dict[str, Any]:
    sent = given.sent
    sender = {"key": sent.key_id, "signature": base64.b64encode(sent.signature).decode()} if sent.key_id else None
    return {"text": given.text, "signature": base64.b64encode(given.signature).decode(), "sender": sender}


def _without(feed: str, first: int, last: int, lost: str = "") -> dict[str, Any]:
    return {"feed": feed, "first": first, "last": last, "lost": lost}


_NUMBERS = f"""
    SELECT s.name, n.sequence FROM unnest(%s::bigint[]) o (position) {NAME_AT} JOIN journal.stream s USING (stream_id)
    WHERE s.is_feed AND s.name NOT LIKE 'hub.%%' ORDER BY s.name COLLATE "C", n.sequence"""  # noqa: S608 (our own text)
_KEYS = f"""
    SELECT e.position FROM journal.stream s {EVENTS_OF}
    WHERE s.name = ANY (%(streams)s) AND NOT s.is_feed AND e.kind = ANY (%(kinds)s) AND e.position < %(size)s ORDER BY 1"""  # noqa: S608 (our own text)
