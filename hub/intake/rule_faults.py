"""Every rule of shape that a message breaks, by name: for the answer, once the fast yes of `hub.intake.compiled_rules` did not come."""

import math
from functools import cache
from typing import TYPE_CHECKING

from buf.validate import validate_pb2
from google.protobuf.message import Message

from hub.domain.wellformed import general_faults
from hub.intake.compiled_rules import accepts

if TYPE_CHECKING:
    import protovalidate

# Of a repeated field that has more items than it may.
OVERFULL = "repeated.max_items"


@cache
def validator() -> "protovalidate.Validator":
    """Returns what names the rules; to load it takes a tenth of a start, so that a process does so once it serves."""
    import protovalidate

    return protovalidate.Validator()


def shape_faults(message: Message, prefix: str = "") -> list[tuple[str, str]]:
    """Returns every rule of shape that a message breaks, as (field path behind *prefix*, rule); of an event its envelope alone."""
    return [] if accepts(message.DESCRIPTOR)(message) else faults_of(message, prefix)


def faults_of(message: Message, prefix: str = "") -> list[tuple[str, str]]:
    """Returns what `shape_faults` does, of a message that the fast yes was not given to."""
    # protovalidate names each item of a field and all its faults: a second of work for a message of 16 KiB that has nothing but items.
    if overfull := _overfull(message, prefix):
        return overfull
    broken = [(field_path(violation), str(violation.proto.rule_id)) for violation in validator().collect_violations(message)]
    return [(f"{prefix}{path}", rule) for path, rule in (*broken, *general_faults(message))]


def _overfull(message: Message, prefix: str) -> list[tuple[str, str]]:
    """Returns the repeated fields, at any depth, that have more items than they may."""
    found: list[tuple[str, str]] = []
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        if field.is_repeated and len(value) > (field.GetOptions().Extensions[validate_pb2.field].repeated.max_items or math.inf):
            found.append((path, OVERFULL))
        elif field.message_type is not None:
            for item in value if field.is_repeated else (value,):
                found += _overfull(item, f"{path}.")
    return found


def field_path(violation: "protovalidate.Violation") -> str:
    """Returns the path of the field, such as card.clear."""
    field = violation.proto.field
    return ".".join(str(element.field_name) for element in (field.elements if field is not None else ()))
