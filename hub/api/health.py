"""The standard health service, whose watchers are told that the server stops and are let go: else each would hold the stop up."""

import asyncio

import grpc
from grpc_health.v1 import health, health_pb2

# Time for the last word to be written.
FAREWELL_S = 0.2


class Health(health.aio.HealthServicer):  # type: ignore[misc]
    """What the library has, and an end to `Watch`."""

    def __init__(self, closing: asyncio.Event) -> None:
        """*closing* is set once the server stops, after `enter_graceful_shutdown`."""
        super().__init__()
        self._closing = closing

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext) -> None:  # noqa: N802 (gRPC's name)
        """Tells each change until the server stops."""
        watching = asyncio.create_task(super().Watch(request, context))
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait((watching, closing), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((watching,), timeout=FAREWELL_S)
        finally:
            watching.cancel()
            closing.cancel()
