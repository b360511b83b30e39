"""Open streams and who holds them: one whose participant may no longer speak, or whose certificate may not, is ended, also an idle one."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from hub.api.peer import Peer
from hub.domain.errors import HubError, JournalUnavailable

log = logging.getLogger(__name__)

# The directory is at most a second old, so a stream ends two seconds after the event.
CHECK_EVERY_S = 1.0

Answer = TypeVar("Answer")


class _Stream:
    """One open stream: the task that handles it, and whether it waits for its reader."""

    __slots__ = ("is_answering", "refusal", "task")

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task
        self.is_answering = False
        self.refusal: HubError | None = None

    def end(self, refusal: HubError) -> None:
        """Makes the stream raise the refusal: where it waits now, or as soon as its reader has taken the answer under way."""
        if self.refusal is None:
            self.refusal = refusal
            if not self.is_answering:
                self.task.cancel()


class Leash:
    """Looks once a second whether the holders of open streams may still speak."""

    def __init__(self, check: Callable[[Peer], Awaitable[object]]) -> None:
        """*check* raises a HubError for a peer that may no longer speak."""
        self._check = check
        self._open: dict[Peer, set[_Stream]] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def held(self, answers: AsyncIterator[Answer], peer: Peer) -> AsyncIterator[Answer]:
        """Passes a stream's answers on; raises the refusal once its holder may no longer speak."""
        task = asyncio.current_task()
        assert task is not None and isinstance(answers, AsyncGenerator), "a stream is a generator that a task of its own runs"
        stream = _Stream(task)
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
                        raise stream.refusal
        except asyncio.CancelledError:
            if stream.refusal is None:
                raise
            task.uncancel()
            raise stream.refusal from None
        finally:
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
