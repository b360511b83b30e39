"""How a method becomes a gRPC handler: who calls, is the message one, and which status an error becomes.

Requests arrive as bytes and are parsed here: gRPC's own deserialisers answer INTERNAL to a malformed message, which is the caller's fault.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from hub.api.edge import call_log
from hub.api.edge.bars import Bars
from hub.api.edge.client_certificate import Peer, Peers
from hub.api.edge.directory import Caller, Directory
from hub.api.edge.first_message import FIRST_MESSAGE_S, FirstMessages
from hub.api.edge.open_streams import Leash, parsed
from hub.api.edge.statuses import to_status
from hub.api.edge.transport import METADATA_BYTES
from hub.domain.errors import (
    CertificateRequired,
    ClientCertificateUnfit,
    HubError,
    QuotaExceeded,
    RequestInvalid,
    RequestTooLarge,
)
from hub.domain.masking import looks_like_an_identifier
from hub.domain.participant import OPERATOR, OPERATOR_METADATA, PREFIX, is_operator_name
from hub.telemetry.spans import Call, now_ns

Unary = Callable[[Any, Caller], Awaitable[Message]]
Streaming = Callable[[AsyncIterator[Any], Caller], AsyncIterator[Message]]
ServerStreaming = Callable[[Any, Caller], AsyncIterator[Message]]
# A call that is ended sooner was not meant to be answered: see `connections`.
AT_ONCE_NS = 50_000_000
# Until a client has acknowledged the settings gRPC takes 16 MiB of metadata, which HPACK makes of some kilobytes. So much is no mistake.
MISUSED_METADATA_BYTES = 16 * METADATA_BYTES


class Metadata(NamedTuple):
    """Those of a call, and how many bytes their names and values have. Beyond the limit only that is kept: many such calls wait at once."""

    fields: Sequence[tuple[str, str | bytes]]
    size: int


def bounded(fields: Sequence[tuple[str, str | bytes]] | None) -> Metadata:
    """Returns what is kept of a call's metadata."""
    size = sum(map(len, chain.from_iterable(fields or ())))
    return Metadata((fields or ()) if size <= METADATA_BYTES else (), size)


# Makes a method's handler, given its full name and then the metadata of each call: to have them again costs a copy of all.
Handler = Callable[[str], Callable[[Metadata], grpc.RpcMethodHandler]]


class Gate:
    """Lets a call in: finds its participant in the client certificate and the directory."""

    def __init__(
        self, directory: Directory, certificates_dir: Path, plaintext_caller: str = "", first_message_s: float = FIRST_MESSAGE_S
    ) -> None:
        """*plaintext_caller* is whom a call without TLS counts as; only the bench's loopback listener sets it."""
        self.first_messages = FirstMessages(first_message_s)
        self.directory = directory
        self.peers = Peers(certificates_dir)
        self._plaintext_peer = Peer(plaintext_caller) if plaintext_caller else None
        self.leash = Leash(directory.admitted)
        self.bars = Bars()

    async def caller(self, context: grpc.aio.ServicerContext, call: Call, metadata: Metadata) -> Caller:
        """Returns who makes a call, and names it there.

        Raises CertificateRequired, QuotaExceeded for who is barred, ClientCertificateUnfit, RequestTooLarge, or as `admitted`.
        """
        peer = self._peer(context)
        if peer is None:
            raise CertificateRequired
        call.participant = peer.participant.removeprefix(PREFIX)
        self.bars.refuse(peer, context)
        if peer.is_unfit:
            raise ClientCertificateUnfit
        if metadata.size > METADATA_BYTES:
            if metadata.size > MISUSED_METADATA_BYTES:
                self.bars.bar(peer, "metadata")
                self.bars.disconnect(peer, context)
            raise RequestTooLarge(f"Its metadata have {metadata.size:,} bytes.", bytes=metadata.size, limit_bytes=METADATA_BYTES)
        caller = self.directory.known_caller(peer, call) or await self.directory.caller(peer, call)
        return caller if caller.urn != OPERATOR else caller._replace(operator=_operator(metadata))

    async def read(self, context: grpc.aio.ServicerContext, caller: Caller) -> bytes:
        """Returns the message of a caller's call; raises as `FirstMessages.read`."""
        data = await self.first_messages.read(context)
        self.bars.count_read(caller.peer, len(data))
        return data

    def closed(self, context: grpc.aio.ServicerContext, call: Call) -> None:
        """Notes a call that its client ended."""
        if now_ns() - call.began < AT_ONCE_NS and (peer := self._peer(context)) is not None:
            self.bars.gave_up(peer)
        call_log.closed(call, "CANCELLED")

    def is_operator(self, context: grpc.aio.ServicerContext) -> bool:
        """Whether it is an operators' tool that calls, with a certificate of the hub's own authority."""
        peer = self._peer(context)
        return peer is not None and peer.is_tool

    def _peer(self, context: grpc.aio.ServicerContext) -> Peer | None:
        pem = context.auth_context().get("x509_pem_cert")
        return self.peers.of(pem[0]) if pem else self._plaintext_peer


def _operator(metadata: Metadata) -> str:
    """Returns the operator that a tool names with its call; raises RequestInvalid."""
    named = next((str(value) for name, value in metadata.fields if name == OPERATOR_METADATA), "")
    if not is_operator_name(named):
        raise RequestInvalid([(OPERATOR_METADATA, "string.pattern")])
    if looks_like_an_identifier(named):
        raise RequestInvalid([(OPERATOR_METADATA, "no_identifier")])
    return named


