"""Receipts of batches, signatures of senders, and keys that open a feed's digests; texts and hashes are written here once more by hand."""

import base64
import contextlib
import hashlib
import hmac
import itertools
import struct
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2, receipts_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from gmssl_pyx import sm2_key_generate, sm2_sign

from hub.admin.participants import changing
from hub.admin.receipts import SigningKeyUnfit, read_signing_key
from hub.domain.errors import ReceiptNotFound
from hub.domain.participant import FeedNotIts, Participant, SigningKeyTaken, SigningKeyUnknown
from hub.journal.reader import reading
from hub.journal.receipts import log_origin, receipt_for
from hub.journal.recorder import AggregateStore
from hub.trust.batch_texts import ReceiptUnreadable, read_receipt
from hub.trust.receipt_keys import open_receipt_keys
from hub.trust.signatures import ED25519, is_signed
from tests.clients import DEADLINE_S, Province, Refusal, add_feed, of_feed, recorded_at, refused
from tests.hub_process import CHONGQING, RunningHub
from tests.messages import journey, registered

_numbers = itertools.count(1)
BLIND = bytes(range(32))


@pytest.fixture
def feed(shared_hub: RunningHub) -> str:
    """A feed of Chongqing's for one test."""
    return add_feed(shared_hub, CHONGQING, f"cq.receipts-{next(_numbers)}")


def trips(count: int) -> list[event_pb2.Event]:
    return [journey("A12345678", fare_fen=number) for number in range(count)]


def digest_of(blind: bytes, events: list[event_pb2.Event]) -> str:
    parts = [struct.pack(">I", len(sent)) + sent for sent in (event.SerializeToString() for event in events)]
    return hashlib.sha256(bytes([len(blind)]) + blind + b"".join(parts)).hexdigest()


def keys_of(province: Province) -> feed_service_pb2.GetReceiptKeysResponse:
    return province.feeds.GetReceiptKeys(feed_service_pb2.GetReceiptKeysRequest(), timeout=DEADLINE_S)


def append(
    province: Province, feed: str, first: int, events: list[event_pb2.Event], **more: object
) -> feed_service_pb2.AppendEventsResponse:
    request = feed_service_pb2.AppendEventsRequest(feed=feed, first_sequence=first, events=events, **more)  # type: ignore[arg-type]
    return province.feeds.AppendEvents(request, timeout=DEADLINE_S)


def lines_of(receipt: receipts_pb2.Receipt) -> dict[str, str]:
    """The lines of a receipt, whose signature is checked."""
    assert receipt.text.endswith("\n")
    version, *lines = receipt.text.splitlines()
    assert version == "chuanyu-receipt/1"
    return dict(line.split(" ", 1) for line in lines)


# Receipts


def test_a_receipt_says_what_was_recorded_and_is_signed_with_a_published_key(chongqing: Province, feed: str) -> None:
    events = trips(3)
    answer = append(chongqing, feed, 1, events, blind=BLIND)
    known = keys_of(chongqing)
    key = next(key for key in known.keys if key.key_id == answer.receipt.key_id)
    Ed25519PublicKey.from_public_bytes(key.public_key).verify(answer.receipt.signature, answer.receipt.text.encode())
    assert key.key_id == hashlib.sha256(key.public_key).hexdigest()[:16]
    assert not key.HasField("valid_until")
    first, _, last = answer.positions
    at = answer.recorded_at.ToDatetime(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert lines_of(answer.receipt) == {
        "log": known.origin, "feed": feed, "numbers": "1-3", "positions": f"{first}-{last}", "recorded": at,
        "events": digest_of(BLIND, events), "key": key.key_id,
    }  # fmt: skip


def test_a_batch_without_a_blind_gets_one_that_the_receipt_says(chongqing: Province, feed: str) -> None:
    events = trips(1)
    one, other = append(chongqing, feed, 1, events).receipt, append(chongqing, feed, 1, events).receipt
    assert len(one.blind) == 32
    assert one.blind != other.blind
    assert lines_of(one)["events"] == digest_of(one.blind, events)


def test_a_blind_that_is_too_long_is_refused(chongqing: Province, feed: str) -> None:
    refusal = refused(lambda: append(chongqing, feed, 1, trips(1), blind=bytes(33)))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("blind", "bytes.max_len")])


