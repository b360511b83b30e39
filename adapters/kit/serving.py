"""How an adapter runs: a web application beside the tasks that send on, and request bodies of bounded size."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response


async def serve_beside(app: Starlette, host: str, port: int, *work: Coroutine[Any, Any, None]) -> None:
    """Serves until stopped, with *work* beside it.

    A task that fails for a reason nobody foresaw takes the service down with it: what cannot be sent on for a reason nobody knows
    should not go on being taken.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(task) for task in work]
        with _outliving_signals():
            await uvicorn.Server(uvicorn.Config(app, host=host, port=port, access_log=False)).serve()
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


async def bounded_body(request: Request, max_bytes: int) -> bytes | Response:
    """Returns the body, or the response to give when it is larger than *max_bytes* or breaks off."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                return Response(status_code=413)
    except ClientDisconnect:
        return Response(status_code=400)
    return bytes(body)