def unary(gate: Gate, read: Callable[[bytes], Any], method: Unary, *, takes_batches: bool = False) -> Handler:
    """Makes the handler of a unary method whose requests *read* parses; a participant has only so many batches in hand."""

    def named(name: str) -> Callable[[Metadata], grpc.RpcMethodHandler]:
        async def handle(metadata: Metadata, _: object, context: grpc.aio.ServicerContext) -> bytes:
            call, size = Call(name, _trace_parents(metadata)), 0
            try:
                caller = await gate.caller(context, call, metadata)
                try:
                    with caller.allowance.calls:
                        caller.may_call()
                        among = caller.allowance.batches if takes_batches else caller.allowance.questions
                        async with caller.allowance.shares[name].turn(), among:
                            if takes_batches:
                                caller.allowance.events.refuse_if_spent()
                            data = await gate.read(context, caller)
                            size, request = len(data), read(data)
                            del data
                            answer = (await method(request, caller)).SerializeToString()
                except QuotaExceeded as refusal:
                    # What waits is a refusal, not the request that its frames still know.
                    request = refusal.__traceback__ = None
                    await caller.allowance.hold(refusal, context.time_remaining())
                    raise
            except asyncio.CancelledError:
                gate.closed(context, call)
                raise
            except HubError as error:
                call_log.refused(call, error, size)
                await _abort(context, to_status(error))
            except Exception:
                await _abort(context, call_log.failed(call, size))
            else:
                call_log.answered(call, size, len(answer))
                return answer
            raise AssertionError("abort raises")

        return lambda metadata: _StreamUnary(partial(handle, metadata))

    return named


class _StreamUnary(grpc.RpcMethodHandler):  # type: ignore[misc]
    """What `grpc.stream_unary_rpc_method_handler` makes, in a third of its time: each call has one of its own."""

    request_streaming, response_streaming = True, False
    request_deserializer = response_serializer = unary_unary = unary_stream = stream_stream = None

    def __init__(self, handle: Callable[[object, grpc.aio.ServicerContext], Awaitable[bytes]]) -> None:
        self.stream_unary = handle


def streaming(gate: Gate, read: Callable[[bytes], Any], method: Streaming) -> Handler:
    """Makes the handler of a bidirectional method whose requests *read* parses."""

    def named(name: str) -> Callable[[Metadata], grpc.RpcMethodHandler]:
        async def handle(metadata: Metadata, data: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            def answers(caller: Caller, over: asyncio.Event) -> AsyncIterator[Message]:
                count = partial(gate.bars.count_read, caller.peer)
                return method(parsed(read, count, data, over), caller)

            async for answer in _answers(gate, Call(name, _trace_parents(metadata)), metadata, answers, context):
                yield answer

        return lambda metadata: grpc.stream_stream_rpc_method_handler(partial(handle, metadata))

    return named


def server_streaming(gate: Gate, read: Callable[[bytes], Any], method: ServerStreaming) -> Handler:
    """Makes the handler of a method that answers one request with a stream."""

    def named(name: str) -> Callable[[Metadata], grpc.RpcMethodHandler]:
        async def handle(metadata: Metadata, _: object, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            async def answers(caller: Caller, over: asyncio.Event) -> AsyncIterator[Message]:
                async for answer in method(read(await gate.read(context, caller)), caller):
                    yield answer
                    if over.is_set():
                        return

            async for answer in _answers(gate, Call(name, _trace_parents(metadata)), metadata, answers, context):
                yield answer

        return lambda metadata: grpc.stream_stream_rpc_method_handler(partial(handle, metadata))

    return named


async def _answers(
    gate: Gate,
    call: Call,
    metadata: Metadata,
    answers: Callable[[Caller, asyncio.Event], AsyncIterator[Message]],
    context: grpc.aio.ServicerContext,
) -> AsyncIterator[bytes]:
    """Runs a stream from its caller to its end; what goes through it is counted by who answers it."""

    async def abort(refusal: HubError) -> None:
        with contextlib.suppress(grpc.aio.AbortError):
            await _abort(context, to_status(refusal))

    try:
        caller = await gate.caller(context, call, metadata)
        try:
            with caller.allowance.streams:
                caller.may_call()
                async for answer in gate.leash.held(partial(answers, caller), caller.peer, abort):
                    yield answer.SerializeToString()
        except QuotaExceeded as refusal:
            refusal.__traceback__ = None
            await caller.allowance.hold(refusal, context.time_remaining())
            raise
    except (asyncio.CancelledError, GeneratorExit):
        call_log.closed(call, "CANCELLED")
        raise
    except HubError as error:
        call_log.refused(call, error)
        await _abort(context, to_status(error))
    except Exception:
        await _abort(context, call_log.failed(call))
    else:
        call_log.closed(call)


def _trace_parents(metadata: Metadata) -> list[str]:
    return [str(value) for name, value in metadata.fields if name == "traceparent"]


async def _abort(context: grpc.aio.ServicerContext, status: status_pb2.Status) -> None:
    await context.abort_with_status(rpc_status.to_status(status))


class Methods(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds the handler of a call by its method, in one table of all services: gRPC asks one generic handler after the other."""

    def __init__(self, methods: Mapping[str, Callable[[Metadata], grpc.RpcMethodHandler]]) -> None:
        """*methods* are by their paths."""
        self._methods = methods

    @classmethod
    def of(cls, *services: "Methods") -> "Methods":
        """Returns the table of several services; of two that have a method the first counts."""
        return cls({path: handler for one in reversed(services) for path, handler in one._methods.items()})

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Returns the handler of one call, None for a method of another service."""
        found = self._methods.get(handler_call_details.method)
        return found(bounded(handler_call_details.invocation_metadata)) if found is not None else None


def service(name: str, methods: dict[str, Handler]) -> Methods:
    """Makes the table of a service."""
    return Methods({f"/{name}/{method}": named(f"{name}/{method}") for method, named in methods.items()})
