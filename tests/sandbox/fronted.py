"""A front before a hub, in a thread of its own, and channels to it."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

from hub.sandbox.front import Front
from tests.hub_process import RunningHub


class Fronted:
    """A front that is at work, and its loop."""

    def __init__(self, hub: RunningHub, loop: asyncio.AbstractEventLoop, front: Front) -> None:
        self.hub, self.loop, self.front = hub, loop, front

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs something on the front's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


@contextlib.contextmanager
def fronted(hub: RunningHub, doors: int = 1) -> Iterator[Fronted]:
    """Runs a front before the first edge of a hub."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="front")
    thread.start()

    async def begin() -> Front:
        front = Front(hub.certificates_dir, hub.targets[:1], ["127.0.0.1:0"] * doors)
        await front.start()
        return front

    made = Fronted(hub, loop, asyncio.run_coroutine_threadsafe(begin(), loop).result(30))
    try:
        yield made
    finally:
        made.run(made.front.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
