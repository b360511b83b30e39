"""The request of a call that has one: read once the caller is let in and counted, and not waited for without end.

gRPC's own unary handlers begin when the message is there. Until then a call is nobody's: four thousand that never sent it filled a server,
and the gate never saw who sent them.
"""

import asyncio
import time

import grpc

from hub.domain.errors import RequestLate, RequestMalformed

FIRST_MESSAGE_S = 10.0


class FirstMessages:
    """Reads the requests of calls; one timer looks at all that are waited for, since one for each would cost more than to read it.

    Used from one event loop.
    """

    def __init__(self, within_s: float = FIRST_MESSAGE_S) -> None:
        """Each is waited for so many seconds."""
        self._within_s = within_s
        # Since when each call waits, the oldest first.
        self._since: dict[asyncio.Task[object], float] = {}
        self._looking: asyncio.TimerHandle | None = None

    async def read(self, context: grpc.aio.ServicerContext) -> bytes:
        """Returns the message of a call.

        Raises RequestLate, or RequestMalformed where the client ends its side without one.
        """
        task = asyncio.current_task()
        assert task is not None, "gRPC runs each call by a task"
        self._since[task] = time.monotonic()
        if self._looking is None:
            self._look_in(self._within_s)
        try:
            message = await context.read()
        except asyncio.CancelledError:
            # Who is no longer waited for was ended here; that its client has ended it as well counts for more.
            if task in self._since or task.uncancel():
                raise
            raise RequestLate(limit_s=int(self._within_s)) from None
        finally:
            self._since.pop(task, None)
        if message is grpc.aio.EOF:
            raise RequestMalformed
        return bytes(message)

    def _look_in(self, seconds: float) -> None:
        self._looking = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Ends the calls that are late, and looks again when the oldest of the others will be."""
        now, self._looking = time.monotonic(), None
        while self._since:
            task, since = next(iter(self._since.items()))
            if (left_s := since + self._within_s - now) > 0:
                self._look_in(left_s)
                return
            del self._since[task]
            task.cancel()