def test_a_resend_gets_a_receipt_with_the_old_positions(chongqing: Province, feed: str) -> None:
    append(chongqing, feed, 1, trips(2))
    chongqing.append("cq.usage", chongqing.next_sequence("cq.usage"), registered("A12345678"))
    longer = append(chongqing, feed, 1, trips(4), blind=BLIND)
    again = append(chongqing, feed, 1, trips(4), blind=BLIND)
    positions = list(longer.positions)
    expected = f"{positions[0]}-{positions[1]},{positions[2]}-{positions[3]}"
    for receipt in (longer.receipt, again.receipt):
        assert (lines_of(receipt)["positions"], lines_of(receipt)["events"]) == (expected, digest_of(BLIND, trips(4)))


def test_batches_of_a_stream_and_with_quarantined_events_get_receipts(chongqing: Province, feed: str) -> None:
    bad = journey("A12345678")
    bad.issuer_region = "999999"
    request = feed_service_pb2.StreamEventsRequest(feed=feed, first_sequence=1, events=[*trips(1), bad], blind=BLIND)
    (answer,) = list(chongqing.feeds.StreamEvents(iter([request]), timeout=DEADLINE_S))
    assert [notice.sequence for notice in answer.appended.quarantined] == [2]
    assert lines_of(answer.appended.receipt)["events"] == digest_of(BLIND, [*trips(1), bad])


def test_a_receipt_is_made_again_from_the_journal_byte_for_byte(shared_hub: RunningHub, chongqing: Province, feed: str) -> None:
    append(chongqing, feed, 1, trips(2))
    given = append(chongqing, feed, 2, trips(6)[1:], blind=BLIND)
    keys = open_receipt_keys(shared_hub.data_dir / "keys")
    with reading(shared_hub.dsn, "hub_reader", "test") as connection:
        for sequence in (3, 5, 6):
            again = receipt_for(connection, keys, log_origin(connection, "exchange.chuanyu"), feed, sequence)
            assert (again.text, again.signature) == (given.receipt.text, given.receipt.signature)
            assert again.position == given.positions[-1]
        with pytest.raises(ReceiptNotFound):
            receipt_for(connection, keys, log_origin(connection, "exchange.chuanyu"), feed, 7)


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_batch_that_the_database_took_in_parts_has_one_receipt(
    shared_hub: RunningHub, chongqing: Province, feed: str, place: int
) -> None:
    events = trips(5)
    events[place].corrects.feed, events[place].corrects.sequence = feed, 424_242
    with psycopg.connect(shared_hub.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE journal.correction ADD CONSTRAINT poisoned CHECK (sequence <> 424242)")
        given = append(chongqing, feed, 1, events, blind=BLIND)
        connection.execute("ALTER TABLE journal.correction DROP CONSTRAINT poisoned")
        assert [notice.sequence for notice in given.quarantined] == [place + 1]
        assert lines_of(given.receipt)["events"] == digest_of(BLIND, events)
        keys = open_receipt_keys(shared_hub.data_dir / "keys")
        for sequence in (1, 5):
            again = receipt_for(connection, keys, log_origin(connection, "exchange.chuanyu"), feed, sequence)
            assert (again.text, again.signature) == (given.receipt.text, given.receipt.signature)


def test_what_the_hub_keeps_of_a_batch_is_not_taken_from_outside(shared_hub: RunningHub, chongqing: Province, feed: str) -> None:
    events = trips(2)
    for event in events:
        event.sent_batch.key_id = "0" * 16
    answer = append(chongqing, feed, 1, events, blind=BLIND)
    assert [recorded_at(shared_hub.dsn, position).event.sent_batch.key_id for position in answer.positions] == ["", ""]
    assert lines_of(answer.receipt)["events"] == digest_of(BLIND, events)


@pytest.mark.parametrize(
    "text",
    [
        "", "chuanyu-receipt/2\n", "chuanyu-receipt/1\nlog a\n",
        "chuanyu-receipt/1\nlog a/1\nfeed b\nnumbers 1-2\npositions 1-x\nrecorded 2026-11-29T00:00:00.000000Z\nevents 00\nkey 0\n",
        "chuanyu-receipt/1\nlog a/1\nfeed b\nnumbers 01-2\npositions 1-2\nrecorded 2026-11-29T00:00:00.000000Z\nevents 00\nkey 0\n",
    ],
)  # fmt: skip
def test_what_is_no_receipt_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ReceiptUnreadable):
        read_receipt(text)


