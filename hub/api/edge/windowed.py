"""A stream of requests answered with so many under way: a client that reads no answers keeps only its own stream waiting."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


async def windowed(
    requests: AsyncIterator[Request], most: int, begin: Callable[[Request], Awaitable[asyncio.Task[Answer]]], *, in_order: bool
) -> AsyncIterator[Answer]:
    """Yields the answers of the tasks that *begin* starts for each request, one after the other, with up to *most* under way.

    They come in the order of the requests, or without *in_order* as soon as each is there. A task goes on if the stream ends before it.
    """
    answered: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue()
    room = asyncio.Semaphore(most)
    under_way: set[asyncio.Task[Answer]] = set()

    async def receive() -> None:
        try:
            async for request in requests:
                await room.acquire()
                task = await begin(request)
                if in_order:
                    answered.put_nowait(task)
                else:
                    task.add_done_callback(answered.put_nowait)
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.gather(*under_way, return_exceptions=True)
        finally:
            answered.put_nowait(None)

    receiver = asyncio.create_task(receive())
    try:
        while (task := await answered.get()) is not None:
            yield await task
            room.release()
        await receiver
    finally:
        receiver.cancel()
