"""A witness or a site that sends slowly, or stops in the middle, keeps nobody waiting longer than a call may take."""

import time

import pytest

from hub.tlog import web
from hub.tlog.algorithms import ED25519
from hub.tlog.cosignatures import sign_note
from hub.tlog.key_book import KeySet
from hub.tlog.note import Checkpoint, Note, SignerKey
from hub.tlog.policy import Within
from hub.tlog.web import Unreachable
from hub.tlog.witnessing import last_seen
from tests.tlog.slow_site import sends

HEAD = b"HTTP/1.1 %s\r\nContent-Length: 5\r\n\r\n"


@pytest.mark.parametrize(
    "parts",
    [(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), (b"HTTP/1.1 200 OK\r\n\r\n", b"a"), (b"HTTP/1.1 409 Conflict\r\n\r\n", b"a")],
    ids=("headers", "a body", "the body of a refusal"),
)
def test_who_sends_a_byte_now_and_then_is_given_up(parts: tuple[bytes, ...]) -> None:
    began = time.monotonic()
    with sends(*parts, every_s=0.02) as url, pytest.raises(Unreachable):
        web.call(url, timeout_s=0.1)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("status", [b"200 OK", b"409 Conflict"])
def test_an_answer_that_ends_early_is_none(status: bytes) -> None:
    with sends(HEAD % status + b"1", every_s=5) as url, pytest.raises(Unreachable):
        web.call(url, timeout_s=0.1)
    with sends(HEAD % status + b"1", every_s=0, is_endless=False) as url, pytest.raises(Unreachable, match="early"):
        web.call(url)


def test_a_head_that_an_ended_key_signed_stops_no_log() -> None:
    former, newest = SignerKey.make("log/1", ED25519), SignerKey.make("log/1", ED25519)
    sets = [
        KeySet(number, ((ED25519, key.verifier.public),), within)
        for number, key, within in ((1, former, Within(0, 50)), (2, newest, Within(40)))
    ]
    keys = [former.verifier, newest.verifier]
    for size, key, is_own in ((60, former, False), (49, former, True), (60, newest, True), (39, newest, False)):
        text = Checkpoint("log/1", size, bytes(32)).text
        shown = Note(text, (sign_note(key, text),)).format()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(shown)}\r\n\r\n".encode()
        with sends(head + shown, every_s=5) as url:
            seen = last_seen(url, "log/1", keys, sets)
        assert seen is not None and seen.is_own is is_own


def test_every_status_is_an_answer() -> None:
    with sends(HEAD % b"302 Found\r\nLocation: http://127.0.0.1:1/" + b"12345", every_s=0.1) as url:
        assert web.call(url).status == 302
