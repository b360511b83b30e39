"""How an adapter runs: a web application beside the tasks that send on, and request bodies of bounded size."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

# A province's systems keep few connections; more than these are answered 503 before anything is read. No address is logged per request.
BOUNDS: Final[dict[str, Any]] = {
    "access_log": False,
    # Its lines go where all others go, and as they do.
    "log_config": None,
    "limit_concurrency": 256,
    "timeout_keep_alive": 10,
    "h11_max_incomplete_event_size": 16 * 1024,
}
# So long a body may take: 4 MB at 130 kB/s.
BODY_S: Final = 30.0


class PatientProtocol(H11Protocol):
    """HTTP/1.1 on one connection, closed when the head of a request takes longer than *head_s*: uvicorn itself waits for ever."""

    head_s = 10.0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first request."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.head_s, transport.close)

    def data_received(self, data: bytes) -> None:
        """Takes bytes; while they make no whole head, the time runs on."""
        super().data_received(data)
        is_reading = self.cycle is None or self.cycle.response_complete
        if not is_reading and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        elif is_reading and self._deadline is None:
            self._deadline = self.loop.call_later(self.head_s, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        super().connection_lost(exc)
        if self._deadline is not None:
            self._deadline.cancel()


async def serve_beside(app: Starlette, host: str, port: int, *work: Coroutine[Any, Any, None]) -> None:
    """Serves until stopped, with *work* beside it.

    Work takes care of its own faults, so that one feed's trouble is not another's. Work that ends by an error all the same takes the
    service down with it.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(task) for task in work]
        with _outliving_signals():
            await uvicorn.Server(uvicorn.Config(app, host=host, port=port, http=PatientProtocol, **BOUNDS)).serve()
        for task in tasks:
            task.cancel()


@contextlib.contextmanager
def _outliving_signals() -> Iterator[None]:
    """Lets the process live on when uvicorn, stopped by a signal, ends by raising it once more: others have to close too."""
    former = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


async def bounded_body(request: Request, max_bytes: int, patience_s: float = BODY_S) -> bytes | Response:
    """Returns the body, or the response to give when it is larger than *max_bytes*, breaks off or takes too long."""
    body = bytearray()
    try:
        async with asyncio.timeout(patience_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    return _ended(413)
    except ClientDisconnect:
        return Response(status_code=400)
    except TimeoutError:
        return _ended(408)
    return bytes(body)


def _ended(status_code: int) -> Response:
    """Returns a response after which the connection is closed: what is left of the body is not waited for."""
    return Response(status_code=status_code, headers={"connection": "close"})
