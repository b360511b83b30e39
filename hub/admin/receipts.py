"""What operators decide about proofs: keys of receipts, opening of digests, participants' keys for signing batches. Each is an event."""

import base64
import binascii
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import receipts_pb2
from eventsourcing.persistence import IntegrityError

from hub.domain.errors import HubError
from hub.domain.participant import HUB, PREFIX, Participant
from hub.domain.receipt_book import ReceiptBook
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.trust.receipt_keys import ReceiptKey, ReceiptKeys, make_receipt_key
from hub.trust.signatures import ED25519, PUBLIC_BYTES, SM2, is_anybodys, is_signed, key_id

SIGNING_KEY = "chuanyu-signing-key/1"
_ALGORITHMS = {"ed25519": ED25519, "sm2": SM2}


class SigningKeyUnfit(HubError):
    """The file is no registration of a key for signing batches, or does not prove that its maker has the key; have it made again."""


class HubsRun(HubError):
    """A hub is connected to the database; stop every edge first, since one that runs goes on with the key it has."""


class SigningKey(NamedTuple):
    """A participant's key as its registration file has it."""

    participant: str
    algorithm: int
    public: bytes

    @property
    def id(self) -> str:
        """What it is known by."""
        return key_id(self.public)


def take_up(connection: psycopg.Connection, store: AggregateStore, keys: ReceiptKeys, at: datetime) -> ReceiptBook:
    """Records the newest key unless it is on record, and returns the book. A database without events of provinces has open digests."""

    def change(book: ReceiptBook | None) -> ReceiptBook:
        key = keys.newest
        if book is not None:
            book.take_up(key.id, ED25519, key.public, at)
            return book
        begun = ReceiptBook.open(key.id, ED25519, key.public, at)
        if _is_fresh(connection):
            begun.open_digests("", at)
        return begun

    return _change(store, change)


def rotate(store: AggregateStore, directory: Path, at: datetime) -> ReceiptKey:
    """Makes a further key and records it; edges sign with it from their next start on."""
    key = make_receipt_key(directory)

    def change(book: ReceiptBook | None) -> ReceiptBook:
        if book is None:
            return ReceiptBook.open(key.id, ED25519, key.public, at)
        book.take_up(key.id, ED25519, key.public, at)
        return book

    _change(store, change)
    return key


def retire(store: AggregateStore, key: str, reason_code: str, at: datetime) -> None:
    """Ends a key that signs no more; raises ReceiptKeyUnknown, ReceiptKeySigns or RequestInvalid."""
    retired = receipts_pb2.ReceiptKeyRetired(key_id=key, reason_code=reason_code)
    refuse_invalid(retired)
    refuse_identifiers(retired, "reason_code")
    _change(store, lambda book: _known(book, lambda known: known.retire(key, reason_code, at)))


def open_digests(dsn: str, keys: ReceiptKeys, operator: str, at: datetime) -> None:
    """Puts digests under keys of their blocks from here on; raises HubsRun or DigestsOpenAlready."""
    with session(dsn, "hub_writer", "hub-receipts") as connection:
        # Before the store is opened, whose connections have the names of an edge's.
        if connection.execute(_EDGES).fetchone() != (0,):
            raise HubsRun
        with closing(AggregateStore(dsn)) as store:
            take_up(connection, store, keys, at)
            _change(store, lambda book: _known(book, lambda known: known.open_digests(operator, at)))


def read_signing_key(path: Path) -> SigningKey:
    """Reads the file that an adapter makes of its key; raises SigningKeyUnfit."""
    try:
        text, _, proof = path.read_text(encoding="ascii").rpartition("proof ")
        lines = text.splitlines()
        values = dict(line.split(" ", 1) for line in lines[1:])
        algorithm, public = _ALGORITHMS[values["algorithm"]], base64.b64decode(values["public"], validate=True)
        key = SigningKey(PREFIX + values["participant"].removeprefix(PREFIX), algorithm, public)
        is_fit = lines[0] == SIGNING_KEY and len(public) == PUBLIC_BYTES[algorithm] and not is_anybodys(algorithm, public)
        is_fit = is_fit and is_signed(algorithm, public, base64.b64decode(proof.strip(), validate=True), text.encode())
    except (UnicodeDecodeError, IndexError, KeyError, ValueError, binascii.Error):
        raise SigningKeyUnfit from None
    if not is_fit:
        raise SigningKeyUnfit
    return key


def register_signing_key(participant: Participant, key: SigningKey, at: datetime) -> None:
    """Makes a key known; raises SigningKeyUnfit for another participant's, or SigningKeyTaken."""
    if key.participant != participant.urn:
        raise SigningKeyUnfit
    participant.register_signing_key(key.id, key.algorithm, key.public, at)


def revoke_signing_key(participant: Participant, key: str, reason_code: str, at: datetime) -> None:
    """Ends a key; raises SigningKeyUnknown or RequestInvalid."""
    revoked = receipts_pb2.ParticipantSigningKeyRevoked(participant=participant.urn, key_id=key, reason_code=reason_code)
    refuse_invalid(revoked)
    refuse_identifiers(revoked, "reason_code")
    participant.revoke_signing_key(key, reason_code, at)


def _known(book: ReceiptBook | None, act: Callable[[ReceiptBook], None]) -> ReceiptBook:
    assert book is not None, "the first start of an edge begins the book"
    act(book)
    return book


def _change(store: AggregateStore, change: Callable[[ReceiptBook | None], ReceiptBook]) -> ReceiptBook:
    """Saves a change of the book; where another process was first, what it recorded is read again."""
    while True:
        book = change(store.get(ReceiptBook, ReceiptBook.create_id()))
        try:
            store.save(book)
        except IntegrityError:
            continue
        return book


def _is_fresh(connection: psycopg.Connection) -> bool:
    row = connection.execute(
        "SELECT NOT EXISTS (SELECT FROM journal.stream WHERE is_feed AND next_sequence > 1 AND NOT starts_with(owner, %s))", (HUB,)
    ).fetchone()
    return row is not None and bool(row[0])


_EDGES = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name IN ('hub-writer', 'hub-directory')"""
