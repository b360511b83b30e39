"""What concerns a province: every event after a cursor, in order, and then each as it is recorded.

A stream that ends is taken up again at the next edge from the last position, so nothing is left out. An event comes again only to a
reader that died between taking it and keeping its cursor: its position says so.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc
from chuanyu.exchange.v1.subscription_service_pb2 import DeliveredEvent, SubscribeRequest

from adapters.kit.connection import HubConnection
from adapters.kit.errors import AdapterError
from adapters.kit.private_files import private_file
from adapters.kit.refusal import Refusal, from_call

# The hub says every few seconds how far it has looked: silence for longer is a broken stream.
QUIET_S = 30.0
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.2, 10.0
_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED)


class CursorUnreadable(AdapterError):
    """游标文件不是一个位置。The file of a cursor does not hold a position: restore it, or begin again at 0 without it."""


class Cursor:
    """How far a reader has come, in a file of its own; 0 where there is none yet."""

    def __init__(self, path: Path) -> None:
        """Reads the file; raises CursorUnreadable."""
        self._path = path
        try:
            text = path.read_text(encoding="ascii").strip() if path.exists() else "0"
            self.position = int(text)
        except ValueError:
            raise CursorUnreadable(str(path)) from None

    def keep(self, position: int) -> None:
        """Writes the position to disk before it returns; the old one stays where the new one cannot be written."""
        fresh = private_file(self._path.with_name(f"{self._path.name}.new"))
        with fresh.open("w", encoding="ascii") as file:
            file.write(f"{position}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        self.position = position


class Subscriber:
    """Reads one subscription; used from one event loop."""

    def __init__(self, connection: HubConnection, from_position: int = 0, kinds: Sequence[str] = ()) -> None:
        """Begins after *from_position*; *kinds* are those of Event, none means all. Nothing is asked yet."""
        self._connection, self._kinds = connection, list(kinds)
        # All that concerns the caller up to here was given and handled: what a cursor keeps.
        self.position = from_position
        self.state = "starting"

    async def events(self) -> AsyncIterator[DeliveredEvent]:
        """Yields each event, for ever; `position` moves on once the next one is asked for.

        Raises Refusal for what a further try cannot mend, such as a cursor ahead of the hub.
        """
        failures = 0
        while True:
            target = self._connection.target
            try:
                async for event in self._stream():
                    failures = 0
                    yield event
                refusal = Refusal(grpc.StatusCode.UNAVAILABLE, "STREAM_ENDED")
            except grpc.aio.AioRpcError as error:
                refusal = from_call(error)
            if refusal.code not in _AGAIN:
                self.state = f"stopped: {refusal}"
                raise refusal
            self.state, failures = f"waiting: {refusal}", failures + 1
            self._connection.fail_over(target)
            await asyncio.sleep(refusal.retry_after_s or min(LAST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(failures, 10)))

    async def _stream(self) -> AsyncIterator[DeliveredEvent]:
        call = self._connection.subscriptions.Subscribe(SubscribeRequest(from_position=self.position, kinds=self._kinds))
        try:
            while True:
                try:
                    async with asyncio.timeout(QUIET_S):
                        answer = await call.read()
                except TimeoutError:
                    return
                if answer is grpc.aio.EOF:
                    return
                self.state = "reading"
                if answer.HasField("delivered"):
                    yield answer.delivered
                    self.position = answer.delivered.position
                else:
                    self.position = max(self.position, answer.progress.position)
        finally:
            call.cancel()
