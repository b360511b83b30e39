"""Streams whose bytes were spoiled: each message is answered or refused by name, and what was acknowledged is recorded."""

import queue
import random
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from chuanyu.exchange.v1 import card_service_pb2, feed_service_pb2
from google.protobuf.message import Message

from tests.clients import DEADLINE_S, REASONS, Province, Refusal, add_feed, of_feed, refusal_of, refused_in_stream
from tests.hub_process import CHONGQING, RunningHub
from tests.messages import journey, question

STREAMS, MESSAGES = 60, 12
EVENTS = "/chuanyu.exchange.v1.FeedService/StreamEvents"
QUESTIONS = "/chuanyu.exchange.v1.CardService/StreamAcceptance"
# Spoiled bytes are the sender's: neither is it a fault of the hub's own, nor would it help to send them again.
CODES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.ALREADY_EXISTS,
    # What is no message counts as many calls, so that a fast machine comes to the sender's quota.
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
NASTY = (b"", b"\0", b"\xff", b"\x80" * 10, b"\xff" * 9 + b"\x01", b"\xc9\xe7", b"\x1a\x00" * 600, "社\u202e".encode())


def spoiled(data: bytes, dice: random.Random) -> bytes:
    """Bytes with up to three places changed, left out, put in or doubled; every other time as they are."""
    result = bytearray(data)
    for _ in range(dice.choice((0, 0, 1, 3))):
        at = dice.randrange(len(result) + 1)
        some = dice.choice((*NASTY, dice.randbytes(1), dice.randbytes(1)))
        put = some + (bytes(result[at : at + 40]) if dice.random() < 0.2 else b"")
        # A changed length leaves little that is a message; most changes are of the same length.
        end = at + len(put) if dice.random() < 0.7 else at + dice.randrange(5)
        result[at:end] = put
    return bytes(result[: dice.randrange(len(result) + 1)] if dice.random() < 0.02 else result)


class Spoiling:
    """One stream of raw bytes, a message after the answer to the one before."""

    def __init__(self, province: Province, method: str, answer: type[Message]) -> None:
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        call = province.channel.stream_stream(method, response_deserializer=answer.FromString)
        self._answers = call(iter(self._requests.get, None), timeout=DEADLINE_S)

    def ask(self, data: bytes) -> Any:
        """Gives the answer, or how the stream was ended."""
        self._requests.put(data)
        try:
            return next(self._answers)
        except grpc.RpcError as error:
            return refusal_of(error)

    def end(self) -> None:
        """Ends the stream, and waits until the hub has."""
        self._requests.put(None)
        assert list(self._answers) == []


def refusals(answer: Any) -> Iterator[Refusal]:
    """The refusal in an answer, if it is one."""
    if isinstance(answer, Refusal):
        yield answer
    elif answer.HasField("refused"):
        yield refused_in_stream(answer.refused)


SEEDS = (0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow))


@pytest.mark.parametrize("seed", SEEDS)
def test_spoiled_batches_are_recorded_or_refused_by_name(shared_hub: RunningHub, chongqing: Province, seed: int) -> None:
    dice, feed = random.Random(seed), add_feed(shared_hub, CHONGQING, f"cq.spoiled-{seed}")
    acknowledged: dict[int, int] = {}
    seen: set[str] = set()
    for _ in range(STREAMS):
        stream = Spoiling(chongqing, EVENTS, feed_service_pb2.StreamEventsResponse)
        for _ in range(MESSAGES):
            events = [journey(f"A1234567{digit}") for digit in range(dice.randrange(1, 4))]
            whole = feed_service_pb2.StreamEventsRequest(feed=feed, first_sequence=len(acknowledged) + 1, events=events)
            answer = stream.ask(spoiled(whole.SerializeToString(), dice))
            for refusal in refusals(answer):
                assert refusal.code in CODES, refusal
                seen.add(refusal.reason)
            if isinstance(answer, Refusal):
                break
            for offset, position in enumerate(answer.appended.positions):
                acknowledged[answer.first_sequence + offset] = position
        else:
            stream.end()
    assert {one.sequence: one.position for one in of_feed(shared_hub.dsn, feed)} == acknowledged
    assert sorted(acknowledged) == list(range(1, len(acknowledged) + 1))
    assert seen <= REASONS
    assert "REQUEST_MALFORMED" in seen and len(seen) > 1


@pytest.mark.parametrize("seed", SEEDS)
def test_spoiled_questions_are_answered_or_refused_by_name(chongqing: Province, seed: int) -> None:
    dice = random.Random(seed)
    seen: set[str] = set()
    answered = 0
    for number in range(STREAMS):
        stream = Spoiling(chongqing, QUESTIONS, card_service_pb2.StreamAcceptanceResponse)
        for turn in range(MESSAGES):
            asked = question(f"spoiled-{seed}-{number}-{turn}", "A12345678", province="51", region="500103")
            whole = card_service_pb2.StreamAcceptanceRequest(check=asked, trace_parent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
            answer = stream.ask(spoiled(whole.SerializeToString(), dice))
            for refusal in refusals(answer):
                assert refusal.code in CODES, refusal
                seen.add(refusal.reason)
            if isinstance(answer, Refusal):
                break
            answered += answer.HasField("answered")
        else:
            stream.end()
    assert answered > STREAMS // 2
    assert seen <= REASONS
    assert "REQUEST_MALFORMED" in seen and len(seen) > 1
