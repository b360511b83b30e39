"""A fast yes, from its bytes alone, to the question whether a message keeps its rules and is written as protobuf libraries write one.

To parse a message, to ask `hub.intake.compiled_rules` and to write it again takes 3 µs, a fifth of an event. This makes one regular
expression of the same annotations. It matches only what all three would pass (a test holds it to that): fields in the order of their
numbers, each once, none that is empty or unknown, numbers in as few bytes as they need, texts of ASCII without an identifier. What
it does not know it leaves out, and a message with that goes the other way.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from hub.domain.texts import DIGITS_THAT_NAME, SHORTEST
from hub.domain.wellformed import END_OF_INSTANTS_S, NANOS, TIMESTAMP

Keeps = Callable[[bytes], bool]

# What is longer has a length of two bytes.
_LONGEST = 127
# Every identifier has as many digits one after the other.
_DIGITS_OF_AN_IDENTIFIER = 8
_DEEPEST = 3
_NUMBERS = {"uint32": 2**32 - 1, "int32": 2**31 - 1, "uint64": 2**63 - 1, "int64": 2**63 - 1}
_TYPES = {
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_INT64: "int64",
}


class _Unknown(Exception):
    """Something that these patterns do not say."""


@cache
def keeps(descriptor: Descriptor) -> Keeps:
    """Returns the function for messages of a type; no is what has to be looked at in another way."""
    try:
        fullmatch = re.compile(_message(descriptor, _DEEPEST), re.DOTALL).fullmatch
    except _Unknown:
        return lambda _: False

    def keep(data: bytes) -> bool:
        match = fullmatch(data)
        if match is None:
            return False
        # The groups are the lengths of messages within and what follows each of them.
        groups = iter(match.groups())
        for size in groups:
            within = next(groups)
            if size is not None and size[0] != len(within):
                return False
        return True

    return keep


def _message(descriptor: Descriptor, deep: int) -> bytes:
    if list(descriptor.GetOptions().Extensions[validate_pb2.message].ListFields()) or not deep:
        raise _Unknown
    if any(len(oneof.fields) > 1 or oneof.GetOptions().Extensions[validate_pb2.oneof].required for oneof in descriptor.oneofs):
        raise _Unknown
    return b"".join(_field(field, deep) for field in sorted(descriptor.fields, key=lambda field: field.number))


def _field(field: FieldDescriptor, deep: int) -> bytes:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    try:
        value, may_be_zero = _value(field, rules, deep)
    except _Unknown:
        if rules.required or not _may_be_left_out(field, rules):
            raise
        return b""
    is_asked_anyway = field.containing_oneof is None and rules.ignore != validate_pb2.IGNORE_IF_ZERO_VALUE
    written = re.escape(_varint(field.number << 3 | _wire_type(field))) + value
    return written if rules.required or (is_asked_anyway and not may_be_zero) else b"(?:%b|)" % written


def _may_be_left_out(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> bool:
    """Whether a field may be empty of whose rules nothing else is known."""
    if rules.cel or rules.cel_expression:
        return False
    if field.is_repeated:
        return rules.WhichOneof("type") in (None, "repeated") and not rules.repeated.min_items
    if field.message_type is not None or field.containing_oneof is not None:
        return True
    return rules.ignore != validate_pb2.IGNORE_UNSPECIFIED or rules.WhichOneof("type") is None


def _wire_type(field: FieldDescriptor) -> int:
    return 2 if field.message_type is not None or field.type == FieldDescriptor.TYPE_STRING else 0


def _varint(value: int) -> bytes:
    return bytes((value,)) if value < 128 else bytes((value & 127 | 128,)) + _varint(value >> 7)


def _value(field: FieldDescriptor, rules: validate_pb2.FieldRules, deep: int) -> tuple[bytes, bool]:
    """Returns the pattern of a field behind its tag, and whether it may be zero or empty, which is not written."""
    if field.is_repeated or rules.cel or rules.cel_expression or rules.ignore == validate_pb2.IGNORE_ALWAYS:
        raise _Unknown
    if field.message_type is not None:
        return _within(field.message_type, rules, deep), True
    kind = rules.WhichOneof("type")
    values = {} if kind is None else {rule.name: value for rule, value in getattr(rules, kind).ListFields()}
    if field.type == FieldDescriptor.TYPE_BOOL and kind is None:
        return rb"\x01", True
    if field.type == FieldDescriptor.TYPE_ENUM:
        return _enum(field, values)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text(values)
    if (name := _TYPES.get(field.type)) is not None and kind in (None, name):
        return _number(name, values)
    raise _Unknown


def _within(inner: Descriptor, rules: validate_pb2.FieldRules, deep: int) -> bytes:
    if rules.WhichOneof("type") is not None:
        raise _Unknown
    if inner.full_name == TIMESTAMP:
        return _instant()
    if not inner.full_name.startswith("chuanyu."):
        raise _Unknown
    return rb"([\x00-\x7f])(%b)" % _message(inner, deep - 1)


def _instant() -> bytes:
    """An instant since 1978, behind its length."""
    seconds = rb"\x08[\x80-\xff]{4}[\x01-%b]" % _hex((END_OF_INSTANTS_S >> 28) - 1)
    nanos = [rb"[\x80-\xff]{%d}[\x01-\x7f]" % more for more in range(4)] + [rb"[\x80-\xff]{4}[\x01-%b]" % _hex((NANOS >> 28) - 1)]
    ways = [rb"\x06" + seconds, *(_hex(8 + more) + seconds + rb"\x10" + number for more, number in enumerate(nanos))]
    return b"(?:%b)" % b"|".join(ways)


def _enum(field: FieldDescriptor, values: dict[str, object]) -> tuple[bytes, bool]:
    if set(values) - {"defined_only", "not_in"} or not values.get("defined_only"):
        raise _Unknown
    assert field.enum_type is not None
    refused: object = values.get("not_in", ())
    assert isinstance(refused, Iterable)
    allowed = {value.number for value in field.enum_type.values} - set(refused)
    written = b"".join(_hex(number) for number in sorted(allowed) if 0 < number < 128)
    if not written:
        raise _Unknown
    return b"[%b]" % written, 0 in allowed


def _number(name: str, values: dict[str, object]) -> tuple[bytes, bool]:
    if set(values) - {"gte", "lte"}:
        raise _Unknown
    least, most = values.get("gte", 0), values.get("lte", _NUMBERS[name])
    assert isinstance(least, int)
    assert isinstance(most, int)
    most = min(most, _NUMBERS[name])
    if least > 1 or most < 1:
        raise _Unknown
    full = ((most + 1).bit_length() - 1) // 7
    ways = [rb"[\x80-\xff]{0,%d}[\x01-\x7f]" % (full - 1)] if full else []
    if top := ((most + 1) >> 7 * full) - 1:
        ways.append(rb"[\x80-\xff]{%d}[\x01-%b]" % (full, _hex(top)))
    return b"(?:%b)" % b"|".join(ways), least < 1


def _text(values: dict[str, object]) -> tuple[bytes, bool]:
    if set(values) - {"min_len", "max_len"}:
        raise _Unknown
    least, most = values.get("min_len", 0), values.get("max_len", _LONGEST)
    assert isinstance(least, int)
    assert isinstance(most, int)
    ways = [_hex(length) + _characters(length) for length in range(max(least, 1), min(most, _LONGEST) + 1)]
    return b"(?:%b)" % b"|".join(ways), least < 1


def _characters(length: int) -> bytes:
    """So many that can be printed, and no identifier among them."""
    if length < SHORTEST:
        return b"[ -~]{%d}" % length
    without = b"(?!.{0,%d}[0-9]{%d})[ -~]{%d}" % (length - _DIGITS_OF_AN_IDENTIFIER, _DIGITS_OF_AN_IDENTIFIER, length)
    return without if length in DIGITS_THAT_NAME else b"(?:[0-9]{%d}|%b)" % (length, without)


def _hex(number: int) -> bytes:
    return rb"\x%02x" % number
