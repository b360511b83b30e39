"""The connections of this process: bounded by certificate, and closed where the holder may not speak or is barred.

They are looked at once a second. One that a barred certificate makes a call on is silenced at once, without a look at the others, and
closed some seconds later.

gRPC shows a server no connections, but its channelz does, with the certificate of each. It closes none on demand either: the socket is shut
down under it, which it takes as the client's going away. Both are done here, in the process that ends TLS, so that whose connection it is
rests on the handshake and on nobody's word.
"""

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from grpc_channelz.v1 import channelz_pb2
from grpc_channelz.v1.channelz import ChannelzServicer

from hub.api.edge import sockets
from hub.api.edge.bars import BARRED, Bars
from hub.api.edge.client_certificate import Peer
from hub.api.edge.control_bytes import Brought, ControlBytes
from hub.api.edge.sockets import Address
from hub.domain.errors import HubError, JournalUnavailable
from hub.domain.quota import Bucket
from hub.telemetry import logs, names

log = logging.getLogger(__name__)

EVERY_S = 1.0
# What a barred participant sends need not be calls that the gate sees, and it would have a second for the same again.
EVERY_WHILE_BARRED_S = 0.1
# One that is closed is opened again at once, and a handshake costs more than a call. So it is kept, and nothing that comes on it is read.
SILENT_S = 5.0
# A client has one, or a few while edges change; a pool of gates behind one certificate some dozens.
CONNECTIONS_OF_A_CERTIFICATE = 32
# A barred caller's calls and streams are still answered in that time.
CLOSE_REFUSED_AFTER_S = 10.0
CONTROL = "frames without messages"
# Streams may begin somewhat faster than calls are let in. Refusals are delayed, so only calls that are given up begin faster than this.
STREAMS_OF_A_CALL = 1.2
STREAMS_TO_SPARE = 500

# Returns how many calls a second a peer may make; raises a HubError if it may not speak.
Admit = Callable[[Peer], Awaitable[int]]


@dataclass(slots=True)
class _Connection:
    """One connection: the client's address, its certificate's peer (None if it names no participant), and what began on it."""

    address: Address
    certificate: bytes
    peer: Peer | None
    seen_at: float
    streams: int = 0
    begun: int = 0
    is_open: int = 0
    received: int = 0
    sent: int = 0
    brought: tuple[int, int] = (0, 0)

    def look(self, data: channelz_pb2.SocketData, counted: tuple[int, int]) -> None:
        """Notes what began on it and what it brought since the last look."""
        self.begun, self.streams = data.streams_started - self.streams, data.streams_started
        self.is_open = data.streams_started - data.streams_succeeded - data.streams_failed
        received, sent = counted
        self.brought = max(0, received - self.received), max(0, sent - self.sent)
        self.received, self.sent = received, sent


