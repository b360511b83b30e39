"""An adapter checks the hub's receipts at once, keeps them, and proves by them later what the hub accepted."""

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest
from chuanyu.exchange.v1.feed_service_pb2 import AppendEventsResponse, GetReceiptKeysResponse, StreamEventsRequest, StreamEventsResponse
from chuanyu.exchange.v1.receipts_pb2 import SIGNING_ALGORITHM_ED25519, SIGNING_ALGORITHM_SM2, Receipt, ReceiptKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from adapters.cli import app
from adapters.kit import FeedSender, HubConnection, Outbox, mutual_tls, open_batch_keys
from adapters.kit.batch_keys import BatchKeyUnusable, make_signing_key
from adapters.kit.comparing import Comparison, Openers
from adapters.kit.kept import Kept
from adapters.kit.log_copy import Checkpoint, Entry
from adapters.kit.proofs import HubKey, check, events_digest, key_id, read
from adapters.kit.receipts import HubReceipts, ReceiptWrong
from hub.admin.receipts import read_signing_key
from tests.clients import add_feed
from tests.hub_process import CHONGQING, RunningHub
from tests.messages import journey
from tests.scripted_hub import ScriptedHub

ORIGIN, FEED = "exchange.example/1", "cq.adapter-receipts"
AT_US = 1_790_000_000_123_456
CARD_NO = "A77712345"
BLIND = bytes(range(32))
_numbers = itertools.count(1)