# Signatures of senders


class Signer:
    """A key of a test, and the file that registers it."""

    def __init__(self, directory: Path, participant: str = "cq.card-center", *, is_sm2: bool = False) -> None:
        if is_sm2:
            self.public, private = map(bytes, sm2_key_generate())
            self.sign: Callable[[bytes], bytes] = lambda text: _raw(sm2_sign(private, self.public, text))
        else:
            key = Ed25519PrivateKey.generate()
            self.public, self.sign = key.public_key().public_bytes_raw(), key.sign
        self.id = hashlib.sha256(self.public).hexdigest()[:16]
        encoded = base64.b64encode(self.public).decode()
        text = f"chuanyu-signing-key/1\nparticipant {participant}\nalgorithm {'sm2' if is_sm2 else 'ed25519'}\npublic {encoded}\n"
        self.file = directory / f"{self.id}.key"
        self.file.write_text(f"{text}proof {base64.b64encode(self.sign(text.encode())).decode()}\n")

    def signed(self, feed: str, first: int, events: list[event_pb2.Event], **otherwise: Any) -> dict[str, Any]:
        text = f"chuanyu-batch/1\nfeed {feed}\nfirst {first}\ncount {len(events)}\nevents {digest_of(BLIND, events)}\n"
        return {"blind": BLIND, "key_id": self.id, "signature": self.sign(text.encode()), **otherwise}


