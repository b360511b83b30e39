"""A fast yes to the question whether a message keeps the rules annotated in its .proto and those of every message; protovalidate and
`hub.domain.wellformed` have the last word on every no.

protovalidate costs about 9 µs an event here, half of all the work of ingest, because it walks every field through the message API.
This compiles the same annotations into one Python function a message type. It accepts only what protovalidate accepts (a test
holds it to that), and a rule it does not know makes it answer no for the whole type, so nothing can slip through.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as of_each
from functools import cache
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from hub.domain.texts import DIGITS_THAT_NAME, PLAIN, SHAPE, SHORTEST, holds_identifier
from hub.domain.wellformed import (
    DURATION,
    EARLIEST_INSTANT_S,
    END_OF_INSTANTS_S,
    LONGEST_S,
    NANOS,
    TIMESTAMP,
    is_plain,
)

Accepts = Callable[[Any], bool]

_MEMO_VALUES = 4_096
_OF_TIME = {
    TIMESTAMP: f"{EARLIEST_INSTANT_S} <= v.seconds < {END_OF_INSTANTS_S} and 0 <= v.nanos < {NANOS}",
    DURATION: f"0 <= v.seconds <= {LONGEST_S} and 0 <= v.nanos < {NANOS}",
}
# Rules that no value of the type can break.
_BORDERS = {("uint32", "gte"): (0,), ("uint32", "lte"): (2**32 - 1,), ("uint64", "gte"): (0,)}


class _Unknown(Exception):
    """A rule this compiler does not know."""


@dataclass(slots=True)
class _Function:
    """A function while it is written: what its source names, and which of its variables are texts, whose characters are asked about last.

    To ask about all of them together costs little more than to ask about one.
    """

    names: dict[str, Any] = of_each(default_factory=dict)
    texts: list[str] = of_each(default_factory=list)


@cache
def accepts(descriptor: Descriptor) -> Accepts:
    """Returns the function for messages of a type; it never raises and never accepts what protovalidate refuses."""
    made = _Function()
    try:
        lines = _message(descriptor, made)
    except _Unknown:
        return lambda _: False
    if made.texts:
        together = "".join(f"{{{text}}}" for text in made.texts)
        lines += [f"v = f'{together}'", "if not (v.isprintable() or is_plain(v)): return False"]
    source = "\n".join(["def accept(m):", *(f"    {line}" for line in lines), "    return True"])
    # The source is made of field names and numbers of our own descriptors.
    exec(compile(source, f"<rules of {descriptor.full_name}>", "exec"), made.names)  # noqa: S102
    function: Accepts = made.names["accept"]
    return function


def _message(descriptor: Descriptor, made: _Function) -> list[str]:
    if list(descriptor.GetOptions().Extensions[validate_pb2.message].ListFields()):
        raise _Unknown
    lines = []
    for oneof in descriptor.oneofs:
        if oneof.GetOptions().Extensions[validate_pb2.oneof].required:
            lines.append(f"if m.WhichOneof({oneof.name!r}) is None: return False")
    for field in descriptor.fields:
        lines += _field(field, field.GetOptions().Extensions[validate_pb2.field], made)
    return lines


def _field(field: FieldDescriptor, rules: validate_pb2.FieldRules, made: _Function) -> list[str]:
    if rules.ignore == validate_pb2.IGNORE_ALWAYS:
        return []
    if rules.cel or rules.cel_expression:
        raise _Unknown
    here = f"m.{field.name}"
    if field.is_repeated:
        return _repeated(field, rules, made, here)
    if field.message_type is not None:
        return _message_field(field, rules, made, here)
    is_asked_last = _is_free_text(field, rules) and field.containing_oneof is None
    body = _scalar(field, rules, made, is_asked_last)
    if is_asked_last:
        made.texts.append(f"text{len(made.texts)}")
        here = f"{made.texts[-1]} = {here}"
    elif not body and not rules.required:
        return []
    if rules.required:
        return [f"v = {here}", "if not v: return False", *body]
    if field.containing_oneof is not None:
        return [f"if m.HasField({field.name!r}):", f"    v = {here}", *(f"    {line}" for line in body)]
    if rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
        return [f"v = {here}", "if v:", *(f"    {line}" for line in body)]
    return [f"v = {here}", *body]


def _message_field(field: FieldDescriptor, rules: validate_pb2.FieldRules, made: _Function, here: str) -> list[str]:
    inner = field.message_type
    assert inner is not None
    if rules.WhichOneof("type") is not None:
        raise _Unknown
    checks = [f"if not m.HasField({field.name!r}): return False"] if rules.required else []
    if (of_time := _OF_TIME.get(inner.full_name)) is not None:
        return [*checks, f"if m.HasField({field.name!r}):", f"    v = {here}", f"    if not ({of_time}): return False"]
    if rules.required and inner.full_name.startswith("chuanyu."):
        # Written out in place: a call costs as much as three of the checks in it.
        return [*checks, f"outer_{field.name}, m = m, {here}", *_message(inner, made), f"m = outer_{field.name}"]
    if (check := _nested(field, made)) is not None:
        checks.append(f"if m.HasField({field.name!r}) and not {check}({here}): return False")
    return checks


def _repeated(field: FieldDescriptor, rules: validate_pb2.FieldRules, made: _Function, here: str) -> list[str]:
    repeated = rules.repeated
    known = {"min_items", "max_items", "items"}
    if {f.name for f, _ in repeated.ListFields()} - known or rules.required or rules.ignore != validate_pb2.IGNORE_UNSPECIFIED:
        raise _Unknown
    items = repeated.items
    if items.cel or items.cel_expression or items.required or items.ignore or (field.message_type and items.WhichOneof("type")):
        raise _Unknown
    lines = [f"v = {here}"]
    if repeated.min_items:
        lines.append(f"if len(v) < {repeated.min_items}: return False")
    if repeated.max_items:
        lines.append(f"if len(v) > {repeated.max_items}: return False")
    body: list[str] = []
    if field.message_type is not None:
        if (of_time := _OF_TIME.get(field.message_type.full_name)) is not None:
            body = [f"if not ({of_time}): return False"]
        elif (check := _nested(field, made)) is not None:
            body = [f"if not {check}(v): return False"]
    else:
        body = _scalar(field, repeated.items, made)
    if body:
        lines += [f"for v in {here}:", *(f"    {line}" for line in body)]
    return lines if len(lines) > 1 else []


def _nested(field: FieldDescriptor, made: _Function) -> str | None:
    """Returns the name of the check of a message field, None for messages that carry no rules of ours."""
    inner = field.message_type
    assert inner is not None
    if not inner.full_name.startswith("chuanyu."):
        return None
    name = f"accept_{inner.name}"
    made.names[name] = accepts(inner)
    return name


def _scalar(field: FieldDescriptor, rules: validate_pb2.FieldRules, made: _Function, is_asked_last: bool = False) -> list[str]:
    kind = rules.WhichOneof("type")
    values = {} if kind is None else {f.name: value for f, value in getattr(rules, kind).ListFields()}
    lines = _free_text(field, values, made, is_asked_last) if _is_free_text(field, rules) else []
    if kind == "enum":
        return _enum(field, values, made)
    for rule, value in values.items():
        if kind in ("string", "bytes") and rule in ("min_len", "max_len", "len"):
            operator = {"min_len": "<", "max_len": ">", "len": "!="}[rule]
            lines.append(f"if len(v) {operator} {value}: return False")
        elif kind == "string" and rule == "in":
            made.names[f"in_{_own(field)}"] = frozenset(value)
            lines.append(f"if v not in in_{_own(field)}: return False")
        elif kind == "string" and rule == "pattern":
            # Regions and days repeat: what was accepted before is looked up in a set.
            made.names[f"seen_{_own(field)}"] = seen = set[str]()
            made.names[f"matches_{_own(field)}"] = _matcher(value, seen)
            lines.append(f"if v not in seen_{_own(field)} and not matches_{_own(field)}(v): return False")
        elif kind in ("int64", "uint64", "uint32", "int32") and rule in ("gte", "lte"):
            if value in _BORDERS.get((kind, rule), ()):
                continue
            lines.append(f"if v {'<' if rule == 'gte' else '>'} {value}: return False")
        else:
            raise _Unknown
    return lines


def _is_free_text(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> bool:
    """Whether it is a text and no rule of it says which characters it may have."""
    return bool(field.type == FieldDescriptor.TYPE_STRING and not rules.string.pattern and not getattr(rules.string, "in"))


def _free_text(field: FieldDescriptor, values: dict[str, Any], made: _Function, is_asked_last: bool) -> list[str]:
    """Asks whether a text is too long, has a control character or an identifier; takes out of *values* the rule that it asks about."""
    made.names |= {
        "is_plain": is_plain,
        "holds_identifier": holds_identifier,
        "SHAPE": SHAPE,
        "PLAIN": PLAIN,
        "DIGITS_THAT_NAME": DIGITS_THAT_NAME,
    }
    lines = [] if is_asked_last else ["if not (v.isprintable() or is_plain(v)): return False"]
    # What is said of one is said by who asks: of an event all of it, of a question only what is recorded.
    if field.name != "clear" and values.get("max_len", SHORTEST) >= SHORTEST:
        # Most texts are shorter than an identifier, and than what they may be.
        too_long = f"len(v) > {values.pop('max_len')} or " if "max_len" in values else ""
        identifier = (
            "(not v.isdecimal() or len(v) in DIGITS_THAT_NAME) and v.encode().translate(SHAPE) not in PLAIN and holds_identifier(v)"
        )
        lines.append(f"if len(v) >= {SHORTEST} and ({too_long}{identifier}): return False")
    return lines


def _own(field: FieldDescriptor) -> str:
    """Names a field apart from those of the same name in messages written out beside it."""
    return "_".join(field.full_name.split(".")[-2:])


def _enum(field: FieldDescriptor, values: dict[str, Any], made: _Function) -> list[str]:
    if set(values) - {"defined_only", "not_in"} or not values.get("defined_only"):
        raise _Unknown
    assert field.enum_type is not None
    allowed = {value.number for value in field.enum_type.values} - set(values.get("not_in", ()))
    made.names[f"enum_{_own(field)}"] = frozenset(allowed)
    return [f"if v not in enum_{_own(field)}: return False"]


def _matcher(pattern: str, seen: set[str]) -> Callable[[str], bool]:
    """Returns a test of a pattern that puts what it accepts into *seen*, up to a bound."""
    expression = re.compile(pattern)

    def matches(value: str) -> bool:
        # A dollar sign also matches before a final newline, which Rust's expressions do not accept.
        if expression.search(value) is None or value.endswith("\n"):
            return False
        if len(seen) < _MEMO_VALUES:
            seen.add(value)
        return True

    return matches