@dataclass(slots=True)
class Connections:
    """Watches the connections to a port; used from one event loop."""

    port: int
    peer_of: Callable[[bytes], Peer | None]
    admit: Admit
    bars: Bars
    close_refused_after_s: float = CLOSE_REFUSED_AFTER_S
    _known: dict[int, _Connection] = field(default_factory=dict)
    _refused: dict[bytes, float] = field(default_factory=dict)
    _begun: dict[bytes, Bucket] = field(default_factory=dict)
    _control: dict[bytes, ControlBytes] = field(default_factory=dict)
    _silent_until: dict[Address, float] = field(default_factory=dict)

    async def keep(self) -> None:
        """Looks again and again, until cancelled."""
        look_at = time.monotonic() + EVERY_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(look_at - time.monotonic()):
                    await self.bars.news.wait()
            try:
                if called := self.bars.take_called():
                    await asyncio.to_thread(self._close, called)
                if time.monotonic() >= look_at:
                    await asyncio.to_thread(self._look)
                    await self._judge()
            except Exception:
                log.exception("connections: they could not be looked at")
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + (EVERY_WHILE_BARRED_S if self.bars else EVERY_S)

    def of_participants(self) -> dict[tuple[str, ...], float]:
        """Returns how many connections each certificate's holder has."""
        return {(name,): float(count) for name, count in Counter(_name(one.peer) for one in dict(self._known).values()).items()}

    def _look(self) -> None:
        now, found, counted = time.monotonic(), {}, _counted(self.port)
        for identity in _sockets():
            # Beside one that is looked at, others are closed.
            answer = ChannelzServicer.GetSocket(channelz_pb2.GetSocketRequest(socket_id=identity), _NotFoundIsNone())
            if answer is None or (socket_ := answer.socket).local.tcpip_address.port != self.port:
                continue
            known = self._known.get(identity)
            if known is None:
                certificate = bytes(socket_.security.tls.remote_certificate)
                remote = socket_.remote.tcpip_address
                address = (sockets.plain(ipaddress.ip_address(remote.ip_address)), remote.port)
                known = _Connection(address, certificate, self.peer_of(certificate) if certificate else None, now)
            known.look(socket_.data, counted.get(known.address, (0, 0)))
            found[identity] = known
        self._known = found

    async def _judge(self) -> None:
        now = time.monotonic()
        by_certificate: dict[bytes, list[_Connection]] = defaultdict(list)
        for _, one in sorted(self._known.items()):
            if one.certificate:
                by_certificate[one.certificate].append(one)
        self._refused = {certificate: since for certificate, since in self._refused.items() if certificate in by_certificate}
        self._begun = {certificate: bucket for certificate, bucket in self._begun.items() if certificate in by_certificate}
        self._control = {certificate: bytes_ for certificate, bytes_ in self._control.items() if certificate in by_certificate}
        read = self.bars.take_read()
        doomed: list[tuple[str, list[_Connection]]] = []
        for certificate, mine in by_certificate.items():
            doomed.append((CONTROL, self._beyond_control(certificate, mine, read, now)))
            if self.bars.is_barred(mine[0].peer):
                doomed.append((BARRED, mine))
                continue
            doomed.append(("too many", mine[CONNECTIONS_OF_A_CERTIFICATE:]))
            if (peer := mine[0].peer) is not None and not peer.is_tool:
                doomed += await self._judged(peer, certificate, mine, now)
        await asyncio.to_thread(self._close, {one.address: (why, one.peer) for why, those in doomed for one in those})

    def _beyond_control(self, certificate: bytes, mine: list[_Connection], read: Mapping[Peer, int], now: float) -> list[_Connection]:
        """Bars a certificate whose connections bring too much that is no message; returns them if it names nobody who could be barred."""
        peer = mine[0].peer
        received, sent = (sum(one.brought[which] for one in mine) for which in (0, 1))
        brought = Brought(received, sent, sum(one.begun for one in mine), sum(one.is_open for one in mine))
        explained = read.get(peer, 0) if peer is not None else 0
        if not self._control.setdefault(certificate, ControlBytes()).are_too_many(brought, explained, now):
            return []
        if peer is None:
            return mine
        del self._control[certificate]
        self.bars.bar(peer, CONTROL)
        return []

    async def _judged(self, peer: Peer, certificate: bytes, mine: list[_Connection], now: float) -> list[tuple[str, list[_Connection]]]:
        try:
            per_s = await self.admit(peer)
        except JournalUnavailable:
            return []
        except HubError as refusal:
            since = self._refused.setdefault(certificate, now)
            return [(type(refusal).__name__, mine if now - since > self.close_refused_after_s else [])]
        self._refused.pop(certificate, None)
        bucket = self._begun.setdefault(certificate, Bucket(int(per_s * STREAMS_OF_A_CALL), STREAMS_TO_SPARE, now))
        bucket.change(int(per_s * STREAMS_OF_A_CALL), now)
        begun = sum(one.begun for one in mine)
        if bucket.delay_s(begun, now) > 0:
            self.bars.bar(peer, "streams begun and given up")
            return [(BARRED, mine)]
        bucket.take(begun)
        return []

    def _close(self, doomed: Mapping[Address, tuple[str, Peer | None]]) -> None:
        if not doomed:
            return
        closed: Counter[tuple[str, str]] = Counter()
        now, silent_until = time.monotonic(), dict[Address, float]()
        for shown in sockets.own_sockets(self.port):
            with contextlib.closing(shown):
                at = sockets.address(shown.getpeername())
                if at in self._silent_until:
                    silent_until[at] = self._silent_until[at]
                why, peer = doomed.get(at, ("", None))
                if why == BARRED and now < silent_until.setdefault(at, now + SILENT_S):
                    sockets.silence(shown)
                elif why:
                    closed[_name(peer), why] += 1
                    sockets.end(shown)
        self._silent_until = silent_until
        for (participant, reason), count in closed.items():
            names.CONNECTIONS_CLOSED.add(participant, reason, count=count)
            logs.security("connections.closed", participant=participant, reason=reason, count=count)


class _NotFoundIsNone:
    """The servicer's context: it says there that it has found nothing, and returns None."""

    def set_code(self, _: object) -> None:
        """Takes no note."""

    def set_details(self, _: object) -> None:
        """Takes no note."""


def _counted(port: int) -> dict[Address, tuple[int, int]]:
    """Returns what each connection to a port has brought and was sent so far, by the client's address."""
    found = {}
    for shown in sockets.own_sockets(port):
        with contextlib.closing(shown), contextlib.suppress(OSError):
            found[sockets.address(shown.getpeername())] = sockets.counted(shown)
    return found


def _name(peer: Peer | None) -> str:
    return peer.participant.rpartition(":")[2] if peer is not None else ""


def _sockets() -> Iterable[int]:
    """Yields the ids of the connections of all servers of the process."""
    for server in ChannelzServicer.GetServers(channelz_pb2.GetServersRequest(start_server_id=0), None).server:
        start, is_end = 0, False
        while not is_end:
            request = channelz_pb2.GetServerSocketsRequest(server_id=server.ref.server_id, start_socket_id=start)
            page = ChannelzServicer.GetServerSockets(request, None)
            for ref in page.socket_ref:
                yield ref.socket_id
                start = ref.socket_id + 1
            is_end = page.end or not page.socket_ref