def _raw(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@contextlib.contextmanager
def registration(hub: RunningHub) -> Iterator[Participant]:
    store = AggregateStore(hub.dsn)
    try:
        with changing(store, CHONGQING) as participant:
            yield participant
    finally:
        store.close()


@pytest.fixture(scope="module", params=[False, True], ids=["ed25519", "sm2"])
def signer(shared_hub: RunningHub, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Signer:
    """A key that Chongqing has registered."""
    one = Signer(tmp_path_factory.mktemp("signer"), is_sm2=request.param)
    with registration(shared_hub) as participant:
        key = read_signing_key(one.file)
        participant.register_signing_key(key.id, key.algorithm, key.public, datetime.now(UTC))
    return one


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def until_known(chongqing: Province, signer: Signer, feed: str) -> feed_service_pb2.AppendEventsResponse:
    """Appends the first signed batch once the edge has heard of the key."""
    events = trips(2)
    answers: list[feed_service_pb2.AppendEventsResponse] = []

    def is_taken() -> bool:
        try:
            answers.append(append(chongqing, feed, 1, events, **signer.signed(feed, 1, events)))
        except grpc.RpcError as refusal:
            assert "BATCH_KEY_UNKNOWN" in str(refusal) or "no such key" in str(refusal)
            return False
        return True

    until(is_taken)
    return answers[0]


def test_a_signed_batch_is_taken_and_its_signature_is_kept_with_it(
    shared_hub: RunningHub, chongqing: Province, feed: str, signer: Signer
) -> None:
    answer = until_known(chongqing, signer, feed)
    first, last = (recorded_at(shared_hub.dsn, position).event for position in answer.positions)
    assert not first.HasField("sent_batch")
    kept = last.sent_batch
    assert (kept.first_sequence, kept.events_digest.hex(), kept.key_id) == (1, digest_of(BLIND, trips(2)), signer.id)
    assert kept.signature


def test_a_wrong_signature_is_refused_and_nothing_is_recorded(
    shared_hub: RunningHub, chongqing: Province, feed: str, signer: Signer
) -> None:
    until_known(chongqing, signer, feed)
    events, right = trips(1), signer.signed(feed, 3, trips(1))
    signature = right["signature"]
    assert isinstance(signature, bytes)
    wrong = {
        "altered": {**right, "signature": bytes([signature[0] ^ 1]) + signature[1:]},
        "short": {**right, "signature": signature[:63]},
        "none": {**right, "signature": b""},
        "of other events": signer.signed(feed, 3, trips(2)),
        "of another number": signer.signed(feed, 4, events),
        "of another feed": signer.signed("cq.usage", 3, events),
        "of another blind": {**right, "blind": bytes(32)},
        "without the blind": {**right, "blind": b""},
    }
    reasons = {name: refused(lambda one=one: append(chongqing, feed, 3, events, **one)).reason for name, one in wrong.items()}
    assert reasons == dict.fromkeys(wrong, "BATCH_SIGNATURE_WRONG")
    assert len(of_feed(shared_hub.dsn, feed)) == 2


def test_an_unknown_key_is_refused(chongqing: Province, feed: str, tmp_path: Path) -> None:
    events, stranger = trips(1), Signer(tmp_path)
    refusal = refused(lambda: append(chongqing, feed, 1, events, **stranger.signed(feed, 1, events)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "BATCH_KEY_UNKNOWN")


def test_a_revoked_key_is_refused_and_what_it_signed_before_stays(
    shared_hub: RunningHub, chongqing: Province, feed: str, tmp_path: Path
) -> None:
    signer, events = Signer(tmp_path), trips(1)
    with registration(shared_hub) as participant:
        key = read_signing_key(signer.file)
        participant.register_signing_key(key.id, key.algorithm, key.public, datetime.now(UTC))
    answer = until_known(chongqing, signer, feed)
    with registration(shared_hub) as participant:
        participant.revoke_signing_key(signer.id, "KEY_LOST", datetime.now(UTC))

    def refusal() -> Refusal | None:
        try:
            append(chongqing, feed, 3, events, **signer.signed(feed, 3, events))
        except grpc.RpcError:
            return refused(lambda: append(chongqing, feed, 3, events, **signer.signed(feed, 3, events)))
        return None

    until(lambda: (found := refusal()) is not None and found.reason == "BATCH_KEY_REVOKED")
    assert recorded_at(shared_hub.dsn, answer.positions[-1]).event.sent_batch.key_id == signer.id
    with pytest.raises(SigningKeyTaken), registration(shared_hub) as participant:
        participant.register_signing_key(key.id, key.algorithm, key.public, datetime.now(UTC))


def test_a_feed_that_takes_signed_batches_alone_refuses_others_and_says_so(
    shared_hub: RunningHub, chongqing: Province, feed: str, signer: Signer
) -> None:
    until_known(chongqing, signer, feed)
    with registration(shared_hub) as participant:
        participant.require_signing(feed, datetime.now(UTC), is_required=True)
    until(lambda: chongqing.feeds.GetFeed(feed_service_pb2.GetFeedRequest(feed=feed), timeout=DEADLINE_S).signed_only)
    refusal = refused(lambda: append(chongqing, feed, 3, trips(1), blind=BLIND))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BATCH_UNSIGNED")
    append(chongqing, feed, 3, trips(1), **signer.signed(feed, 3, trips(1)))


def test_who_has_no_such_key_or_feed_is_told_so(shared_hub: RunningHub) -> None:
    with pytest.raises(SigningKeyUnknown), registration(shared_hub) as participant:
        participant.revoke_signing_key("0" * 16, "KEY_LOST", datetime.now(UTC))
    with pytest.raises(FeedNotIts), registration(shared_hub) as participant:
        participant.require_signing("sc.usage", datetime.now(UTC), is_required=True)


@pytest.mark.parametrize(
    "public",
    [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ],
    ids=["order 1", "order 2", "order 4", "order 8"],
)
def test_a_key_that_anybody_can_sign_with_is_not_taken(public: str, tmp_path: Path) -> None:
    key, nobodys = bytes.fromhex(public), b"\1" + bytes(63)
    for number in itertools.count():
        encoded, name = base64.b64encode(key).decode(), f"sc.card-center-{number}"
        text = f"chuanyu-signing-key/1\nparticipant {name}\nalgorithm ed25519\npublic {encoded}\n"
        if is_signed(ED25519, key, nobodys, text.encode()):
            break
    file = tmp_path / "batch-signing.pub"
    file.write_text(f"{text}proof {base64.b64encode(nobodys).decode()}\n")
    with pytest.raises(SigningKeyUnfit):
        read_signing_key(file)


@pytest.mark.parametrize("change", ["", "chuanyu-signing-key/1\n", "participant cq.card-center", "ed25519", "proof "])
def test_a_file_that_does_not_prove_its_key_is_refused(tmp_path: Path, change: str) -> None:
    file = Signer(tmp_path).file
    file.write_text(file.read_text().replace(change, "", 1) if change else "nothing\n")
    with pytest.raises(SigningKeyUnfit):
        read_signing_key(file)


# Keys that open digests


def block_keys(province: Province, feed: str, first: int, last: int, purpose: str = "AUDIT") -> feed_service_pb2.GetBlockKeysResponse:
    request = feed_service_pb2.GetBlockKeysRequest(feed=feed, first_sequence=first, last_sequence=last, purpose_code=purpose)
    return province.feeds.GetBlockKeys(request, timeout=DEADLINE_S)


def test_the_owner_of_a_feed_opens_its_digests_and_that_is_recorded_first(shared_hub: RunningHub, chongqing: Province, feed: str) -> None:
    events = trips(300)
    answer = append(chongqing, feed, 1, events)
    given = block_keys(chongqing, feed, 1, 300)
    assert [key.block for key in given.keys] == [0, 1]
    with psycopg.connect(shared_hub.dsn) as connection:
        rows = connection.execute(
            "SELECT sequence, digest FROM journal.event WHERE position BETWEEN %s AND %s ORDER BY position",
            (answer.positions[0], answer.positions[-1]),
        ).fetchall()
    for (sequence, digest), event in zip(rows, events, strict=True):
        assert hmac.digest(given.keys[sequence >> 8].key, event.SerializeToString(), "sm3") == bytes(digest)
    assert given.opened_after < answer.positions[0]
    recorded = recorded_at(shared_hub.dsn, given.position).event.block_keys_given
    assert (recorded.participant, recorded.feed, recorded.first_sequence, recorded.last_sequence) == (CHONGQING, feed, 1, 300)
    assert recorded.purpose_code == "AUDIT"


def test_nobody_else_gets_the_keys_of_a_feed(sichuan: Province, feed: str) -> None:
    assert refused(lambda: block_keys(sichuan, feed, 1, 1)).reason == "NOT_FEED_OWNER"
    assert refused(lambda: block_keys(sichuan, "cq.nobodys", 1, 1)).reason == "FEED_UNKNOWN"


@pytest.mark.parametrize(
    ("first", "last", "purpose", "violation"),
    [
        (0, 1, "", ("first_sequence", "uint64.gte_lte")),
        (2, 1, "", ("last_sequence", "uint64.gte")),
        (1, 64 * 256, "", ("last_sequence", "uint64.lte")),
        (1, 1, "500199199001011234", ("purpose_code", "no_identifier")),
    ],
)
def test_what_asks_for_no_blocks_or_too_many_is_refused(
    chongqing: Province, feed: str, first: int, last: int, purpose: str, violation: tuple[str, str]
) -> None:
    refusal = refused(lambda: block_keys(chongqing, feed, first, last, purpose))
    assert (refusal.reason, refusal.violations[0]) == ("REQUEST_INVALID", violation)
