"""What is in a bundle was written by who knows whom: nothing in it ends a checker, keeps it busy, or speaks for it."""

import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chuanyu.exchange.v1 import event_pb2
from google.protobuf.message import DecodeError

from hub.audit import checker_receipts, verify
from hub.audit.bundle_file import Writer, as_json
from hub.audit.checker import BundleRefused
from hub.audit.checker_file import Shown
from hub.bench.tampering.bundles import refusals

INDEX, DECISION = 596, 520


def tag(number: int, wire: int) -> bytes:
    value, found = number << 3 | wire, b""
    while value > 127:
        value, found = value >> 7, found + bytes([value & 127 | 128])
    return found + bytes([value])


def part(number: int, data: bytes) -> bytes:
    return tag(number, 2) + bytes([len(data)]) + data


# Each as a hostile log could have it: what protobuf reads there, the program for strangers reads too.
CONTENTS = {
    "as the hub writes it": part(INDEX, b"\x08\x05\x12\x03abc\x18\x01"),
    "a number where bytes belong": part(INDEX, b"\x08\x05\x10\x07\x18\x01"),
    "bytes where a number belongs": part(INDEX, b"\x0a\x01\x05\x12\x03abc\x18\x01"),
    "a number of more than 64 bits": part(INDEX, b"\x08" + b"\xff" * 9 + b"\x7f\x12\x01a"),
    "a number that has no end": part(INDEX, b"\x08" + b"\xff" * 11),
    "a number of 32 bits that has more": part(INDEX, b"\x18\x81\x80\x80\x80\x10"),
    "a field twice": part(INDEX, b"\x08\x05\x08\x06"),
    "a message in two parts": part(INDEX, b"\x08\x05") + part(INDEX, b"\x12\x01a"),
    "another kind behind it": part(INDEX, b"\x08\x05") + part(DECISION, b"\x28\x03"),
    "another kind before it": part(DECISION, b"\x28\x03") + part(INDEX, b"\x08\x05"),
    "another kind between its parts": part(INDEX, b"\x08\x05") + part(DECISION, b"") + part(INDEX, b"\x12\x01a"),
    "a group": tag(INDEX, 3) + part(INDEX, b"\x08\x05") + tag(INDEX, 4) + part(INDEX, b"\x08\x06"),
    "a group without an end": part(INDEX, b"\x08\x05") + tag(9, 3),
    "an end without a group": part(INDEX, b"\x08\x05") + tag(9, 4),
    "a type that there is not": part(INDEX, b"\x08\x05") + tag(9, 6),
    "the number 0": part(INDEX, b"\x08\x05") + b"\x02\x00",
    "a field beyond the end": tag(INDEX, 2) + b"\x7f\x08",
    "groups a thousand deep": tag(9, 3) * 1_000 + tag(9, 4) * 1_000,
    "nothing": b"",
}


def as_protobuf(data: bytes) -> tuple[int, bytes, int] | str:
    try:
        event = event_pb2.Event.FromString(data)
    except DecodeError:
        return "ENTRY_MALFORMED"
    said = event.index_published
    return (said.tree_size, said.root, said.map_fn_version) if event.HasField("index_published") else "QUESTION_DIFFERS"


def as_stranger(data: bytes) -> tuple[int, bytes, int] | str:
    try:
        said = verify.arm_of(verify.Entry(1, 0, 1, b"", b"", b"", data), INDEX)
    except verify.Refused as refused:
        return refused.name
    return said.number(1), said.data(2), said.number(3, 0xFFFFFFFF)


@pytest.mark.parametrize("data", CONTENTS.values(), ids=CONTENTS)
def test_a_content_is_read_as_protobuf_reads_it(data: bytes) -> None:
    assert as_stranger(data) == as_protobuf(data)


def test_a_number_without_end_is_refused_at_once() -> None:
    began = time.process_time()
    with pytest.raises(verify.Refused, match="ENTRY_MALFORMED"):
        verify.Message(b"\x08" + b"\xff" * (1 << 22))
    assert time.process_time() - began < 1


def test_a_proof_that_ends_early_stands_for_no_hash() -> None:
    with pytest.raises(verify.Refused, match="ROOT_DIFFERS"):
        verify.root_of(2, iter([(0, bytes(32))]), iter([]))


def bundle(manifest: bytes) -> bytes:
    file = io.BytesIO()
    writer = Writer(file)
    writer.add("bundle.json", manifest)
    writer.end()
    return file.getvalue()


def test_lists_that_would_fill_the_memory_are_not_read() -> None:
    assert refusals(bundle(b"[" + b"[]," * 6_000_000 + b"[]]\n"), None) == ("TAR_TOO_LARGE", "TAR_TOO_LARGE")


@pytest.mark.parametrize("name", ["\x1b[2J\x1b[8m", "\n✓ 通过", "\x9b2J", "\u202egnorw", "\u2028"])
def test_a_name_in_a_bundle_writes_no_line_of_the_verdict(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "b.hubaudit"
    file.write_bytes(bundle(as_json({"format": name})))
    assert verify.main([str(file)]) == verify.REFUSED
    printed = capsys.readouterr().out
    assert name not in printed
    assert (len(printed.splitlines()), f"\\u{ord(name[0]):04x}" in printed) == (3, True)


def refused_items(check: Callable[[list[tuple[str, bytes]]], object], *spans: tuple[int, int]) -> str:
    items = [{"feed": "cq.usage", "first": first, "last": last, "lost": ""} for first, last in spans]
    try:
        check([("000000", as_json({"receipts": items}))])
    except (verify.Refused, BundleRefused) as refused:
        return refused.name
    return ""


@pytest.mark.parametrize(
    ("spans", "name"), [(((1, 2), (3, 3)), ""), (((1, 2), (2, 3)), "RECEIPT_MALFORMED"), (((1, 3), (1, 4)), "RECEIPT_MALFORMED")]
)
def test_each_number_is_in_one_item_so_that_items_take_no_longer_than_numbers(spans: tuple[tuple[int, int], ...], name: str) -> None:
    strangers, own = verify.Batches(), checker_receipts.Batches()
    for number in (1, 2, 3):
        strangers.see(verify.Entry(number, 0, number, b"cq.usage", b"", b"", b""))
        own.take(Shown(number, 0, number, "cq.usage", "", b"", b""))
    assert refused_items(lambda parts: strangers.check(parts, "log/1", lambda _zh, _en: None), *spans) == name
    assert refused_items(lambda parts: list(own.check(parts, "log/1")), *spans) == name
