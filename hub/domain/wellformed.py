"""What holds for every message and no annotation says: instants that a calendar has, lengths of time, texts without control characters.

Each is found by the type of its field, so a new field needs nothing here. Which characters are refused is written out: a property of
Python's Unicode version would refuse lawful names in one release and take them in the next.
"""

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

# 1900-01-01 and 2200-01-01 in UTC: milliseconds put into seconds lie far beyond, and so does a null date of the year 1.
EARLIEST_INSTANT_S, END_OF_INSTANTS_S = -2_208_988_800, 7_258_118_400
LONGEST_S = 10 * 366 * 86_400
NANOS = 1_000_000_000
TIMESTAMP, DURATION = "google.protobuf.Timestamp", "google.protobuf.Duration"
# C0 with DEL, C1, separators of lines and paragraphs, what turns the direction of a text, lone surrogates.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def is_instant(timestamp: Any) -> bool:
    """Whether a Timestamp is one, and of this age."""
    return bool(EARLIEST_INSTANT_S <= timestamp.seconds < END_OF_INSTANTS_S and 0 <= timestamp.nanos < NANOS)


def is_length_of_time(duration: Any) -> bool:
    """Whether a Duration is one, forwards, and of ten years at most."""
    return bool(0 <= duration.seconds <= LONGEST_S and 0 <= duration.nanos < NANOS)


def is_plain(text: str) -> bool:
    """Whether a text has no control character."""
    # What can be printed has none, in every version of Unicode, and asking that is four times as fast.
    return text.isprintable() or _CONTROLS.search(text) is None


def general_faults(message: Message, path: str = "") -> Iterator[tuple[str, str]]:
    """Yields (field path, rule) for each value of a message that is none of its type; of an event its envelope alone."""
    for field, value in message.ListFields():
        if field.containing_oneof is not None and field.containing_oneof.name == "kind":
            continue
        here = f"{path}.{field.name}" if path else field.name
        for item in value if field.is_repeated else (value,):
            if field.type == FieldDescriptor.TYPE_STRING:
                if not is_plain(item):
                    yield here, "control_character"
            elif field.message_type is None:
                break
            elif field.message_type.full_name == TIMESTAMP:
                if not is_instant(item):
                    yield here, "impossible_instant"
            elif field.message_type.full_name == DURATION:
                if not is_length_of_time(item):
                    yield here, "impossible_duration"
            elif field.message_type.full_name.startswith("chuanyu."):
                yield from general_faults(item, here)


def drop_impossible_instants(message: Message) -> None:
    """Clears what is no instant, however deep: events recorded before it was refused must not break those who read them."""
    for field, value in message.ListFields():
        if field.message_type is None or field.is_repeated:
            continue
        if field.message_type.full_name == TIMESTAMP:
            if not is_instant(value):
                message.ClearField(field.name)
        elif field.message_type.full_name.startswith("chuanyu."):
            drop_impossible_instants(value)
