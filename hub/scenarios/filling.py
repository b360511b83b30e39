"""Fills messages from what people write: names of fields, short names of enum values, local times, aliases of cards and steps.

It goes by the descriptors, so a new kind of event or a new claim needs nothing here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from chuanyu.exchange.v1 import references_pb2 as references
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hub.domain.instants import microseconds_of, with_zone

_CLEAR = frozenset(kind.DESCRIPTOR.full_name for kind in (references.BankAccountRef, references.NameRef, references.MobileRef))


# Numbers that name one fact wherever it is reported: each run on a hub has its own.
_NATIVE = frozenset(
    {
        "account_id",
        "application_no",
        "bank_serial",
        "barcode",
        "batch_no",
        "booking_ref",
        "case_no",
        "coupon_id",
        "filing_no",
        "funder",
        "original_settlement_id",
        "package_no",
        "settlement_id",
        "transfer_no",
        "visit_id",
    }
)


class FieldInvalid(ValueError):
    """A field says what its message cannot hold."""

    def __init__(self, path: str, why: str) -> None:
        """*path* is as in protos, such as tap.mode."""
        super().__init__(f"{path}: {why}")
        self.path, self.why = path, why


def _resident(number: str) -> tuple[int, str]:
    return references.ID_TYPE_RESIDENT_ID, number


@dataclass(frozen=True, slots=True)
class Names:
    """What aliases mean: (issuing province, number) of a card, (feed, sequence) of a step, (kind, number) of a person's document.

    *run* goes before native numbers; *items* are a run's own ids of service items.
    """

    cards: Mapping[str, tuple[str, str]]
    events: dict[str, tuple[str, int]]
    run: str = ""
    person: Callable[[str], tuple[int, str]] = _resident
    items: Mapping[str, str] = field(default_factory=dict)


def fill(message: Message, content: Mapping[str, Any], names: Names, path: str = "") -> None:
    """Sets the named fields of a message; raises FieldInvalid."""
    for name, value in content.items():
        here = f"{path}.{name}" if path else name
        field = message.DESCRIPTOR.fields_by_name.get(name)
        if field is None:
            known = ", ".join(known.name for known in message.DESCRIPTOR.fields)
            raise FieldInvalid(here, f"there is no such field; one of: {known}")
        if field.is_repeated:
            _fill_list(message, field, value, names, here)
        elif field.message_type is not None:
            _fill_message(getattr(message, name), value, names, here)
        else:
            said = _scalar(field, value, here)
            if name == "item_id":
                said = names.items.get(said, said)
            setattr(message, name, names.run + said if name in _NATIVE and said else said)


def _fill_list(message: Message, field: Any, values: Any, names: Names, path: str) -> None:
    if not isinstance(values, list):
        raise FieldInvalid(path, "is a list")
    items = getattr(message, field.name)
    for value in values:
        if field.message_type is not None:
            _fill_message(items.add(), value, names, path)
        else:
            items.append(_scalar(field, value, path))


def _fill_message(message: Message, value: Any, names: Names, path: str) -> None:
    message.SetInParent()
    if isinstance(message, Timestamp):
        try:
            message.FromMicroseconds(local_instant(value))
        except ValueError:
            raise FieldInvalid(path, f"is no time: {value!r}") from None
    elif isinstance(message, references.CardRef):
        if value not in names.cards:
            raise FieldInvalid(path, f"{value!r} is no card of this file")
        message.issuing_province, message.clear = names.cards[value]
        message.kind = references.CARD_IDENTIFIER_KIND_CARD_NO
    elif isinstance(message, references.EventRef):
        if value not in names.events:
            raise FieldInvalid(path, f"{value!r} is no step of this file")
        message.feed, message.sequence = names.events[value]
    elif isinstance(message, references.PersonRef):
        id_type, message.clear = names.person(_text(value, path))
        message.id_type = references.IdType.ValueType(id_type)
    elif isinstance(message, references.TokenRef):
        message.clear = names.run + _text(value, path)
    elif message.DESCRIPTOR.full_name in _CLEAR:
        message.clear = _text(value, path)  # type: ignore[attr-defined]
    elif isinstance(value, dict):
        fill(message, value, names, path)
    else:
        raise FieldInvalid(path, "is a table")


def _scalar(field: Any, value: Any, path: str) -> Any:
    if field.enum_type is not None:
        prefix = enum_prefix(field.enum_type)
        short = {known.name.removeprefix(prefix): known.number for known in field.enum_type.values if known.number}
        if not isinstance(value, str) or value not in short:
            raise FieldInvalid(path, f"{value!r} is none of: {', '.join(short)}")
        return short[value]
    kinds: dict[int, type] = {FieldDescriptor.CPPTYPE_STRING: str, FieldDescriptor.CPPTYPE_BOOL: bool}
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and type(value) is date:
        return value.isoformat()
    wanted = kinds.get(field.cpp_type, int)
    if type(value) is not wanted:
        raise FieldInvalid(path, f"{value!r} is no {'text' if wanted is str else 'true or false' if wanted is bool else 'number'}")
    return value


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise FieldInvalid(path, "is a text")
    return value


def enum_prefix(descriptor: EnumDescriptor) -> str:
    """Returns what all values of an enum begin with, such as SOCIAL_STATUS_."""
    return str(descriptor.values_by_number[0].name).removesuffix("UNSPECIFIED")


def local_instant(value: Any) -> int:
    """Returns the microseconds since 1970 of a time, +08:00 unless it says otherwise; raises ValueError."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise ValueError("no time")
    return microseconds_of(with_zone(value))
