"""The short way cuts an event out of its bytes: it stores what parsing and writing would, and leaves what is written otherwise."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from adapters.simulator.events import events
from hub.domain import reference
from hub.domain.errors import HubError
from hub.domain.event_rules import Context
from hub.domain.roles import every_role, rights_of
from hub.intake.batch import Intake
from hub.intake.batches import Received, batch_reader
from hub.trust.keyring import open_keyring
from tests.intake.test_compiled_rules import KINDS, fill
from tests.messages import AT_S, journey

REFERENCE = reference.load()
READ = batch_reader(feed_service_pb2.AppendEventsRequest)
# One loop for thousands of batches: a loop and its threads cost more than a batch of one event.
RUNNER = asyncio.Runner()


@pytest.fixture(scope="module", autouse=True)
def loop_is_closed() -> Iterator[None]:
    yield
    RUNNER.close()


@pytest.fixture(scope="module")
def experienced(tmp_path_factory: pytest.TempPathFactory) -> Intake:
    """An intake to which journeys by one card have come before."""
    intake = Intake(open_keyring(tmp_path_factory.mktemp("keys")))
    intake.identifiers.remember(_prepare(intake, [_sent()]).new_identifiers)
    _prepare(intake, [_sent()])
    assert intake._short_way.take(_sent(), _context()) is not None
    return intake


@pytest.fixture(scope="module")
def unknowing(experienced: Intake) -> Intake:
    """One that no identifier is ever known to, so that all events go the long way."""
    return Intake(experienced.identifiers._keyring)


def _context(province: str = "50") -> Context:
    return Context(rights_of(province, every_role()), AT_S + 86_400, REFERENCE, lambda _: True)


def _prepare(intake: Intake, sent: Sequence[bytes], context: Context | None = None):  # type: ignore[no-untyped-def]
    request = feed_service_pb2.AppendEventsRequest(feed="f", first_sequence=1)
    received = Received(request, sent, sum(map(len, sent)), len(sent))
    return RUNNER.run(intake.prepare(1, "owner", received, context or _context(), lambda _: 1))


def _sent() -> bytes:
    event = journey("A00000001")
    event.source.message_id, event.source.line_no, event.venue_code = "m/1", 300, "V-7"
    event.decision_position, event.amount_fen = 5_000, 400
    return event.SerializeToString(deterministic=True)


def _parted(sent: bytes) -> list[bytes]:
    """The fields of a message, each with its tag; every one of an envelope's is a number or has a length below 16,384."""
    parts, at = [], 0
    while at < len(sent):
        begin = at
        numbers = []
        for _ in range(2):
            value = shift = 0
            while True:
                value |= (sent[at] & 127) << shift
                at, shift = at + 1, shift + 7
                if sent[at - 1] < 128:
                    break
            numbers.append(value)
        at += numbers[1] if numbers[0] & 7 == 2 else 0
        parts.append(sent[begin:at])
    return parts


def _padded(number: bytes) -> bytes:
    """The same number in a byte more."""
    return number[:-1] + bytes((number[-1] | 128, 0))


_PARTS = _parted(_sent())
_OTHERWISE = {
    "the kind first": b"".join([_PARTS[-1], *_PARTS[:-1]]),
    "the card before the source": b"".join([_PARTS[0], _PARTS[2], _PARTS[1], *_PARTS[3:]]),
    "a card twice": b"".join([*_PARTS[:3], _PARTS[2], *_PARTS[3:]]),
    "an empty business date": b"".join([_PARTS[0], b"\x12\x00", *_PARTS[1:]]),
    "a length in two bytes": b"".join([_PARTS[0][:1] + _padded(_PARTS[0][1:2]) + _PARTS[0][2:], *_PARTS[1:]]),
    "a number in one byte more": b"".join(_padded(part) if part[:1] == b"\x60" else part for part in _PARTS),
    "a medium of zero": b"".join(b"\x50\x00" if part[:1] == b"\x50" else part for part in _PARTS),
    "an unknown field": _sent() + b"\x82\xfa\x01\x06secret",
}


@pytest.mark.parametrize("way", list(_OTHERWISE))
def test_an_event_written_in_another_way_is_left_to_the_long_way_and_stored_the_same(way: str, experienced: Intake) -> None:
    sent = _OTHERWISE[way]
    assert event_pb2.Event.FromString(sent).card.clear == "A00000001"
    assert experienced._short_way.take(sent, _context()) is None
    stored, usual = (_row(_prepare(experienced, [one]).batch.tails[0][0]) for one in (sent, _sent()))
    if way == "a medium of zero":
        assert event_pb2.Event.FromString(stored[stored.index(b"\n") :]).medium == 0
    else:
        assert stored == usual


