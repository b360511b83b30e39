"""What passes by its bytes alone keeps every rule, and is written as it would be written again."""

import random
from collections.abc import Iterator

import pytest
from chuanyu.exchange.v1 import event_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from hub.bench.load import usage_event
from hub.domain.wellformed import END_OF_INSTANTS_S, NANOS
from hub.intake.byte_rules import keeps
from hub.intake.compiled_rules import accepts
from tests.intake.test_compiled_rules import KINDS, UNSIGNED
from tests.messages import AT_S
from tests.seeds import one_in

_TEXTS = ["a", "0611", "x" * 8, "x" * 9, "x" * 64, "x" * 65, "x" * 127, "x" * 128, "12345678", "653000012345", "A12345678", "13912345678"]
_TEXTS += ["-139 12345678", "500199198503211232", "50019919850321123X", "62220212345678901", "ab-2025-09-01 12", "a\tb", "\x7f", "阿依古丽"]
_NUMBERS = [1, 2, 127, 128, 16_383, 16_384, 65_535, 65_536, 2**28 - 1, 2**28, 2**31 - 1, 2**32 - 1, 2**32, 2**63 - 1, -1]
_INSTANTS = [0, 1, 2**28 - 1, 2**28, AT_S, END_OF_INSTANTS_S - 1, END_OF_INSTANTS_S, 2**35 - 1, 2**35]
_NANOS = [0, 0, 1, 127, 128, 2**28, NANOS - 1, NANOS, -1]


def _fill(message: Message, rng: random.Random, share: float) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated or rng.random() > share:
            continue
        if field.message_type is not None:
            inner = getattr(message, field.name)
            inner.SetInParent()
            if isinstance(inner, Timestamp):
                inner.seconds, inner.nanos = rng.choice(_INSTANTS), rng.choice(_NANOS)
            elif field.message_type.full_name.startswith("chuanyu.") and not field.message_type.full_name.endswith(".Event"):
                _fill(inner, rng, share)
        elif (value := _value(field, rng)) is not None:
            setattr(message, field.name, value)


def _value(field: FieldDescriptor, rng: random.Random) -> object:
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return rng.choice(_TEXTS)
        case FieldDescriptor.TYPE_BOOL:
            return True
        case FieldDescriptor.TYPE_ENUM:
            return rng.choice([0, 1, 1, 2, 99])
        case FieldDescriptor.TYPE_BYTES | FieldDescriptor.TYPE_DOUBLE:
            return None
        case kind:
            most = 2**31 if kind == FieldDescriptor.TYPE_INT32 else 2**32 if kind == FieldDescriptor.TYPE_UINT32 else 2**63
            numbers = [number for number in _NUMBERS if number < most]
            return rng.choice([abs(number) for number in numbers] if kind in UNSIGNED else numbers)


def _variants(sent: bytes, rng: random.Random) -> Iterator[bytes]:
    yield sent
    for _ in range(6):
        changed = bytearray(sent)
        for _ in range(rng.randint(1, 2)):
            at = rng.randrange(len(changed) + 1)
            match rng.randrange(4):
                case 0 if at < len(changed):
                    changed[at] = rng.randrange(256)
                case 1:
                    del changed[at : at + 1]
                case 2:
                    changed.insert(at, rng.choice([0, 1, 0x80, 0xFF, rng.randrange(256)]))
                case _:
                    changed[at:at] = changed[at : at + rng.randint(1, 8)]
        yield bytes(changed)


@pytest.mark.parametrize("seed", one_in(2, [1, 20_250_901]))
def test_what_is_kept_is_accepted_and_written_in_one_way(seed: int) -> None:
    rng, kept = random.Random(seed), set[str]()
    for kind in KINDS:
        message_of = type(getattr(event_pb2.Event(), kind))
        keep, accept = keeps(message_of.DESCRIPTOR), accepts(message_of.DESCRIPTOR)
        for share in (0.0, 0.2, 0.5, 0.9) * 6:
            message = message_of()
            _fill(message, rng, share)
            for data in _variants(message.SerializeToString(deterministic=True), rng):
                if not keep(data):
                    continue
                kept.add(kind)
                try:
                    found = message_of.FromString(data)
                except DecodeError:
                    pytest.fail(f"{kind}: {data!r}")
                assert accept(found), (kind, found)
                found.DiscardUnknownFields()
                assert found.SerializeToString(deterministic=True) == data, (kind, data)
    assert len(kept) > 60


def test_the_journeys_of_a_daily_file_pass_by_their_bytes() -> None:
    journeys = [usage_event(number).transit_journey_completed for number in range(1, 200_000, 997)]
    keep = keeps(journeys[0].DESCRIPTOR)
    assert all(keep(journey.SerializeToString()) for journey in journeys)


@pytest.mark.parametrize("text", ["13912345678", "A12345678", "6222021234567890", "500199198503211232", "车站"])
def test_what_could_name_somebody_or_is_no_ascii_is_looked_at_in_another_way(text: str) -> None:
    journey = usage_event(1).transit_journey_completed
    journey.line_in = text
    assert not keeps(journey.DESCRIPTOR)(journey.SerializeToString())
