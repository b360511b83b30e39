"""The standard services that tools look for, behind the gate: reflection for every registered caller, channelz for operators alone.

Channelz shows every connection of the process with its peer and certificate, which is no participant's business. Health stays open to
all that TLS lets in: it says yes or no, and load balancers ask it. Calls of all three are counted by certificate.
"""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_channelz.v1 import channelz_pb2_grpc
from grpc_channelz.v1.channelz import aio as channelz
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from grpc_status import rpc_status

from hub.api.edge.first_message import FirstMessages
from hub.api.edge.handlers import Gate, bounded
from hub.api.edge.health import Health
from hub.api.edge.readiness import SERVICES
from hub.api.edge.statuses import to_status
from hub.domain.errors import HubError, NotPermitted, QuotaExceeded, RequestMalformed
from hub.telemetry.spans import Call

Admit = Callable[[grpc.aio.ServicerContext], Awaitable[None]]
Method = Callable[[Any, Any], Awaitable[Any]]
LetIn = Callable[[grpc.aio.ServicerContext], contextlib.AbstractAsyncContextManager[None]]
# A load balancer has one question or one watch at a time; a watch counts as much as a question that does not say what.
CALLS_OF_A_CERTIFICATE = 16


def add_standard_services(server: grpc.aio.Server, gate: Gate, health: Health) -> None:
    """Adds health, reflection and channelz to a server."""
    under_way: Counter[str] = Counter()

    def guarded(admit: Admit) -> _Guarded:
        return _Guarded(server, admit, under_way, gate.first_messages)

    async def anybody(_: grpc.aio.ServicerContext) -> None:
        """TLS has let it in."""

    async def operators(context: grpc.aio.ServicerContext) -> None:
        if not gate.is_operator(context):
            raise NotPermitted("channelz is for operators; use the certificate hub.status")

    async def speakers(context: grpc.aio.ServicerContext) -> None:
        if not gate.is_operator(context):
            await gate.caller(context, Call("reflection"), bounded(context.invocation_metadata()))

    names = (*SERVICES, HEALTH_SERVICE, reflection.SERVICE_NAME)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflection.aio.ReflectionServicer(service_names=names), guarded(speakers))
    channelz_pb2_grpc.add_ChannelzServicer_to_server(channelz.ChannelzServicer(), guarded(operators))
    health_pb2_grpc.add_HealthServicer_to_server(health, guarded(anybody))


class _Guarded:
    """A server to those that add their services to it: what they add asks first whether the caller is admitted, and counts its call."""

    def __init__(self, server: grpc.aio.Server, admit: Admit, under_way: Counter[str], messages: FirstMessages) -> None:
        self._server, self._admit, self._under_way, self._messages = server, admit, under_way, messages

    def add_generic_rpc_handlers(self, handlers: tuple[grpc.GenericRpcHandler, ...]) -> None:
        """Adds the handlers behind the question."""
        self._server.add_generic_rpc_handlers(tuple(_GuardedHandler(handler, self._let_in, self._messages) for handler in handlers))

    def add_registered_method_handlers(self, *_: object) -> None:
        """Adds nothing: the generic handlers serve every method."""

    @contextlib.asynccontextmanager
    async def _let_in(self, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        """Counts a call of a certificate while it lasts; ends it with a status if it may not be made."""
        certificate = str((context.auth_context().get("x509_pem_cert") or (b"",))[0])
        try:
            if self._under_way[certificate] >= CALLS_OF_A_CERTIFICATE:
                raise QuotaExceeded("standard_calls_at_once", CALLS_OF_A_CERTIFICATE, 1.0)
            self._under_way[certificate] += 1
            try:
                await self._admit(context)
                yield
            finally:
                self._under_way[certificate] -= 1
                if not self._under_way[certificate]:
                    del self._under_way[certificate]
        except HubError as error:
            await context.abort_with_status(rpc_status.to_status(to_status(error)))


class _GuardedHandler(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, handler: grpc.GenericRpcHandler, let_in: LetIn, messages: FirstMessages) -> None:
        self._handler, self._let_in, self._messages = handler, let_in, messages

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Finds the method's handler and puts the question before it, and before its request."""
        found: Any = self._handler.service(handler_call_details)
        if found is None:
            return None
        reading = {"request_deserializer": None, "response_serializer": found.response_serializer}
        if found.unary_unary is not None:
            return grpc.stream_unary_rpc_method_handler(self._asked(found.unary_unary, found.request_deserializer), **reading)
        if found.unary_stream is not None:
            return grpc.stream_stream_rpc_method_handler(self._asked(found.unary_stream, found.request_deserializer), **reading)
        return found._replace(stream_stream=_stream(found.stream_stream, self._let_in))

    def _asked(self, method: Method, read: Callable[[bytes], Any]) -> Method:
        async def guarded(_: object, context: grpc.aio.ServicerContext) -> Any:
            async with self._let_in(context):
                data = await self._messages.read(context)
                try:
                    request = read(data)
                except DecodeError:
                    raise RequestMalformed from None
                return await method(request, context)

        return guarded


def _stream(method: Callable[[Any, Any], AsyncIterator[Any]], let_in: LetIn) -> Callable[[Any, Any], AsyncIterator[Any]]:
    async def guarded(requests: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        async with let_in(context):
            async for answer in method(requests, context):
                yield answer

    return guarded
