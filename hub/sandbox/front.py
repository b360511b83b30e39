"""What clients connect to: mutual TLS as at an edge; every call is recorded, passed on to an edge, and broken where a fault is armed.

The front speaks to the edge with the very certificate that the client showed, whose key is in the same folder: so the edge sees who asks
and decides for itself. A certificate that was not issued there cannot be passed on, and is refused with words that say so.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509

from hub.api.edge.client_certificate import Peers
from hub.api.edge.transport import OPTIONS, listen
from hub.domain.participant import PREFIX
from hub.intake.batches import MESSAGE_BYTES
from hub.loopback import channel_options
from hub.sandbox.answers import DETAILS, Ended, ended_by, refused_batch, spoiled, status_of
from hub.sandbox.faults import Fault, Faults
from hub.sandbox.recording import MOST_PASSED, Exchange, Passed, Recording
from hub.trust.authority import CertificateFiles, files_of
from hub.trust.certificates import entry
from hub.trust.server_tls import ServerCertificate

log = logging.getLogger(__name__)

# What HTTP/2 and gRPC put in themselves.
_OWN_METADATA = ("user-agent", ":", "grpc-", "te", "content-type")
_CHANNEL = [("grpc.max_receive_message_length", 4 * MESSAGE_BYTES), ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]  # fmt: skip


class Front:
    """The doors that clients knock at; used from one event loop. *doors* lead to *edges*, by turns where there are fewer edges."""

    def __init__(self, certificates: Path, edges: Sequence[str], doors: Sequence[str] = ("127.0.0.1:0",), most: int = MOST_PASSED) -> None:
        """Listens nowhere yet; of each call so many messages are kept, *most*."""
        self._certificates, self.edges, self._doors, self._most = certificates, list(edges), doors, most
        self.recording, self.faults = Recording(), Faults()
        self.targets: list[str] = []
        # Until when doors are closed, by the monotonic clock: what comes there fails as at an edge that is away.
        self.closed: dict[int, float] = {}
        self._servers: list[grpc.aio.Server] = []
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}
        self._open: set[asyncio.Queue[bytes | Ended]] = set()
        self._files: dict[str, CertificateFiles] = {}
        self._peers = Peers(certificates)

    async def start(self) -> None:
        """Listens at every door."""
        certificate = ServerCertificate(files_of(self._certificates, "server"))
        for number, door in enumerate(self._doors):
            server = grpc.aio.server(handlers=[_Handler(self, number)], options=OPTIONS)
            self.targets.append(f"{door.rpartition(':')[0]}:{listen(server, door, certificate.credentials())}")
            await server.start()
            self._servers.append(server)

    async def stop(self) -> None:
        """Ends every call and closes the doors."""
        for server in self._servers:
            await server.stop(0)
        await self.forget_edges()

    async def forget_edges(self) -> None:
        """Closes the ways to the edges: the next call dials again."""
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()

    def end_streams(self, code: grpc.StatusCode = grpc.StatusCode.OK) -> int:
        """Ends every call that is open now, as an edge that is being stopped does its streams; says how many."""
        for queue in self._open:
            queue.put_nowait(Ended(code, "" if code is grpc.StatusCode.OK else "sandbox: ended", fault="end-streams"))
        return len(self._open)

    async def relay(self, path: str, door: int, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """Passes one call on, both ways."""
        pem = context.auth_context().get("x509_pem_cert", [b""])[0]
        peer = self._peers.of(pem)
        exchange = Exchange(
            path, "" if peer is None else peer.participant.removeprefix(PREFIX), peer.fingerprint if peer else "", door, self._most
        )
        self.recording.begin(exchange)
        queue: asyncio.Queue[bytes | Ended] = asyncio.Queue(1)
        call = _Call(self, exchange, queue, None if peer is None else self._channel(peer.fingerprint, door), context)
        work = asyncio.create_task(call.run(requests))
        work.add_done_callback(call.noticed)
        self._open.add(call.ends)
        try:
            while isinstance(item := await call.next(), bytes):
                yield item
            exchange.end(item.code.name, status_of(item), item.fault)
            if item.code is not grpc.StatusCode.OK:
                await context.abort(item.code, item.details, item.metadata)
            context.set_trailing_metadata(item.metadata)
        finally:
            exchange.end("CANCELLED", ended_by="client")
            self._open.discard(call.ends)
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    def _channel(self, fingerprint: str, door: int) -> grpc.aio.Channel | None:
        """Returns the way to the edge behind a door, with the certificate that was shown."""
        if fingerprint not in self._files:
            self._files = {
                entry(x509.load_pem_x509_certificate(path.read_bytes())).fingerprint: files_of(self._certificates, path.stem)
                for path in self._certificates.glob("*.crt")
                if path.with_name(f"{path.stem}.key").exists()
            }
        files = self._files.get(fingerprint)
        if files is None:
            return None
        edge = self.edges[door % len(self.edges)]
        if (edge, fingerprint) not in self._channels:
            self._channels[edge, fingerprint] = grpc.aio.secure_channel(edge, files.client_credentials(), channel_options(edge, _CHANNEL))
        return self._channels[edge, fingerprint]


class _Call:
    """One call under way: requests go to the edge, answers come back, each past the faults."""

    def __init__(
        self, front: Front, exchange: Exchange, queue: asyncio.Queue[bytes | Ended], channel: grpc.aio.Channel | None, context: Any
    ) -> None:
        self._front, self._exchange, self._answers, self._channel, self._context = front, exchange, queue, channel, context
        self.ends: asyncio.Queue[bytes | Ended] = asyncio.Queue()
        self._feed = ""
        # Requests passed on and not answered yet: a refusal of the front's own comes after their answers.
        self._waiting, self._answered = 0, asyncio.Event()

    def noticed(self, work: asyncio.Task[None]) -> None:
        """Ends the call where a fault of the front's own has ended its work: nobody is left waiting."""
        if not work.cancelled() and (error := work.exception()) is not None:
            log.error("sandbox: a call was not passed on", exc_info=error)
            self.ends.put_nowait(Ended(grpc.StatusCode.INTERNAL, "sandbox: fault of the sandbox itself; its log says which", fault="front"))

    async def next(self) -> bytes | Ended:
        """Returns what the client gets next; an end from outside comes first."""
        wanted = [asyncio.ensure_future(queue.get()) for queue in (self.ends, self._answers)]
        try:
            done, _ = await asyncio.wait(wanted, return_when=asyncio.FIRST_COMPLETED)
            return next(task for task in wanted if task in done).result()
        finally:
            for task in wanted:
                task.cancel()

    async def run(self, requests: AsyncIterator[bytes]) -> None:
        """Passes everything on, and puts the end last."""
        refused = self._refused_at_once()
        if refused is not None:
            await self._answers.put(refused)
            return
        assert self._channel is not None
        metadata = [(key, value) for key, value in self._context.invocation_metadata() or () if not key.startswith(_OWN_METADATA)]
        upstream = self._channel.stream_stream(self._exchange.path)(metadata=metadata, timeout=self._context.time_remaining())
        sending = asyncio.create_task(self._send(requests, upstream))
        sending.add_done_callback(self.noticed)
        try:
            await self._receive(upstream)
        finally:
            sending.cancel()
            upstream.cancel()
            await asyncio.wait({sending})

    def _refused_at_once(self) -> Ended | None:
        if time.monotonic() < self._front.closed.get(self._exchange.door, 0.0):
            return Ended(grpc.StatusCode.UNAVAILABLE, "sandbox: this edge is away", fault="edge-away")
        if self._channel is None:
            said = "sandbox: the certificate was not issued here; use one of its folder"
            return Ended(grpc.StatusCode.UNAUTHENTICATED, said, fault="certificate")
        return None

    async def _send(self, requests: AsyncIterator[bytes], upstream: Any) -> None:
        try:
            async for body in requests:
                passed = self._exchange.note(body, is_request=True)
                self._feed = str(getattr(self._exchange.read(passed), "feed", "")) or self._feed
                fault = self._front.faults.met("request", self._exchange.method, self._feed)
                if fault is not None:
                    await self._refuse(passed, fault)
                    continue
                self._waiting += 1
                await upstream.write(body)
            await upstream.done_writing()
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, grpc.aio.AbortError, asyncio.InvalidStateError):
            # The call is over; its answers say why.
            return

    async def _refuse(self, passed: Passed, fault: Fault) -> None:
        """Answers a request in the edge's place: in the stream where that is how a hub would, else by ending the call."""
        while self._waiting > 0:
            self._answered.clear()
            await self._answered.wait()
        passed.made_by = fault.kind
        if self._exchange.method == "StreamEvents" and fault.kind != "unavailable":
            await self._answer(refused_batch(passed, fault.status), fault.kind)
        else:
            await self._answers.put(ended_by(fault))

    async def _answer(self, body: bytes, made_by: str = "") -> None:
        self._exchange.note(body, is_request=False, made_by=made_by)
        await self._answers.put(body)

    async def _receive(self, upstream: Any) -> None:
        while (body := await _read(upstream)) is not grpc.aio.EOF:
            self._waiting -= 1
            fault = self._front.faults.met("answer", self._exchange.method, self._feed)
            if fault is not None and (ended := await self._break(body, fault)) is not None:
                await self._answers.put(ended)
                return
            if fault is None or fault.kind == "slow-answers":
                await self._answer(body)
            self._answered.set()
        code, details = await upstream.code(), await upstream.details() or ""
        trailing = tuple((key, value) for key, value in await upstream.trailing_metadata() or () if key == DETAILS)
        await self._answers.put(Ended(code, details, trailing))

    async def _break(self, body: bytes, fault: Fault) -> Ended | None:
        """Does to an answer what a fault does; returns how the call ends, None where it goes on."""
        if fault.kind == "slow-answers":
            await asyncio.sleep(fault.seconds)
            return None
        if fault.kind == "spoiled-receipt":
            await self._answer(spoiled(self._exchange, body), fault.kind)
            return None
        if fault.kind in ("stream-end", "stream-cut"):
            await self._answer(body)
        else:
            self._exchange.note(body, is_request=False, made_by=fault.kind)
        return ended_by(fault)


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Takes every method at a door."""

    def __init__(self, front: Front, door: int) -> None:
        self._front, self._door = front, door

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler:
        """Returns what relays the method."""
        path = handler_call_details.method

        async def relay(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async for body in self._front.relay(path, self._door, requests, context):
                yield body

        return grpc.stream_stream_rpc_method_handler(relay)


async def _read(upstream: Any) -> Any:
    try:
        return await upstream.read()
    except grpc.aio.AioRpcError:
        # It has ended with an error, which is read from the call.
        return grpc.aio.EOF
