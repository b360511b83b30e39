"""Wakes all that wait in a process when the journal has grown: one small query every few milliseconds, only while someone waits.

NOTIFY would be sooner, but it makes commits take turns at a lock of the whole server, and the group commit is what all of ingest
rests on. One query for all waiters costs a hundredth of a core and nothing to the writers.
"""

import asyncio
import contextlib
import logging

from hub.journal.loop_connection import LoopConnection
from hub.journal.sessions import set_up
from hub.journal.statements import ConnectionLost, GroupFailed

log = logging.getLogger(__name__)

EVERY_S = 0.02
RECONNECT_WAIT_S = 0.5


class HeadWatcher:
    """Used from one event loop."""

    def __init__(self, dsn: str) -> None:
        """*dsn* names a login that may SET ROLE hub_reader."""
        self._connection = LoopConnection(dsn, "hub-watch", set_up("hub_reader"), "SELECT position FROM journal.head", confirms=True)
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._watching: asyncio.Task[None] | None = None

    async def beyond(self, position: int, patience_s: float) -> None:
        """Returns once the head lies beyond a position, or after *patience_s*."""
        moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[moved] = position
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait((moved,), timeout=max(0.0, patience_s))
        finally:
            self._waiting.pop(moved, None)

    def wake(self) -> None:
        """Lets all who wait go on."""
        self._tell(2**63)

    async def stop(self) -> None:
        """Lets all go on and closes the connection."""
        self.wake()
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        self._connection.close()

    def _tell(self, head: int) -> None:
        for moved, position in list(self._waiting.items()):
            if head > position and not moved.done():
                moved.set_result(None)

    async def _watch(self) -> None:
        try:
            while self._waiting:
                try:
                    result = await self._connection.query()
                    self._tell(int.from_bytes(result.get_value(0, 0) or b"", "big"))
                    await asyncio.sleep(EVERY_S)
                except (ConnectionLost, GroupFailed) as failure:
                    log.warning("subscriptions: the head cannot be read", extra={"reason": type(failure).__name__})
                    await asyncio.sleep(RECONNECT_WAIT_S)
        finally:
            self._watching = None
