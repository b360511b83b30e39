"""Digests under keys of blocks, databases that were made before them, and how the operator takes one over."""

import asyncio
import hmac
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2, receipts_pb2
from psycopg import pq
from typer.testing import CliRunner

from hub.admin import receipts as desk
from hub.cli import app
from hub.domain.errors import SequenceConflict
from hub.domain.event_rules import Context
from hub.domain.receipt_book import DigestsOpenAlready, ReceiptBookAltered, ReceiptKeySigns, ReceiptKeyUnknown
from hub.domain.reference import load
from hub.domain.roles import every_role, rights_of
from hub.intake.batch import Intake
from hub.intake.batches import batch_reader
from hub.intake.digests import Digests
from hub.journal.batch import Appended, Outcome
from hub.journal.group import commit_group
from hub.journal.receipts import known_keys, opened_after
from hub.journal.recorder import AggregateStore
from hub.journal.statements import run
from hub.journal.writer_connection import SESSION
from hub.trust.keyring import Keyring, open_keyring
from hub.trust.receipt_keys import open_receipt_keys
from tests.messages import AT_S, journey
from tests.recording import CHONGQING, Recording

FEED = "cq.usage"
TRIPS = [journey("A00000001", fare_fen=number) for number in range(300)]


def append(journal: Recording, dsn: str, intake: Intake, first: int, count: int, changed: int = -1) -> Outcome:
    """Prepares and commits a batch as an edge does; the event at the offset *changed* is another one."""
    sent = [
        journey("A00000001", fare_fen=9_999) if at == changed else event for at, event in enumerate(TRIPS[first - 1 : first - 1 + count])
    ]
    request = feed_service_pb2.AppendEventsRequest(feed=FEED, first_sequence=first, events=sent)
    received = batch_reader(feed_service_pb2.AppendEventsRequest)(request.SerializeToString())
    context = Context(rights_of("50", every_role()), AT_S + 86_400, load(), lambda _: True)
    prepared = asyncio.run(intake.prepare(journal.streams[FEED], CHONGQING, received, context, lambda _: 1))
    connection = pq.PGconn.connect(dsn.encode())
    run(connection, SESSION.encode())
    (outcome,) = commit_group(connection, [prepared.batch])
    connection.finish()
    return outcome


def digest_at(dsn: str, sequence: int) -> bytes:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT digest FROM journal.event JOIN journal.stream s USING (stream_id) WHERE s.name = %s AND sequence = %s", (FEED, sequence)
        ).fetchone()
    assert row is not None
    return bytes(row[0])


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return open_keyring(tmp_path / "keys")


def test_a_digest_is_under_the_key_of_its_block(keyring: Keyring) -> None:
    digests, sent = Digests(keyring), [event.SerializeToString() for event in TRIPS]
    for number, digest in enumerate(digests.of(FEED, 250, sent), 250):
        key = hmac.digest(keyring.digest, b"block\0" + FEED.encode() + b"\0" + (number >> 8).to_bytes(8, "big"), "sm3")
        assert hmac.digest(key, sent[number - 250], "sm3") == digest
        assert key == digests.block_key(FEED, number >> 8)
    assert digests.block_key(FEED, 1) != digests.block_key("cq.card-center", 1)


def test_a_resend_matches_on_either_side_of_the_opening(journal: Recording, dsn: str, keyring: Keyring) -> None:
    closed, opened = Intake(keyring, Digests(keyring, is_open=False)), Intake(keyring, Digests(keyring))
    assert isinstance(append(journal, dsn, closed, 1, 3), Appended)
    assert digest_at(dsn, 2) == hmac.digest(keyring.digest, TRIPS[1].SerializeToString(), "sm3")
    longer = append(journal, dsn, opened, 2, 4)
    assert isinstance(longer, Appended)
    assert longer.duplicates == 2
    for intake in (closed, opened):
        again = append(journal, dsn, intake, 1, 5)
        assert isinstance(again, Appended)
        assert again.duplicates == 5


