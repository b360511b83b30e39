"""Waits for the views: a caller that has just written may ask for an answer at that position or later."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hub.domain.errors import ViewBehind

Result = TypeVar("Result")

VIEW_WAIT_S = 2.0


async def when_seen(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Tries again while the views are behind the asked position, for VIEW_WAIT_S at most; then raises ViewBehind."""
    deadline = time.monotonic() + VIEW_WAIT_S
    while True:
        try:
            return await attempt()
        except ViewBehind:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.01)
