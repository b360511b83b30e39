"""Bytes that were spoiled on their way: each format is refused by name, or reads what is written again to the same bytes."""

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.errors import HubError
from hub.tlog import add_checkpoint, note, paths, policy, proof, web
from hub.tlog.note import Checkpoint, VerifierKey
from hub.tlog.web import AddressInvalid, Unreachable
from hub.witness import evidence
from tests.tlog import own_vectors

PUBLISHED: dict[str, Any] = json.loads(own_vectors.FILE.read_text(encoding="utf-8"))
BUNDLE = bytes.fromhex(PUBLISHED["entry_bundle"]["bytes"])
KEYS = [one["vkey"] for one in PUBLISHED["signatures"].values()]
POLICY = f"log {KEYS[0]}\nwitness w {KEYS[3]} https://w.example/\nwitness v {KEYS[4]}\ngroup g 2 w v\nquorum g\n".encode()

Again = Callable[[bytes], bytes]


def checkpoint_again(data: bytes) -> bytes:
    return Checkpoint.parse(data.decode("utf-8", "surrogateescape")).text.encode("utf-8", "surrogateescape")


# Reads and writes again: what is taken has one way to be written.
FORMATS: dict[str, tuple[bytes, Again]] = {
    "note": (PUBLISHED["note"].encode(), lambda data: note.parse(data).format()),
    "checkpoint": (PUBLISHED["checkpoint"].encode(), checkpoint_again),
    "request": (PUBLISHED["add_checkpoint"].encode(), lambda data: add_checkpoint.parse(data).format()),
    "proof": (PUBLISHED["proof"].encode(), lambda data: proof.parse(data).format()),
    "key": (KEYS[0].encode(), lambda data: VerifierKey.parse(data.decode("utf-8", "surrogateescape")).text.encode()),
    "path": (b"tile/entries/x001/234.p/7", lambda data: _path_again(data.decode("latin-1")).encode()),
    "bundle": (BUNDLE, lambda data: paths.encode_bundle(paths.decode_bundle(data, 4))),
}


def _path_again(path: str) -> str:
    read = paths.parse(path)
    return paths.entries(read.number, read.width) if read.level is None else paths.tile(read.level, read.number, read.width)


@st.composite
def spoiled(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with some changed, left out, put in or doubled."""
    result = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(result) - 1)))
        some = draw(st.sampled_from([b"", b"\n", b"\r", b"\t", b" ", b"0", b"+", b"=", "—".encode(), b"\xff", b"\0"]))
        length = draw(st.integers(0, 4))
        result[at : at + length] = some + (bytes(result[at : at + 40]) if draw(st.booleans()) else b"")
    return bytes(result)


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_taken_is_written_again_to_the_same_bytes(name: str, data: st.DataObject) -> None:
    good, again = FORMATS[name]
    assert again(good) == good
    bad = data.draw(spoiled(good))
    try:
        written = again(bad)
    except HubError:
        return
    assert written == bad


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_spoiled_policy_is_refused_or_names_only_what_it_defines(data: st.DataObject) -> None:
    try:
        read = policy.parse(data.draw(spoiled(POLICY)))
    except HubError:
        return
    defined = {*read.witnesses, *read.groups}
    assert read.quorum in {*defined, "none"}
    assert all(set(group.members) <= defined and 1 <= group.least <= len(group.members) for group in read.groups.values())


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_spoiled_evidence_is_refused_or_is_two_notes(data: st.DataObject) -> None:
    signed = note.parse(PUBLISHED["note"].encode())
    good = evidence.Evidence(evidence.Kind.FORK, own_vectors.ORIGIN, own_vectors.NOW_S, (signed, signed), tuple(KEYS[:3])).format()
    assert evidence.parse(good).format() == good
    try:
        read = evidence.parse(data.draw(spoiled(good)))
    except HubError:
        return
    assert len(read.notes) == 2


@pytest.mark.parametrize(
    "url", ["", "w.example", "ftp://w.example/", "http://", "http://w:99999/", "http://[::1/", "http://w\udcff/", "http://重庆/"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(AddressInvalid):
        web.call(url)


def test_who_does_not_listen_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable):
        web.call(f"http://127.0.0.1:{port}/checkpoint")
