"""The first message of a call: one timer for all that wait; who is late is refused, and whose client has gone is not."""

import asyncio
from typing import Any

import grpc
import pytest

from hub.api.edge.first_message import FirstMessages
from hub.domain.errors import RequestLate, RequestMalformed

WITHIN_S = 0.05


class Sender:
    """A call whose client sends a message after a while, or never."""

    def __init__(self, after_s: float, message: Any = b"asked") -> None:
        self.after_s, self.message = after_s, message

    async def read(self) -> Any:
        await asyncio.sleep(self.after_s)
        return self.message


async def outcomes(*senders: Sender) -> list[Any]:
    messages = FirstMessages(WITHIN_S)
    calls = [asyncio.create_task(messages.read(sender)) for sender in senders]
    return [type(one) if isinstance(one, BaseException) else one for one in await asyncio.gather(*calls, return_exceptions=True)]


def test_each_that_is_late_is_refused_and_the_others_are_read() -> None:
    assert asyncio.run(outcomes(Sender(60), Sender(0), Sender(60), Sender(0, grpc.aio.EOF))) == [
        RequestLate,
        b"asked",
        RequestLate,
        RequestMalformed,
    ]


def test_who_comes_later_has_the_same_time() -> None:
    async def play() -> float:
        messages, loop = FirstMessages(WITHIN_S), asyncio.get_running_loop()
        first = asyncio.create_task(messages.read(Sender(60)))
        await asyncio.sleep(WITHIN_S / 2)
        began = loop.time()
        with pytest.raises(RequestLate):
            await messages.read(Sender(60))
        assert isinstance(first.exception(), RequestLate)
        return loop.time() - began

    assert asyncio.run(play()) >= WITHIN_S * 0.99


def test_whose_client_ends_it_is_not_refused_as_late() -> None:
    async def play(within_s: float) -> None:
        messages = FirstMessages(within_s)
        gone = asyncio.create_task(messages.read(Sender(60)))
        await asyncio.sleep(0)
        messages._look()
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(play(60))
    # It is late by then, too.
    asyncio.run(play(0))
