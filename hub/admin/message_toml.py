"""Reads a message from a TOML file as a policy officer writes it: fields by name, values of enums without their prefix, days as days.

Every problem names its field. Days and instants without an offset are local (+08:00): as an instant a day is its first moment.
"""

import tomllib
from datetime import UTC, date, datetime
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hub.domain.errors import RequestInvalid
from hub.domain.instants import local_midnight, with_zone

Problems = list[tuple[str, str]]


def read_toml(content: bytes) -> dict[str, Any]:
    """Returns the table in a file; raises RequestInvalid."""
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise RequestInvalid([("file", "toml")]) from None


def fill(message: Message, table: dict[str, Any], *required: str) -> None:
    """Sets the fields of a message that a table names, *required* among them; raises RequestInvalid with every problem."""
    problems: Problems = [(field, "required") for field in required if field not in table]
    _fill(message, table, "", problems)
    if problems:
        raise RequestInvalid(sorted(problems))


def instant(value: Any) -> datetime:
    """Returns the instant in UTC of a day or a time, local where it has no offset; raises TypeError for anything else."""
    if isinstance(value, datetime):
        return with_zone(value).astimezone(UTC)
    if isinstance(value, date):
        return local_midnight(value)
    raise TypeError


def _fill(message: Message, table: dict[str, Any], within: str, problems: Problems) -> None:
    for name, value in table.items():
        field: Any = message.DESCRIPTOR.fields_by_name.get(name)
        if field is None:
            problems.append((f"{within}{name}", "unknown_field"))
            continue
        try:
            _set(message, field, value, f"{within}{name}", problems)
        except (TypeError, ValueError):
            problems.append((f"{within}{name}", "value"))


def _set(message: Message, field: FieldDescriptor, value: Any, path: str, problems: Problems) -> None:
    """Sets one field; raises TypeError or ValueError where the value is none of its kind."""
    if field.is_repeated != isinstance(value, list):
        raise TypeError
    if field.message_type is Timestamp.DESCRIPTOR:
        getattr(message, field.name).FromDatetime(instant(value))
    elif field.message_type is not None:
        for one in value if field.is_repeated else [value]:
            if not isinstance(one, dict):
                raise TypeError
            _fill(getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name), one, f"{path}.", problems)
    elif field.is_repeated:
        getattr(message, field.name).extend([_scalar(field, one) for one in value])
    else:
        setattr(message, field.name, _scalar(field, value))


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        return _number(field.enum_type, value)
    if isinstance(value, date) and not isinstance(value, datetime) and field.name.endswith(("_from", "_to")):
        return value.isoformat()
    # A truth value is a number to Python, and would be taken for one.
    if isinstance(value, bool) != (field.cpp_type == FieldDescriptor.CPPTYPE_BOOL):
        raise TypeError
    return value


def _number(enum: EnumDescriptor, name: Any) -> int:
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    found = enum.values_by_name.get(f"{prefix}{name}")
    if found is None or not found.number:
        raise ValueError
    return int(found.number)
