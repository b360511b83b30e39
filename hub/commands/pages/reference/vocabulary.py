"""The sections about messages: event kinds, then each file with its messages, fields, enums and values."""

import re
from collections.abc import Iterator
from typing import Any

from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, text_format

from hub.commands.pages.contract import PACKAGE, comments, files
from hub.commands.pages.reference import chinese, markup
from hub.domain.role_table import TELLING, role_table

_Field = descriptor_pb2.FieldDescriptorProto


def kind_section() -> Iterator[str]:
    """Yields every kind of event: who may report it, and its message."""
    event = next(message for file in files() for message in file.message_type if message.name == "Event")
    table = role_table().kinds
    kinds = [field for field in event.field if field.HasField("oneof_index") and event.oneof_decl[field.oneof_index].name == "kind"]
    yield markup.table(
        ("种类 kind", "名称", "消息 message", "谁可报送 who may report it", "场景 scenarios"),
        (
            (
                markup.link(f"Event.{field.name}", field.name),
                markup.plain(chinese.kind(field.name)),
                _type(field),
                _tellers(table[field.name].roles),
                markup.plain(" ".join(table[field.name].scenarios)),
            )
            for field in kinds
        ),
    )


def file_sections() -> Iterator[str]:
    """Yields a section for each .proto file, with everything that it declares."""
    for file in files():
        yield markup.heading(3, file.name, "", file.name)
        yield markup.paragraph(comments()[file.name])
        for message in file.message_type:
            yield from _message(message, "")
        for enum in file.enum_type:
            yield from _enum(enum, "")


def _message(message: descriptor_pb2.DescriptorProto, outer: str) -> Iterator[str]:
    name = f"{outer}{message.name}"
    yield markup.heading(4, name, "", name)
    yield markup.paragraph(comments()[f"{PACKAGE}.{name}"])
    yield markup.table(
        ("#", "字段 field", "类型 type", "说明 meaning", "规则 rules"),
        (
            (
                str(field.number),
                markup.code(field.name, f"{name}.{field.name}"),
                _type(field) + _part(message, field),
                markup.plain(comments()[f"{PACKAGE}.{name}.{field.name}"]),
                _rules(field),
            )
            for field in message.field
        ),
    )
    for nested in message.nested_type:
        yield from _message(nested, f"{name}.")
    for enum in message.enum_type:
        yield from _enum(enum, f"{name}.")


def _enum(enum: descriptor_pb2.EnumDescriptorProto, outer: str) -> Iterator[str]:
    name = f"{outer}{enum.name}"
    yield markup.heading(4, name, "枚举", f"enum {name}")
    yield markup.paragraph(comments()[f"{PACKAGE}.{name}"])
    yield markup.table(
        ("#", "值 value", "名称", "说明 meaning"),
        (
            (
                str(value.number),
                markup.code(value.name, f"{name}.{value.name}"),
                markup.plain(chinese.value(enum.name, value.name.removeprefix(f"{_prefix(enum.name)}_"))),
                markup.plain(comments()[f"{PACKAGE}.{name}.{value.name}"]),
            )
            for value in enum.value
        ),
    )


def _prefix(enum: str) -> str:
    """Returns the prefix of an enum's values, as buf's lint asks for it: SocialStatus gives SOCIAL_STATUS."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum).upper()


def _type(field: _Field) -> str:
    repeated = "repeated " if field.label == _Field.LABEL_REPEATED else "optional " if field.proto3_optional else ""
    own = field.type_name.removeprefix(f".{PACKAGE}.")
    if field.type_name.startswith(f".{PACKAGE}."):
        return repeated + markup.link(own, own)
    return repeated + markup.plain(field.type_name.removeprefix(".") or _Field.Type.Name(field.type).removeprefix("TYPE_").lower())


def _part(message: descriptor_pb2.DescriptorProto, field: _Field) -> str:
    if field.proto3_optional or not field.HasField("oneof_index"):
        return ""
    return f"<br><small>oneof {markup.plain(message.oneof_decl[field.oneof_index].name)}</small>"


def _rules(field: _Field) -> str:
    found: Any = field.options.Extensions[validate_pb2.field]
    said = text_format.MessageToString(found, as_one_line=True, as_utf8=True)
    return markup.code(said) if said else ""


def _tellers(roles: tuple[str, ...]) -> str:
    if not roles:
        return "仅枢纽 the hub alone"
    return "READER 以外 any but READER" if roles == TELLING else markup.plain(", ".join(roles))
