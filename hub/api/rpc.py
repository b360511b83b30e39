"""How a method becomes a gRPC handler: who calls, is the message one, and which status an error becomes.

Requests arrive as bytes and are parsed here: gRPC's own deserialisers answer INTERNAL to a malformed message, which is the caller's fault.
"""

import logging
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from hub.api.directory import Caller, Directory
from hub.api.errors import internal, to_status
from hub.domain.errors import CertificateRequired, HubError, RequestMalformed
from hub.domain.participant import is_participant_name

log = logging.getLogger(__name__)

Request = TypeVar("Request", bound=Message)
Unary = Callable[[Any, Caller], Awaitable[Message]]
Streaming = Callable[[AsyncIterator[Any], Caller], AsyncIterator[Message]]
ServerStreaming = Callable[[Any, Caller], AsyncIterator[Message]]

# W3C Trace Context, version 00.
_TRACE_PARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Gate:
    """Lets a call in: finds its participant in the client certificate and the directory."""

    def __init__(self, directory: Directory, plaintext_caller: str | None = None) -> None:
        """*plaintext_caller* is whom a call without TLS counts as; only the bench's loopback listener sets it."""
        self._directory = directory
        self._plaintext_caller = plaintext_caller

    async def caller(self, context: grpc.aio.ServicerContext) -> Caller:
        """Returns who calls; raises CertificateRequired, ParticipantUnknown or ParticipantSuspended."""
        auth = context.auth_context()
        participant = _participant(tuple(auth.get("x509_subject_alternative_name", ())))
        if self._plaintext_caller and b"ssl" not in auth.get("transport_security_type", ()):
            participant = self._plaintext_caller
        if participant is None:
            raise CertificateRequired
        trace_parent = ""
        for name, value in context.invocation_metadata() or ():
            # A broken header is dropped: a trace is no reason to refuse an event.
            if name == "traceparent" and _TRACE_PARENT.fullmatch(str(value)):
                trace_parent = str(value)
        return self._directory.known_caller(participant, trace_parent) or await self._directory.caller(participant, trace_parent)


@lru_cache(256)
def _participant(names: tuple[bytes, ...]) -> str | None:
    """Returns the participant among the alternative names of a certificate."""
    return next((name for name in (name.decode(errors="replace") for name in names) if is_participant_name(name)), None)


def reader(kind: type[Request]) -> Callable[[bytes], Request]:
    """Returns what parses messages of a type; it raises RequestMalformed."""

    def read(data: bytes) -> Request:
        try:
            return kind.FromString(data)
        except DecodeError:
            raise RequestMalformed from None

    return read


def unary(gate: Gate, read: Callable[[bytes], Any], method: Unary) -> grpc.RpcMethodHandler:
    """Makes the handler of a unary method whose requests *read* parses."""

    async def handle(data: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            caller = await gate.caller(context)
            return (await method(read(data), caller)).SerializeToString()
        except HubError as error:
            await _abort(context, to_status(error))
        except Exception:
            await _abort(context, _unexpected(method))
        raise AssertionError("abort raises")

    return grpc.unary_unary_rpc_method_handler(handle)


def streaming(gate: Gate, read: Callable[[bytes], Any], method: Streaming) -> grpc.RpcMethodHandler:
    """Makes the handler of a bidirectional method whose requests *read* parses."""

    async def handle(data: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        try:
            caller = await gate.caller(context)
            async for answer in method(_parsed(read, data), caller):
                yield answer.SerializeToString()
        except HubError as error:
            await _abort(context, to_status(error))
        except Exception:
            await _abort(context, _unexpected(method))

    return grpc.stream_stream_rpc_method_handler(handle)


def server_streaming(gate: Gate, read: Callable[[bytes], Any], method: ServerStreaming) -> grpc.RpcMethodHandler:
    """Makes the handler of a method that answers one request with a stream."""

    async def handle(data: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        try:
            caller = await gate.caller(context)
            async for answer in method(read(data), caller):
                yield answer.SerializeToString()
        except HubError as error:
            await _abort(context, to_status(error))
        except Exception:
            await _abort(context, _unexpected(method))

    return grpc.unary_stream_rpc_method_handler(handle)


async def _parsed(read: Callable[[bytes], Any], data: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for item in data:
        yield read(item)


def _unexpected(method: Any) -> status_pb2.Status:
    trace_id = secrets.token_hex(16)
    log.exception("rpc: fault of the hub", extra={"method": getattr(method, "__qualname__", ""), "trace_id": trace_id})
    return internal(trace_id)


async def _abort(context: grpc.aio.ServicerContext, status: status_pb2.Status) -> None:
    await context.abort_with_status(rpc_status.to_status(status))


def service(name: str, methods: dict[str, grpc.RpcMethodHandler]) -> grpc.GenericRpcHandler:
    """Makes the generic handler of a service."""
    return grpc.method_handlers_generic_handler(name, methods)
