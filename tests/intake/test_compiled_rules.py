"""The compiled rules of shape accept only what protovalidate accepts, and the short way of ingest only what the long way does."""

import asyncio
import random
from operator import attrgetter

import protovalidate
import pytest
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from hub.domain import reference
from hub.domain.event_rules import Context
from hub.domain.roles import every_role, rights_of
from hub.domain.texts import DIGITS_THAT_NAME, holds_identifier
from hub.domain.wellformed import general_faults
from hub.intake.batch import Intake
from hub.intake.batches import batch_reader
from hub.intake.compiled_rules import accepts
from hub.trust.keyring import open_keyring
from tests.messages import AT_S, journey, name_card

KINDS = [field.name for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields]
VALIDATOR = protovalidate.Validator()
_DAYS = ["2025-09-01", "2025-09-01\n", "25-09-01"]
_TEXTS = ["", "a", "50", "51", "52", "510100", "51010", *_DAYS, "x" * 64, "x" * 65, "x" * 300, "urn:chuanyu:participant:a"]
_TEXTS += ["\u202eabc", "a\tb", "\x85", "全角\u3000空格", "\ue000", "阿依古丽·买买提"]
UNSIGNED = {
    FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_FIXED64,
}  # fmt: skip
_NUMBERS = [-1, 0, 1, 2, 3, 5, 99, 2025, 10_000, 10_001, 2**31 - 1]


def fill(message: Message, rng: random.Random, depth: int = 0) -> None:
    """Sets a random half of the fields to values around the borders of the rules."""
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.5 or (field.containing_oneof is not None and field.containing_oneof.name == "kind"):
            continue
        for _ in range(rng.choice([1, 2, 70]) if field.is_repeated else 1):
            _set(message, field, rng, depth)


def _set(message: Message, field: FieldDescriptor, rng: random.Random, depth: int) -> None:
    if field.message_type is not None:
        target = getattr(message, field.name)
        inner = target.add() if field.is_repeated else target
        inner.SetInParent()
        if depth < 3 and inner.DESCRIPTOR.full_name != "chuanyu.exchange.v1.Event":
            fill(inner, rng, depth + 1)
        return
    value: object
    if field.type == FieldDescriptor.TYPE_STRING:
        value = rng.choice(_TEXTS)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        value = b"k" * rng.choice([0, 31, 32, 33])
    elif field.type == FieldDescriptor.TYPE_BOOL:
        value = rng.random() < 0.5
    else:
        value = rng.choice(_NUMBERS) if field.type not in UNSIGNED else abs(rng.choice(_NUMBERS))
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def say_the_same(kind: str | None, count: int) -> None:
    """Compares both about so many messages of a kind, None for what every event has, that are filled by chance."""
    rng = random.Random(f"shape {kind}")
    message_type = type(getattr(event_pb2.Event(), kind)) if kind else event_pb2.Event
    accept = accepts(message_type.DESCRIPTOR)
    for _ in range(count):
        message = message_type()
        fill(message, rng)
        assert accept(message) == (not VALIDATOR.collect_violations(message) and not list(general_faults(message))), message


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_the_compiled_rules_say_what_protovalidate_says(kind: str | None) -> None:
    say_the_same(kind, 50)


@pytest.mark.slow
def test_the_compiled_rules_say_what_protovalidate_says_of_more() -> None:
    for kind in (*KINDS, None):
        say_the_same(kind, 300)


def _prepare(intake: Intake, *events: event_pb2.Event) -> list[bool]:
    """Whether each event of a batch is quarantined."""
    request = feed_service_pb2.AppendEventsRequest(feed="f", first_sequence=1, events=events)
    received = batch_reader(feed_service_pb2.AppendEventsRequest)(request.SerializeToString())
    context = Context(rights_of("50", every_role()), AT_S + 86_400, reference.load(), lambda _: True)
    prepared = asyncio.run(intake.prepare(1, "owner", received, context, lambda _: 1))
    intake.identifiers.remember(prepared.new_identifiers)
    return [offset in prepared.quarantined for offset in range(len(events))]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda event: setattr(event, "service_region", "519999"),
        lambda event: setattr(event, "scenario", "TRA.XXX"),
        lambda event: setattr(event, "business_date", "2025-02-30"),
        lambda event: setattr(event, "medium", 77),
        lambda event: setattr(event, "venue_code", "v" * 65),
        lambda event: setattr(event.source, "message_id", "m" * 65),
        lambda event: setattr(event.source, "file_name", "f" * 129),
        lambda event: setattr(event.source, "line_no", 1_000_000_001),
        lambda event: setattr(event, "decision_position", 2**63),
        lambda event: name_card(event.card_aliases.add(), "A0000000!", "50"),
        lambda event: setattr(event.source, "system", ""),
        lambda event: setattr(event.card, "clear", "lower-123"),
        lambda event: setattr(event.card, "issuing_province", "52"),
        lambda event: setattr(event.card, "kind", 0),
        lambda event: setattr(event.occurred_at, "seconds", AT_S + 3 * 86_400),
        lambda event: setattr(event.occurred_at, "seconds", 0),
        lambda event: setattr(event.occurred_at, "nanos", -5),
        lambda event: setattr(event.occurred_at, "nanos", 2**31 - 1),
        lambda event: setattr(event.transit_journey_completed.entry_at, "seconds", AT_S * 1_000),
        lambda event: setattr(event.transit_journey_completed.exit_at, "nanos", -1),
        lambda event: setattr(event.source, "message_id", "a\x00b"),
        lambda event: setattr(event, "venue_code", "\u202egnp.exe"),
        lambda event: setattr(event.transit_journey_completed.tap, "line", "2\x9b"),
        lambda event: setattr(event.transit_journey_completed, "station_in", "a\u2066b"),
        lambda event: setattr(event.source, "message_id", "no/13812341234"),
        lambda event: setattr(event.source, "message_id", "A00000001"),
        lambda event: setattr(event, "venue_code", "500199198503211232"),
        lambda event: setattr(event.transit_journey_completed.tap, "station", "A00000001"),
        lambda event: event.ClearField("card"),
        lambda event: event.ClearField("occurred_at"),
        lambda event: setattr(event.transit_journey_completed.tap, "mode", 0),
        lambda event: setattr(event.transit_journey_completed, "fare_paid_fen", -1),
        lambda event: setattr(event.transit_journey_completed, "fare_paid_fen", 10**14 + 1),
        lambda event: setattr(event, "amount_fen", 10**14 + 1),
        lambda event: setattr(event, "amount_fen", -(10**14) - 1),
        lambda event: event.card_registered.SetInParent(),
    ],
)
def test_what_is_spoiled_is_quarantined_however_many_like_it_passed_before(spoil: object, tmp_path: object) -> None:
    intake = Intake(open_keyring(tmp_path))  # type: ignore[arg-type]
    assert _prepare(intake, journey("A00000001"), journey("A00000001")) == [False, False]
    assert _prepare(intake, journey("A00000001")) == [False]
    spoiled = journey("A00000001")
    spoil(spoiled)  # type: ignore[operator]
    assert _prepare(intake, journey("A00000001"), spoiled, journey("A00000001")) == [False, True, False]