def command(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    return result.exit_code, result.output


def events(count: int) -> list[bytes]:
    return [journey(CARD_NO, fare_fen=number).SerializeToString(deterministic=True) for number in range(count)]


async def send(outbox: Outbox, connection: HubConnection, home: Path, feed: str, sent: list[bytes]) -> FeedSender:
    """Has all of it acknowledged."""
    sender = FeedSender(outbox, connection, feed, keys=open_batch_keys(home / "keys"))
    task = asyncio.create_task(sender.run())
    first = outbox.state(feed).next_sequence
    numbered = await sender.put([(f"m{first + at}", event) for at, event in enumerate(sent)])
    async with asyncio.timeout(60):
        await sender.wait_acknowledged(numbered[-1][0])
    task.cancel()
    return sender


# With a real hub


@pytest.fixture(scope="module")
def connected(shared_hub: RunningHub) -> Callable[[], HubConnection]:
    """What connects to the hub as Chongqing."""
    add_feed(shared_hub, CHONGQING, FEED)
    files = shared_hub.certificate(CHONGQING)
    return lambda: HubConnection(shared_hub.targets, mutual_tls(files.authority, files.certificate, files.key))


@pytest.fixture(scope="module")
def home(connected: Callable[[], HubConnection], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an adapter that has sent 700 events."""
    directory = tmp_path_factory.mktemp("adapter")
    outbox = Outbox(directory / "outbox.sqlite")
    counters = asyncio.run(send(outbox, connected(), directory, FEED, events(700))).counters
    assert (counters["recorded"], counters["receipts"]) == (700, 2)
    outbox.clean()
    outbox.close()
    return directory


def test_receipts_are_kept_with_the_acknowledgement_and_cover_every_number(home: Path) -> None:
    kept = Kept(home / "outbox.sqlite")
    said = [check(document, kept.keys()) for document in kept.receipts()]
    assert [(says.first, says.last) for says in said] == [(1, 500), (501, 700)]
    keys = open_batch_keys(home / "keys")
    assert [says.events_digest for says in said] == [keys.digest_of(FEED, 1, events(500)), keys.digest_of(FEED, 501, events(700)[500:])]
    assert kept.sent(FEED, 1, 700) == []
    kept.close()


def test_neither_an_identifier_nor_what_could_be_found_by_trying_is_in_the_outbox(home: Path) -> None:
    left = b"".join(path.read_bytes() for path in home.glob("outbox.sqlite*"))
    assert CARD_NO.encode() not in left
    unblinded = (events_digest(b"", [event]) for event in events(700))
    assert not any(digest in left or digest.hex().encode() in left for digest in unblinded)
    blind = (home / "keys" / "batch-blind.key").read_bytes()
    assert blind not in left
    assert bytes.fromhex(blind.decode()) not in left
    assert (home / "keys" / "batch-blind.key").stat().st_mode & 0o077 == 0


def test_receipts_are_listed_exported_and_verified_by_others(home: Path, tmp_path: Path) -> None:
    code, listed = command("receipts", "list", "--data-dir", home)
    assert code == 0
    assert f"{FEED} 1-500 → " in listed
    exported = tmp_path / "receipts.jsonl"
    assert command("receipts", "export", "--data-dir", home, "--out", exported)[0] == 0
    for source in (("--file", exported), ("--data-dir", home)):
        assert command("receipts", "verify", *source) == (0, "✓ 回执 receipts 2，验证无误 verified 2，不符 wrong 0\n")
    exported.write_text(exported.read_text().replace("numbers 1-500", "numbers 2-501"))
    code, output = command("receipts", "verify", "--file", exported)
    assert code == 1
    assert "wrong signature" in output


@pytest.mark.parametrize("arguments", [(), ("--file", "X", "--data-dir", "X")])
def test_verifying_needs_one_source(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "X").touch()
    assert command("receipts", "verify", *(str(tmp_path / "X") if one == "X" else one for one in arguments))[0] == 2


def test_a_file_that_is_no_export_and_a_directory_without_an_outbox_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("[1]\n")
    assert command("receipts", "verify", "--file", tmp_path / "file")[0] == 2
    code, output = command("receipts", "verify", "--data-dir", tmp_path)
    assert code == 2
    assert "待发库" in output


def test_sent_events_are_kept_for_as_long_as_wanted_and_forgotten_then(
    shared_hub: RunningHub, connected: Callable[[], HubConnection], tmp_path: Path
) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.adapter-archive")
    outbox = Outbox(tmp_path / "outbox.sqlite", keep_sent_days=1)
    asyncio.run(send(outbox, connected(), tmp_path, feed, events(3)))
    outbox.close()
    kept = Kept(tmp_path / "outbox.sqlite")
    assert kept.sent(feed, 1, 9) == list(enumerate(events(3), 1))
    Outbox(tmp_path / "outbox.sqlite").clean()
    assert kept.sent(feed, 1, 9) == []
    kept.close()


# Its own keys


@pytest.mark.parametrize("is_sm2", [False, True])
def test_a_signing_key_is_registered_by_its_file_and_a_former_one_is_put_aside(tmp_path: Path, is_sm2: bool) -> None:
    arguments = ("signing-key", "--data-dir", tmp_path, "--participant", "cq.card-center", *(["--sm2"] if is_sm2 else []))
    assert command(*arguments)[0] == 0
    first = open_batch_keys(tmp_path / "keys").signing
    assert first is not None
    assert read_signing_key(tmp_path / "keys" / "batch-signing.pub").id == first.id
    assert command(*arguments)[0] == 0
    second = open_batch_keys(tmp_path / "keys").signing
    assert second is not None
    assert second.id != first.id
    assert (tmp_path / "keys" / f"batch-signing-{first.id}.key").exists()


@pytest.mark.parametrize(("name", "text"), [("batch-blind.key", "00"), ("batch-blind.key", "x"), ("batch-signing.key", "rsa 00")])
def test_a_key_file_that_is_none_is_refused(tmp_path: Path, name: str, text: str) -> None:
    make_signing_key(tmp_path, "cq.card-center")
    open_batch_keys(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(BatchKeyUnusable):
        open_batch_keys(tmp_path)


# Receipts of hubs that say what is not so


class Signer:
    """A hub's key of receipts."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()
        self.id = key_id(self.public)

    def published(self, origin: str = ORIGIN) -> GetReceiptKeysResponse:
        key = ReceiptKey(key_id=self.id, algorithm=SIGNING_ALGORITHM_ED25519, public_key=self.public)
        key.valid_from.FromMicroseconds(AT_US - 1_000_000)
        return GetReceiptKeysResponse(origin=origin, keys=[key])

    def keys(self) -> dict[str, HubKey]:
        return {self.id: HubKey(self.public, AT_US - 1_000_000)}

    def receipt(self, **other: object) -> Receipt:
        """A receipt of numbers 5 and 6 at positions 70 and 71, or one that says something else."""
        said = {
            "log": ORIGIN, "feed": FEED, "numbers": "5-6", "positions": "70-71", "recorded": "2026-09-21T14:13:20.123456Z",
            "events": events_digest(BLIND, events(2)).hex(), "key": self.id, **other,
        }  # fmt: skip
        text = "chuanyu-receipt/1\n" + "".join(f"{name} {value}\n" for name, value in said.items())
        return Receipt(text=text, key_id=self.id, signature=self._private.sign(text.encode()))


def answer(receipt: Receipt | None) -> AppendEventsResponse:
    appended = AppendEventsResponse(feed=FEED, first_sequence=5, positions=[70, 71], receipt=receipt)
    appended.recorded_at.FromMicroseconds(AT_US)
    return appended


def altered(receipt: Receipt) -> Receipt:
    receipt.text = receipt.text.replace("numbers 5-6", "numbers 5-7")
    return receipt


ONE, OTHER = Signer(), Signer()
DIGEST = events_digest(BLIND, events(2))
WRONG: dict[str, tuple[Receipt | None, str]] = {
    "missing": (None, "missing"),
    "of another hub's key": (OTHER.receipt(), "unknown key"),
    "that names our key and is signed with another": (OTHER.receipt(key=ONE.id), "wrong signature"),
    "altered": (altered(ONE.receipt()), "unreadable"),
    "with another signature": (Receipt(text=ONE.receipt().text, signature=ONE.receipt(numbers="7-8").signature), "wrong signature"),
    "without a signature": (Receipt(text=ONE.receipt().text), "wrong signature"),
    "of another batch": (ONE.receipt(numbers="7-8"), "another batch"),
    "of another feed": (ONE.receipt(feed="cq.usage"), "another batch"),
    "of another log": (ONE.receipt(log="exchange.other/1"), "another batch or log"),
    "with other positions": (ONE.receipt(positions="70-70,72-72"), "other positions"),
    "with too few positions": (ONE.receipt(positions="70-70"), "unreadable"),
    "of another time": (ONE.receipt(recorded="2026-09-21T14:13:20.123457Z"), "other positions or time"),
    "of a time before its key": (ONE.receipt(recorded="2026-09-20T00:00:00.000000Z"), "key not valid then"),
    "of other events": (ONE.receipt(events=hashlib.sha256(b"other").hexdigest()), "other events"),
    "of another format": (Receipt(text=ONE.receipt().text.replace("receipt/1", "receipt/2"), signature=bytes(64)), "unreadable"),
}


def test_a_receipt_that_is_right_is_taken() -> None:
    assert read(HubReceipts(ORIGIN, ONE.keys()).taken(answer(ONE.receipt()), DIGEST)).places() == [70, 71]


@pytest.mark.parametrize("name", WRONG)
def test_a_receipt_that_is_wrong_is_refused_with_the_reason(name: str) -> None:
    receipt, why = WRONG[name]
    with pytest.raises(ReceiptWrong, match=why):
        HubReceipts(ORIGIN, ONE.keys()).taken(answer(receipt), DIGEST)


def test_a_receipt_after_the_end_of_its_key_is_refused() -> None:
    keys = {ONE.id: HubKey(ONE.public, AT_US - 2, AT_US - 1)}
    with pytest.raises(ReceiptWrong, match="key not valid then"):
        HubReceipts(ORIGIN, keys).taken(answer(ONE.receipt()), DIGEST)


def scripted(tmp_path: Path, published: GetReceiptKeysResponse | None, tampering: Callable[[StreamEventsResponse], None] | None) -> str:
    """Sends one event to a scripted hub and returns the state of its feed once it is acknowledged or stopped."""

    async def play() -> str:
        outbox = Outbox(tmp_path / "outbox.sqlite")
        async with ScriptedHub() as hub, asyncio.timeout(30):
            hub.published, hub.tampering = published, tampering
            sender = FeedSender(outbox, hub.connection(), FEED, keys=open_batch_keys(tmp_path / "keys"))
            task = asyncio.create_task(sender.run())
            await sender.put([("m1", events(1)[0])])
            while sender.state == "starting" or (sender.state == "sending" and outbox.state(FEED).pending_count):
                await asyncio.sleep(0.01)
            task.cancel()
            pending = outbox.state(FEED).pending_count
            outbox.close()
            return f"{sender.state} ({pending} pending)"

    return asyncio.run(play())


def test_a_wrong_receipt_stops_the_feed_and_acknowledges_nothing(tmp_path: Path) -> None:
    def forged(said: StreamEventsResponse) -> None:
        said.appended.receipt.CopyFrom(OTHER.receipt())

    state = scripted(tmp_path, ONE.published(), forged)
    assert state.startswith("stopped: The hub's receipt of a batch is missing, wrongly signed")
    assert state.endswith("unknown key) (1 pending)")


def test_a_hub_that_publishes_keys_and_gives_no_receipt_stops_the_feed(tmp_path: Path) -> None:
    assert "missing) (1 pending)" in scripted(tmp_path, ONE.published(), None)


def test_a_hub_that_knows_no_receipts_goes_on_as_before(tmp_path: Path) -> None:
    assert scripted(tmp_path, None, None) == "sending (0 pending)"


def test_a_key_that_is_not_what_its_id_says_counts_for_nothing(tmp_path: Path) -> None:
    published = ONE.published()
    published.keys[0].public_key = OTHER.public
    published.keys.add(key_id=key_id(bytes(64)), algorithm=SIGNING_ALGORITHM_SM2, public_key=bytes(64))

    def signed(said: StreamEventsResponse) -> None:
        said.appended.receipt.CopyFrom(OTHER.receipt(key=ONE.id))

    assert "unknown key" in scripted(tmp_path, published, signed)


# Against the log, whose entries are made up here


def block_key(block: int) -> bytes:
    return hashlib.sha256(bytes([block])).digest()


def entries_of(count: int, first_position: int = 70, first: int = 5, at_us: int = AT_US) -> list[Entry]:
    marks = [hmac.digest(block_key(0), event, "sm3")[:16] for event in events(count)]
    return [Entry(first_position + at, at_us, first + at, FEED, "kind", mark) for at, mark in enumerate(marks)]


def before() -> list[Entry]:
    """The first four of the feed, and what else is before position 70."""
    others = [Entry(position, AT_US - 9, position, "x", "kind", b"") for position in range(1, 66)]
    return [*others, *(Entry(65 + number, AT_US - 9, number, FEED, "kind", b"") for number in range(1, 5))]


@contextlib.contextmanager
def kept_events(tmp_path: Path, sent: list[bytes]) -> Iterator[Kept]:
    path = tmp_path / f"outbox-{next(_numbers)}.sqlite"
    outbox = Outbox(path, keep_sent_days=9)
    outbox.continue_at(FEED, 5)
    outbox.put(FEED, [(str(at), event) for at, event in enumerate(sent)])
    outbox.acknowledge(FEED, 4 + len(sent))
    kept = Kept(path)
    yield kept
    kept.close()
    outbox.close()


def compare(
    tmp_path: Path, entries: list[Entry], receipt: Receipt | None = None, origin: str = ORIGIN, sent: list[bytes] | None = None,
    opened_after: int = 0, patience_s: float = 0.0,
) -> list[str]:  # fmt: skip
    """Returns the findings about a receipt of numbers 5 and 6, by name and number."""
    comparison = Comparison(Checkpoint(origin, entries[-1].position + 1, b""), iter(entries), [FEED])
    kept_receipt = (receipt or ONE.receipt()).text + f"signature {(receipt or ONE.receipt()).signature.hex()}\n"
    sound = comparison.receipts([kept_receipt], ONE.keys(), patience_s)
    with kept_events(tmp_path, events(2) if sent is None else sent) as kept:
        opener = Openers({0: block_key(0)}, opened_after)
        comparison.contents(sound, kept, lambda _feed, _first, batch: events_digest(BLIND, batch), lambda _: opener)
    return [f"{difference.name} {difference.first}-{difference.last}" for difference in comparison.result.differences]


def test_a_log_that_has_what_was_sent_agrees(tmp_path: Path) -> None:
    assert compare(tmp_path, before() + entries_of(2)) == []


def changed(entry: Entry, **other: object) -> Entry:
    return entry._replace(**other)  # type: ignore[arg-type]


FIRST, SECOND = entries_of(2)
CASES: dict[str, tuple[list[Entry], list[str]]] = {
    "the batch is nowhere": ([Entry(70, AT_US + 1, 1, "y", "kind", b"")], ["BATCH_NOWHERE 5-6"]),
    "an event is missing": ([FIRST, Entry(71, AT_US + 1, 1, "y", "kind", b"")], ["MISSING 6-6"]),
    "another position": ([FIRST, Entry(71, AT_US, 1, "y", "kind", b""), changed(SECOND, position=72)], ["OTHER_POSITION 6-6"]),
    "a later time": ([FIRST, changed(SECOND, recorded_us=AT_US + 1)], ["LATER_THAN_SAID 6-6"]),
    "other content": ([FIRST, changed(SECOND, mark=FIRST.mark)], ["OTHER_CONTENT 6-6"]),
    "no mark": ([changed(FIRST, mark=b""), SECOND], ["OTHER_CONTENT 5-5"]),
    "a number is missing": ([FIRST, SECOND, changed(SECOND, position=72, sequence=9)], ["NUMBER_MISSING 7-8"]),
    "a number is there twice": ([FIRST, SECOND, changed(SECOND, position=72)], ["NUMBER_TWICE 6-6"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_log_lacks_or_has_otherwise_is_found_by_name(tmp_path: Path, name: str) -> None:
    entries, findings = CASES[name]
    assert compare(tmp_path, before() + entries) == findings


def test_a_receipt_that_proves_nothing_or_is_of_another_log_is_a_finding(tmp_path: Path) -> None:
    assert compare(tmp_path, before() + entries_of(2), OTHER.receipt()) == ["RECEIPT_WRONG 5-6"]
    assert compare(tmp_path, before() + entries_of(2), Receipt(text="nothing")) == ["RECEIPT_WRONG 0-0"]
    for origin in ("exchange.other/1", "exchange.example/x", "exchange.example"):
        assert compare(tmp_path, before() + entries_of(2), origin=origin) == ["OTHER_LOG 5-6"]


def test_a_receipt_of_an_earlier_incarnation_is_of_this_log(tmp_path: Path) -> None:
    assert compare(tmp_path, before() + entries_of(2), origin="exchange.example/2") == []


def test_kept_events_that_are_not_those_of_the_receipt_are_a_finding(tmp_path: Path) -> None:
    assert compare(tmp_path, before() + entries_of(2), sent=events(3)[1:]) == [
        "RECEIPT_OF_OTHER_EVENTS 5-6", "OTHER_CONTENT 5-5", "OTHER_CONTENT 6-6",
    ]  # fmt: skip


def opened_at(position: int) -> list[Entry]:
    """What is before position 70, with the event from which on digests open."""
    book = str(uuid5(NAMESPACE_URL, "urn:chuanyu:receipt-book"))
    return [changed(one, stream=book, kind="digests_opened") if one.position == position else one for one in before()]


def test_what_was_recorded_before_digests_opened_is_not_compared(tmp_path: Path) -> None:
    altered = [FIRST, changed(SECOND, mark=bytes(16))]
    assert compare(tmp_path, [*before(), *altered], opened_after=10_000) == []
    book = opened_at(7)[6].stream
    opening = [*altered, Entry(72, AT_US, 1, book, "digests_opened", b"")]
    assert compare(tmp_path, [*before(), *opening], opened_after=72) == []


def test_a_hub_that_says_that_digests_open_later_than_its_log_does_is_a_finding(tmp_path: Path) -> None:
    altered = [FIRST, changed(SECOND, mark=bytes(16))]
    assert compare(tmp_path, [*opened_at(7), FIRST, SECOND], opened_after=7) == []
    assert compare(tmp_path, [*opened_at(7), *altered], opened_after=10_000) == ["OPENED_ELSEWHERE 5-6", "OTHER_CONTENT 6-6"]
    assert compare(tmp_path, [*before(), *altered], opened_after=7) == ["OPENED_ELSEWHERE 5-6", "OTHER_CONTENT 6-6"]


def test_what_is_not_sealed_yet_has_its_time_and_then_is_nowhere(tmp_path: Path) -> None:
    late = ONE.receipt()
    assert compare(tmp_path, before(), late, patience_s=10**10) == []
    assert compare(tmp_path, before(), late, patience_s=0) == ["BATCH_NOWHERE 5-6"]


def test_the_text_that_is_kept_is_one_line_more_than_the_text_that_is_signed(home: Path, tmp_path: Path) -> None:
    exported = tmp_path / "out"
    command("receipts", "export", "--data-dir", home, "--out", exported)
    document = next(line["receipt"] for line in map(json.loads, exported.read_text().splitlines()) if "receipt" in line)
    *said, signature = document.splitlines()
    assert said[0] == "chuanyu-receipt/1"
    assert len(bytes.fromhex(signature.removeprefix("signature "))) == 64


def test_a_batch_is_signed_over_its_feed_first_number_count_and_events(tmp_path: Path) -> None:
    make_signing_key(tmp_path, "cq.card-center")
    keys, request = open_batch_keys(tmp_path), StreamEventsRequest(feed=FEED, first_sequence=5)
    digest = keys.prove(request)
    assert keys.signing is not None
    assert request.key_id == keys.signing.id
    text = f"chuanyu-batch/1\nfeed {FEED}\nfirst 5\ncount 0\nevents {hashlib.sha256(bytes([32]) + request.blind).hexdigest()}\n"
    assert keys.signing.sign(text.encode()) == request.signature
    assert digest == hashlib.sha256(bytes([32]) + request.blind).digest()
