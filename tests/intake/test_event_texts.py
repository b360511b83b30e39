"""Texts of events: an identifier in any of them is quarantined by its path, and the native numbers of both provinces' traffic pass."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from buf.validate import validate_pb2
from chuanyu.exchange.v1 import event_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from adapters.simulator.events import events
from hub.domain import reference
from hub.domain.event_rules import HUB_KINDS, Context
from hub.domain.roles import every_role, rights_of
from hub.domain.texts import holds_identifier, identifier_in, identifiers_in_texts
from hub.intake.batch import faults
from tests.messages import AT_S, journey

CARD = "A00000001"
NUMBERS = {"ID number": "500199198503211232", "mobile": "13812341234", "account": "6217000000000000004", "own card": CARD}
CONTEXT = Context(rights_of("50", every_role()), AT_S + 86_400, reference.load(), lambda _: True)
KINDS = [field for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields if field.name not in HUB_KINDS]


def free_texts(descriptor: Descriptor, above: tuple[FieldDescriptor, ...] = ()) -> Iterator[tuple[FieldDescriptor, ...]]:
    """Every text below a message whose characters no rule says, but for those that are an identifier's place."""
    for field in descriptor.fields:
        rules = field.GetOptions().Extensions[validate_pb2.field]
        text = rules.repeated.items.string if field.is_repeated else rules.string
        if field.containing_oneof is not None and field.containing_oneof.name == "kind":
            continue
        if field.message_type is not None and field.message_type.full_name.startswith("chuanyu."):
            yield from free_texts(field.message_type, (*above, field))
        elif field.type == FieldDescriptor.TYPE_STRING and field.name != "clear" and not text.pattern and not getattr(text, "in"):
            yield (*above, field)


PLACES = [(kind, place) for kind in KINDS for place in free_texts(kind.message_type, (kind,))]
PLACES += [(KINDS[0], place) for place in free_texts(event_pb2.Event.DESCRIPTOR)]


def written(kind: FieldDescriptor, place: tuple[FieldDescriptor, ...], text: str) -> event_pb2.Event:
    event = journey(CARD)
    getattr(event, kind.name).SetInParent()
    *above, last = place
    target = event
    for field in above:
        target = getattr(target, field.name).add() if field.is_repeated else getattr(target, field.name)
    getattr(target, last.name).append(text) if last.is_repeated else setattr(target, last.name, text)
    return event


def path_of(place: tuple[FieldDescriptor, ...]) -> str:
    return ".".join(field.name for field in place)


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_an_identifier_in_any_text_of_any_kind_is_quarantined_by_its_path(number: str) -> None:
    assert len(PLACES) > 180
    for kind, place in PLACES:
        longest = place[-1].GetOptions().Extensions[validate_pb2.field].string.max_len or 64
        if len(number) <= longest:
            event = written(kind, place, number)
            found = faults(event, kind.name, getattr(event, kind.name), CONTEXT)
            assert (path_of(place), "identifier_in_clear") in found, path_of(place)


def test_another_card_s_number_is_found_where_nothing_is_numbered_and_is_a_native_number_elsewhere() -> None:
    event = journey(CARD)
    event.source.message_id, event.venue_code, event.source.file_name = "B00000002", "V51010601", "card-B00000002.csv"
    assert list(identifiers_in_texts(event)) == [("source.file_name", "a card number")]


def test_a_number_with_the_day_it_was_given_is_a_serial_number_though_its_check_digit_is_right() -> None:
    event = journey(CARD)
    event.source.message_id = "510199202509010012"
    found = [last for last in "0123456789X" if holds_identifier(f"51019920250901001{last}")]
    assert len(found) == 1
    event.source.message_id = f"51019920250901001{found[0]}"
    assert list(identifiers_in_texts(event)) == []
    event.holder.id_type, event.holder.clear = 1, event.source.message_id
    assert list(identifiers_in_texts(event)) == [("source.message_id", "an ID number")]
    found_in = [identifier_in("message_id", event.source.message_id, year) for year in (2026, 2030)]
    assert found_in == [None, "an ID number"]


def test_a_shape_that_passed_does_not_let_an_identifier_pass() -> None:
    for number in NUMBERS.values():
        for text in (number, f"q-{number}", f"00017/{number}"):
            assert not holds_identifier(text.replace(number, "0" * len(number)))
            assert holds_identifier(text)


def test_the_traffic_of_both_provinces_has_no_text_that_is_taken_for_one() -> None:
    at = datetime(2026, 3, 2, 13, 30, tzinfo=UTC)
    texts = [event for _, event in events(1, 3_000, at) if any(identifiers_in_texts(event))]
    assert texts == []