def test_the_short_way_stores_the_same_as_the_long_way(tmp_path: object) -> None:
    keyring = open_keyring(tmp_path)  # type: ignore[arg-type]
    short, long = Intake(keyring), Intake(keyring)
    _prepare(short, journey("A00000001"))
    read = batch_reader(feed_service_pb2.AppendEventsRequest)
    data = feed_service_pb2.AppendEventsRequest(feed="f", first_sequence=1, events=[journey("A00000001")]).SerializeToString()
    context = Context(rights_of("50", every_role()), AT_S + 86_400, reference.load(), lambda _: True)
    by_short = asyncio.run(short.prepare(1, "owner", read(data), context, lambda _: 1))
    by_long = asyncio.run(long.prepare(1, "owner", read(data), context, lambda _: 1))
    assert by_short.new_identifiers == {}
    assert by_short.batch.tails == by_long.batch.tails
    assert by_short.batch.digests == by_long.batch.digests


def test_an_empty_source_is_quarantined_though_events_without_one_passed(tmp_path: object) -> None:
    intake = Intake(open_keyring(tmp_path))  # type: ignore[arg-type]
    without = journey("A00000001")
    without.ClearField("source")
    assert _prepare(intake, without, without) == [False, False]
    empty = journey("A00000001")
    empty.ClearField("source")
    empty.source.line_no = 5
    assert _prepare(intake, without, empty) == [False, True]


@pytest.mark.parametrize("path", ["", "occurred_at", "source", "card", "transit_journey_completed", "transit_journey_completed.tap"])
def test_what_is_unknown_is_dropped_by_the_short_way_wherever_it_is_in_an_event(path: str, tmp_path: object) -> None:
    intake = Intake(open_keyring(tmp_path))  # type: ignore[arg-type]
    _prepare(intake, journey("A00000001"))
    with_unknown = journey("A00000001")
    inner = attrgetter(path)(with_unknown) if path else with_unknown
    # Field 4000, a text; no message of ours has so many.
    inner.MergeFromString(b"\x82\xfa\x01\x06secret")
    request = feed_service_pb2.AppendEventsRequest(feed="f", first_sequence=1, events=[with_unknown, journey("A00000001")])
    assert b"secret" in request.SerializeToString()
    context = Context(rights_of("50", every_role()), AT_S + 86_400, reference.load(), lambda _: True)
    received = batch_reader(feed_service_pb2.AppendEventsRequest)(request.SerializeToString())
    (with_it, _), (without, _) = asyncio.run(intake.prepare(1, "owner", received, context, lambda _: 1)).batch.tails
    assert _stored(with_it) == _stored(without)


def _stored(tail: bytes) -> bytes:
    """The packed row behind its digest."""
    return tail[tail.index(b"\0\0\0\x20") + 36 :]


def test_the_short_way_looks_into_every_message_of_the_envelope_or_leaves_it_to_the_long_way() -> None:
    inner = {field.name for field in event_pb2.Event.DESCRIPTOR.fields if field.message_type is not None and not field.containing_oneof}
    assert inner == {"occurred_at", "source", "card"} | {"card_aliases", "holder", "corrects", "reverses", "sent_batch"}


def test_digits_alone_are_searched_exactly_where_they_can_name_somebody() -> None:
    chosen = random.Random(7)
    for length in range(60):
        texts = ["".join(chosen.choices("0123456789", k=length)) for _ in range(2_000)] + [
            "62" + "0" * (length - 2),
            "13" + "8" * (length - 2),
        ]
        assert length in DIGITS_THAT_NAME or not any(map(holds_identifier, texts))
