"""The standard health service, whose watchers get the news that the server stops, and are let go: else each would delay the stop.

An operators' tool that asks gets the reason with the answer, in its trailing metadata: it needs no other page for that.
"""

import asyncio
from collections.abc import Callable, Mapping

import grpc
from grpc_health.v1 import health, health_pb2

# Time for the last word to be written.
FAREWELL_S = 0.2
# Binary, since the reasons are Chinese first.
REASON_METADATA = "hub-reason-bin"


class Health(health.aio.HealthServicer):  # type: ignore[misc]
    """What the library has, with reasons for operators' tools, and an end to `Watch`."""

    def __init__(
        self,
        closing: asyncio.Event,
        is_operator: Callable[[grpc.aio.ServicerContext], bool],
        reasons: Callable[[], Mapping[str, str]],
    ) -> None:
        """*closing* is set once the server stops, after `enter_graceful_shutdown`; *reasons* are why services are not ready."""
        super().__init__()
        self._closing, self._is_operator, self._reasons = closing, is_operator, reasons

    async def Check(  # noqa: N802 (gRPC's name)
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """Says whether a service is ready, and to operators' tools why it is not."""
        if (reason := self._reasons().get(request.service)) and self._is_operator(context):
            context.set_trailing_metadata(((REASON_METADATA, reason.encode()),))
        return await super().Check(request, context)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext) -> None:  # noqa: N802 (gRPC's name)
        """Reports each change until the server stops."""
        watching = asyncio.create_task(super().Watch(request, context))
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait((watching, closing), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((watching,), timeout=FAREWELL_S)
        finally:
            watching.cancel()
            closing.cancel()
