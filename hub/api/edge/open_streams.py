"""Open streams: ends a stream, idle ones too, once its participant or its certificate loses access."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from hub.api.edge.client_certificate import Peer
from hub.domain.errors import HubError, JournalUnavailable

log = logging.getLogger(__name__)

# The directory is at most a second old, so a stream ends two seconds after the event.
CHECK_EVERY_S = 1.0
# A connection ends after an hour and another of grace; a stream ends with OK before its connection does, however late it began on it.
STREAM_AGE_S = 3_300.0
# A reader that lags has so long to take the answer under way; then it finds the refusal behind it, and its stream is not waited for.
GRACE_S = 2.0

Answer = TypeVar("Answer")
# Brings a stream's client the refusal when the stream itself no longer can.
Abort = Callable[[HubError], Coroutine[None, None, None]]


class _Stream:
    """One open stream: the task that handles it, whether it waits for its reader, and whether it is over: then it takes nothing in."""

    def __init__(self, task: asyncio.Task[None], abort: Abort) -> None:
        self.task, self._abort = task, abort
        self.is_answering = False
        self.over = asyncio.Event()
        self.refusal: HubError | None = None

    def end(self, refusal: HubError) -> None:
        """Makes the stream raise the refusal: where it waits now, or once its reader has taken the answer under way, if it does soon."""
        if self.refusal is None:
            self.refusal = refusal
            self.over.set()
            if self.is_answering:
                asyncio.get_running_loop().call_later(GRACE_S, self._leave, refusal)
            else:
                self.task.cancel()

    def _leave(self, refusal: HubError) -> None:
        if self.is_answering:
            self.task.cancel()
            self._aborting = asyncio.create_task(self._abort(refusal))


class Leash:
    """Looks once a second whether the holders of open streams may still speak; *closing* is set once the server stops."""

    def __init__(self, check: Callable[[Peer], Awaitable[object]], age_s: float = STREAM_AGE_S) -> None:
        """*check* raises a HubError for a peer that may no longer speak; a stream is over after *age_s*."""
        self._check, self._age_s = check, age_s
        self._open: dict[Peer, set[_Stream]] = {}
        self._watcher: asyncio.Task[None] | None = None
        self.closing = asyncio.Event()

    def close(self) -> None:
        """Has streams take nothing more in and end, so that their clients go elsewhere at once: the server stops."""
        self.closing.set()
        for streams in self._open.values():
            for stream in streams:
                stream.over.set()

    async def held(self, begin: Callable[[asyncio.Event], AsyncIterator[Answer]], peer: Peer, abort: Abort) -> AsyncIterator[Answer]:
        """Begins a stream and passes its answers on; raises the refusal once its holder may no longer speak.

        The event that *begin* is given says that the stream is over.
        """
        task = asyncio.current_task()
        assert task is not None, "a stream is run by a task of its own"
        stream = _Stream(task, abort)
        if self.closing.is_set():
            stream.over.set()
        ageing = asyncio.get_running_loop().call_later(self._age_s * random.uniform(0.9, 1.0), stream.over.set)  # noqa: S311 (no secret)
        answers = begin(stream.over)
        assert isinstance(answers, AsyncGenerator), "a stream is a generator"
        self._open.setdefault(peer, set()).add(stream)
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        try:
            async with aclosing(answers):
                async for answer in answers:
                    stream.is_answering = True
                    yield answer
                    stream.is_answering = False
                    if stream.refusal is not None:
                        break
            if stream.refusal is not None:
                raise stream.refusal
        except asyncio.CancelledError:
            if stream.refusal is None:
                raise
            task.uncancel()
            raise stream.refusal from None
        finally:
            stream.is_answering = False
            ageing.cancel()
            self._let_go(peer, stream)

    def _let_go(self, peer: Peer, stream: _Stream) -> None:
        streams = self._open[peer]
        streams.discard(stream)
        if not streams:
            del self._open[peer]

    async def _watch(self) -> None:
        while self._open:
            await asyncio.sleep(CHECK_EVERY_S)
            await asyncio.gather(*(self._look_at(peer) for peer in list(self._open)))

    async def _look_at(self, peer: Peer) -> None:
        try:
            await self._check(peer)
        except JournalUnavailable:
            # Nobody can have been refused meanwhile.
            return
        except HubError as refusal:
            for stream in list(self._open.get(peer, ())):
                stream.end(refusal)
        except Exception:
            log.exception("leash: open streams could not be looked at")


async def parsed(
    read: Callable[[bytes], Any], count: Callable[[int], None], data: AsyncIterator[bytes], over: asyncio.Event
) -> AsyncIterator[Any]:
    """Yields what comes in, each counted by its size, until the client has no more or the stream is over: nothing more is read then."""
    ended = asyncio.create_task(over.wait())
    items = aiter(data)
    following: asyncio.Future[bytes] | None = None
    try:
        while not over.is_set():
            following = asyncio.ensure_future(anext(items))
            await asyncio.wait((following, ended), return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                return
            message = await following
            count(len(message))
            yield read(message)
    except StopAsyncIteration:
        return
    finally:
        ended.cancel()
        if following is not None:
            following.cancel()