def _row(columns: bytes) -> bytes:
    """The data of packed columns: behind the digest and its own size, before the size of a leaf."""
    return columns[columns.index(b"\0\0\0\x20") + 40 : -4]


@given(st.data())
def test_bytes_that_are_changed_anywhere_fare_as_by_the_long_way(experienced: Intake, unknowing: Intake, data: st.DataObject) -> None:
    sent = bytearray(_sent())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(sent) - 1))
        match data.draw(st.sampled_from(["set", "drop", "double"])):
            case "set":
                sent[at] = data.draw(st.integers(0, 255))
            case "drop":
                del sent[at]
            case _:
                sent.insert(at, sent[at])
    assert _outcome(experienced, bytes(sent)) == _outcome(unknowing, bytes(sent))


def _outcome(intake: Intake, sent: bytes) -> object:
    try:
        prepared = _prepare(intake, [sent])
    except HubError as error:
        return type(error)
    # What is sealed has a random part.
    return prepared.batch.tails, prepared.quarantined, prepared.newest_s, prepared.batch.corrections, len(prepared.batch.originals)


def test_who_was_born_after_the_event_goes_the_long_way_however_well_known(tmp_path: Path) -> None:
    intake, context = Intake(open_keyring(tmp_path)), Context(_context().rights, AT_S + 90 * 86_400, REFERENCE, lambda _: True)
    event = journey("A00000001")
    event.holder.id_type, event.holder.clear = 1, "500199202510010016"
    before_the_birth = event.SerializeToString(deterministic=True)
    event.occurred_at.seconds += 60 * 86_400
    after_it = event.SerializeToString(deterministic=True)
    for _ in range(3):
        prepared = _prepare(intake, [before_the_birth, after_it], context)
        assert prepared.quarantined == {0: [("holder.clear", "born_later")]}
        intake.identifiers.remember(prepared.new_identifiers)
    assert intake._short_way.take(after_it, context) is not None


def test_of_every_kind_whatever_its_fields_say_the_outcome_is_that_of_the_long_way(experienced: Intake, unknowing: Intake) -> None:
    rng, taken = random.Random(20_250_901), set()
    for kind in KINDS:
        event = journey("A00000001")
        for _ in range(12):
            message = getattr(event, kind)
            message.SetInParent()
            fill(message, rng)
            sent = event.SerializeToString(deterministic=True)
            if experienced._short_way.take(sent, _context()) is not None:
                taken.add(kind)
            assert _outcome(experienced, sent) == _outcome(unknowing, sent), kind
            event.ClearField(kind)
    # A message filled by chance is seldom whole: those of funds name a place of the reporter's own province, too.
    assert len(taken) >= 15


@pytest.mark.parametrize("nanos", [0, 1, 999_999_999, 1_000_000_000, -1])
def test_an_instant_is_what_protobuf_reads(nanos: int, experienced: Intake) -> None:
    event = journey("A00000001")
    event.occurred_at.CopyFrom(Timestamp(seconds=AT_S, nanos=nanos))
    taken = experienced._short_way.take(event.SerializeToString(deterministic=True), _context())
    assert (taken is not None) == (0 <= nanos < 1_000_000_000)
    assert taken is None or taken[1:3] == (AT_S, nanos)


def test_of_both_provinces_traffic_the_short_way_takes_most_and_stores_the_same(tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path)
    traffic: dict[str, list[bytes]] = {"50": [], "51": []}
    for feed, event in events(7, 1_000):
        traffic["50" if feed.startswith("cq.") else "51"].append(event.SerializeToString(deterministic=True))
    intake, taken = Intake(keyring), 0
    for province, sent in traffic.items():
        context = Context(rights_of(province, every_role()), 2**33, REFERENCE, lambda _: True)
        first = _prepare(intake, sent, context)
        intake.identifiers.remember(first.new_identifiers)
        for _ in range(2):
            again = _prepare(intake, sent, context)
            assert again.batch.tails == first.batch.tails
            assert again.quarantined == first.quarantined
        taken += sum(intake._short_way.take(one, context) is not None for one in sent)
    # Registrations, losses, corrections and what has an identifier of its own go the long way.
    assert taken > 650
