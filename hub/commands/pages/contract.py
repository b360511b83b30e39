"""The contract that the build made: its folder, and the comments of the .proto files, which descriptors at run time do not have."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from google.protobuf import descriptor_pb2
from google.rpc import code_pb2

import hub
from hub.api.edge.statuses import CODES

PACKAGE = "chuanyu.exchange.v1"
# What every method may answer, whatever it does; the comments of methods name the further ones.
OF_EVERY_CALL = (
    "CERTIFICATE_REQUIRED",
    "CERTIFICATE_UNFIT",
    "CERTIFICATE_UNREGISTERED",
    "CERTIFICATE_WITHDRAWN",
    "CERTIFICATE_ENDED",
    "PARTICIPANT_UNKNOWN",
    "PARTICIPANT_SUSPENDED",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "REQUEST_MALFORMED",
    "REQUEST_LATE",
    "INTERNAL",
)
_CODES = " Codes beside those of every call: "
# In a FileDescriptorProto and below it: which field of it has which declarations.
_BELOW: Mapping[type, tuple[tuple[int, str], ...]] = {
    descriptor_pb2.FileDescriptorProto: ((4, "message_type"), (5, "enum_type"), (6, "service")),
    descriptor_pb2.DescriptorProto: ((2, "field"), (3, "nested_type"), (4, "enum_type"), (8, "oneof_decl")),
    descriptor_pb2.EnumDescriptorProto: ((2, "value"),),
    descriptor_pb2.ServiceDescriptorProto: ((2, "method"),),
}


class MethodText(NamedTuple):
    """The comment of a method in parts: what it does, and the reasons it names, by code."""

    what: str
    codes: Mapping[str, tuple[str, ...]]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of all its codes, in the order of the comment."""
        return tuple(reason for reasons in self.codes.values() for reason in reasons)


class ReasonText(NamedTuple):
    """The comment of an error reason in parts: its code, when it is given, and what the status carries besides."""

    code: str
    when: str
    details: str


def folder() -> Path:
    """Returns the folder that the build made: in the package, or beside the sources of a checkout."""
    package = Path(hub.__file__).parent
    installed = package / "contract"
    return installed if installed.exists() else package.parent / "protos" / "gen" / "contract"


@cache
def files() -> tuple[descriptor_pb2.FileDescriptorProto, ...]:
    """Returns the descriptors of the hub's own .proto files, in the order of their names."""
    found = descriptor_pb2.FileDescriptorSet.FromString((folder() / "chuanyu.binpb").read_bytes())
    return tuple(sorted((file for file in found.file if file.package == PACKAGE), key=lambda file: file.name))


def services() -> list[descriptor_pb2.ServiceDescriptorProto]:
    """Returns the services, in the order of their files."""
    return [service for file in files() for service in file.service]


@cache
def comments() -> Mapping[str, str]:
    """Returns the comment of each declaration by its full name (a field by that of its message), lines joined; a file's by its path."""
    found: dict[str, str] = {}
    for file in files():
        places = {tuple(place.path): place for place in file.source_code_info.location}
        # The comment of a file lies above its first line, `syntax`.
        top = places.get((12,))
        found[file.name] = _joined("\n".join([*top.leading_detached_comments, top.leading_comments])) if top else ""
        for path, name in _declarations(file, (), file.package):
            found[name] = _joined(places[path].leading_comments) if path in places else ""
    return found


def method_text(full_name: str) -> MethodText:
    """Returns the comment of a method in parts."""
    what, _, codes = comments()[full_name].partition(_CODES)
    found = re.findall(r"([A-Z_]+) \(([A-Z_, ]+)\)", codes)
    return MethodText(what, {code: tuple(reasons.split(", ")) for code, reasons in found})


def reason_text(reason: str) -> ReasonText:
    """Returns the comment of an error reason, named without its prefix, in parts; the code is that of the table of errors."""
    comment = comments()[f"{PACKAGE}.ErrorReason.ERROR_REASON_{reason}"]
    when, _, details = comment.partition(": ")[2].removesuffix(".").partition("; details: ")
    return ReasonText(_code_of(reason), when, details)


def reasons() -> tuple[str, ...]:
    """Returns all error reasons without prefix: those of every call first, then in the order of the table of errors."""
    return tuple(dict.fromkeys([*OF_EVERY_CALL, *(reason for _, reason in CODES.values())]))


def _code_of(reason: str) -> str:
    return next((code_pb2.Code.Name(code) for code, name in CODES.values() if name == reason), reason)


def _declarations(parent: object, path: tuple[int, ...], scope: str) -> Iterator[tuple[tuple[int, ...], str]]:
    for number, attribute in _BELOW.get(type(parent), ()):
        for index, child in enumerate(getattr(parent, attribute)):
            below, name = (*path, number, index), f"{scope}.{child.name}"
            yield below, name
            yield from _declarations(child, below, name)


def _joined(comment: str) -> str:
    return " ".join(comment.split())