@pytest.mark.parametrize("changed", [0, 4])
def test_another_event_is_a_conflict_under_either_key(journal: Recording, dsn: str, keyring: Keyring, changed: int) -> None:
    closed, opened = Intake(keyring, Digests(keyring, is_open=False)), Intake(keyring, Digests(keyring))
    append(journal, dsn, closed, 1, 3)
    append(journal, dsn, opened, 4, 2)
    for intake in (closed, opened):
        outcome = append(journal, dsn, intake, 1, 5, changed)
        assert isinstance(outcome, SequenceConflict)
        assert outcome.metadata == {"sequence": str(changed + 1)}


def begin(dsn: str, keys: Path) -> bool:
    """Does what an edge does when it starts; returns whether digests are open."""
    store = AggregateStore(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        book = desk.take_up(connection, store, open_receipt_keys(keys), datetime.now(UTC))
    store.close()
    return book.is_open


def test_a_fresh_database_has_open_digests_and_an_older_one_is_taken_over_by_its_operator(
    journal: Recording, dsn: str, tmp_path: Path, keyring: Keyring
) -> None:
    append(journal, dsn, Intake(keyring, Digests(keyring, is_open=False)), 1, 2)
    assert not begin(dsn, tmp_path / "keys")
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert opened_after(connection) is None
        # What records for the tests is connected as an edge is.
        with pytest.raises(desk.HubsRun):
            desk.open_digests(dsn, open_receipt_keys(tmp_path / "keys"), "tests", datetime.now(UTC))
        journal.close()
        deadline = time.monotonic() + 30
        connected = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'hub-writer'"
        while connection.execute(connected).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        desk.open_digests(dsn, open_receipt_keys(tmp_path / "keys"), "tests", datetime.now(UTC))
        assert opened_after(connection) == 4
    assert begin(dsn, tmp_path / "keys")
    with pytest.raises(DigestsOpenAlready):
        desk.open_digests(dsn, open_receipt_keys(tmp_path / "keys"), "tests", datetime.now(UTC))


def test_keys_of_receipts_are_rotated_and_retired_by_commands(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DSN", dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path))
    assert begin(dsn, tmp_path / "keys")
    assert CliRunner().invoke(app, ["receipts", "rotate"]).exit_code == 0
    former, newest = (key.id for key in open_receipt_keys(tmp_path / "keys").keys)
    assert type(CliRunner().invoke(app, ["receipts", "retire", newest, "--reason", "ROTATED"]).exception) is ReceiptKeySigns
    assert type(CliRunner().invoke(app, ["receipts", "retire", "0" * 16, "--reason", "ROTATED"]).exception) is ReceiptKeyUnknown
    assert CliRunner().invoke(app, ["receipts", "retire", former, "--reason", "ROTATED"]).exit_code == 0
    shown = json.loads(CliRunner().invoke(app, ["receipts", "key", "--json"]).output)
    assert [key["key_id"] for key in shown["keys"]] == [former, newest]
    with psycopg.connect(dsn) as connection:
        assert [key.valid_until is None for key in known_keys(connection)] == [False, True]
    # An edge that starts with the key it has records nothing more.
    assert begin(dsn, tmp_path / "keys")
    with psycopg.connect(dsn) as connection:
        assert len(known_keys(connection)) == 2
        # A book that was altered is said to be, by the place: no receipt is made with what is left of it.
        began, _, ended = [
            row[0] for row in connection.execute("SELECT position FROM journal.event WHERE kind LIKE 'receipt_key%' ORDER BY 1")
        ]
        stranger = event_pb2.Event(receipt_key_retired=receipts_pb2.ReceiptKeyRetired(key_id="0" * 16)).SerializeToString()
        of_no_kind = event_pb2.Event().SerializeToString()
        for position, data in ((ended, stranger), (ended, b"\xff"), (ended, of_no_kind), (began, of_no_kind), (began, b"\xff")):
            connection.execute("UPDATE journal.event SET data = %s WHERE position = %s", (data, position))
            with pytest.raises(ReceiptBookAltered) as refused:
                known_keys(connection)
            assert str(refused.value).endswith(f" {ended if data == stranger else position}")
            connection.rollback()
        connection.execute(
            "UPDATE journal.event SET data = (SELECT data FROM journal.event WHERE position = %s) WHERE position = %s", (began, began + 1)
        )
        with pytest.raises(ReceiptBookAltered):
            known_keys(connection)
        connection.rollback()
