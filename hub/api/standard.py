"""The standard services that tools look for, behind the gate: reflection for whoever may speak, channelz for operators alone.

Channelz shows every connection of the process with its peer and certificate, which is no participant's business. Health stays open to
all that TLS lets in: it says yes or no, and load balancers ask it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc_channelz.v1 import channelz_pb2_grpc
from grpc_channelz.v1.channelz import aio as channelz
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from grpc_status import rpc_status

from hub.api.errors import to_status
from hub.api.readiness import SERVICES
from hub.api.rpc import Gate
from hub.domain.errors import HubError, NotPermitted
from hub.telemetry.spans import Call

Admit = Callable[[grpc.aio.ServicerContext], Awaitable[None]]


def add_standard_services(server: grpc.aio.Server, gate: Gate) -> None:
    """Adds reflection and channelz to a server."""

    async def operators(context: grpc.aio.ServicerContext) -> None:
        if not gate.is_operator(context):
            raise NotPermitted("channelz is for operators; use the certificate hub.status")

    async def speakers(context: grpc.aio.ServicerContext) -> None:
        if not gate.is_operator(context):
            await gate.caller(context, Call("reflection"))

    names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
        reflection.aio.ReflectionServicer(service_names=names), _Guarded(server, speakers)
    )
    channelz_pb2_grpc.add_ChannelzServicer_to_server(channelz.ChannelzServicer(), _Guarded(server, operators))


class _Guarded:
    """A server to those that add their services to it: what they add asks first whether the caller is admitted."""

    def __init__(self, server: grpc.aio.Server, admit: Admit) -> None:
        self._server, self._admit = server, admit

    def add_generic_rpc_handlers(self, handlers: tuple[grpc.GenericRpcHandler, ...]) -> None:
        """Adds the handlers behind the question."""
        self._server.add_generic_rpc_handlers(tuple(_GuardedHandler(handler, self._admit) for handler in handlers))

    def add_registered_method_handlers(self, *_: object) -> None:
        """Adds nothing: the generic handlers serve every method."""


class _GuardedHandler(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, handler: grpc.GenericRpcHandler, admit: Admit) -> None:
        self._handler, self._admit = handler, admit

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Finds the method's handler and puts the question before it."""
        found: Any = self._handler.service(handler_call_details)
        if found is None:
            return None
        if found.unary_unary is not None:
            return found._replace(unary_unary=_unary(found.unary_unary, self._admit))
        return found._replace(stream_stream=_stream(found.stream_stream, self._admit))


def _unary(method: Callable[[Any, Any], Awaitable[Any]], admit: Admit) -> Callable[[Any, Any], Awaitable[Any]]:
    async def guarded(request: Any, context: grpc.aio.ServicerContext) -> Any:
        await _ask(admit, context)
        return await method(request, context)

    return guarded


def _stream(method: Callable[[Any, Any], AsyncIterator[Any]], admit: Admit) -> Callable[[Any, Any], AsyncIterator[Any]]:
    async def guarded(requests: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        await _ask(admit, context)
        async for answer in method(requests, context):
            yield answer

    return guarded


async def _ask(admit: Admit, context: grpc.aio.ServicerContext) -> None:
    try:
        await admit(context)
    except HubError as error:
        await context.abort_with_status(rpc_status.to_status(to_status(error)))
