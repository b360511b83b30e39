"""Which certificates are barred: whose holders make calls only to end them at once, or send what no client sends by mistake.

A bar is decided at the call that is one too many, not at the next look at the connections: within a second a client can give up thousands.
"""

import asyncio
import time
from urllib.parse import unquote

import grpc

from hub.api.edge.client_certificate import Peer
from hub.api.edge.control_bytes import AROUND_A_MESSAGE
from hub.api.edge.sockets import Address
from hub.domain.errors import QuotaExceeded
from hub.domain.participant import PREFIX
from hub.domain.quota import Bucket
from hub.telemetry import logs

# A call that its client gives up within 50 ms cannot have been meant to be answered. A client that ends gives up all it has, 256 at most.
GIVEN_UP_PER_S, GIVEN_UP_TO_SPARE = 50, 300
BARRED_S = 60.0
# Buckets of holders that have made no call for long are dropped once there are so many.
KNOWN_HOLDERS = 1_000

BARRED = "barred"


class Bars:
    """Used from one event loop; *news* is set when there are connections to be closed at once."""

    def __init__(self) -> None:
        """Nobody is barred."""
        self.news = asyncio.Event()
        self._until: dict[Peer, float] = {}
        self._given_up: dict[Peer, Bucket] = {}
        self._called: dict[Address, tuple[str, Peer]] = {}
        self._read: dict[Peer, int] = {}

    def __bool__(self) -> bool:
        """Whether somebody is barred now."""
        now = time.monotonic()
        self._until = {peer: until for peer, until in self._until.items() if until > now}
        return bool(self._until)

    def is_barred(self, peer: Peer | None) -> bool:
        """Whether calls with this certificate are answered no more."""
        return peer is not None and self._until.get(peer, 0.0) > time.monotonic()

    def bar(self, peer: Peer, why: str) -> None:
        """Bars a certificate for a minute; its connections are closed at their next call, or at the next look."""
        if not self.is_barred(peer):
            logs.security("certificate.barred", participant=peer.participant.removeprefix(PREFIX), reason=why)
        self._until[peer] = time.monotonic() + BARRED_S

    def refuse(self, peer: Peer, context: grpc.aio.ServicerContext) -> None:
        """Raises QuotaExceeded for a barred certificate, and has the connection closed that the call came on."""
        if self._until and (left_s := self._until.get(peer, 0.0) - time.monotonic()) > 0:
            self.disconnect(peer, context)
            raise QuotaExceeded("calls_given_up_per_s", GIVEN_UP_PER_S, left_s)

    def disconnect(self, peer: Peer, context: grpc.aio.ServicerContext) -> None:
        """Has the connection closed that a call of a barred certificate came on."""
        host, _, port = unquote(context.peer()).partition(":")[2].rpartition(":")
        if port.isdecimal():
            self._called[host.strip("[]"), int(port)] = BARRED, peer
            self.news.set()

    def gave_up(self, peer: Peer) -> None:
        """Counts a call that was ended at once, and bars the certificate if it is one too many."""
        now = time.monotonic()
        if len(self._given_up) > KNOWN_HOLDERS:
            self._given_up = {peer: bucket for peer, bucket in self._given_up.items() if bucket.delay_s(GIVEN_UP_TO_SPARE, now) > 0}
        bucket = self._given_up.setdefault(peer, Bucket(GIVEN_UP_PER_S, GIVEN_UP_TO_SPARE, now))
        if bucket.delay_s(1, now) > 0:
            self.bar(peer, "calls given up at once")
        else:
            bucket.take(1)

    def count_read(self, peer: Peer, size: int) -> None:
        """Counts a message that was read: so many bytes of the certificate's connections are explained by it."""
        self._read[peer] = self._read.get(peer, 0) + size + AROUND_A_MESSAGE

    def take_read(self) -> dict[Peer, int]:
        """Returns how many bytes of each certificate's connections were explained since this was asked last."""
        found, self._read = self._read, {}
        return found

    def take_called(self) -> dict[Address, tuple[str, Peer]]:
        """Returns the connections that calls of barred certificates came on since this was asked last, each with the reason."""
        self.news.clear()
        found, self._called = self._called, {}
        return found
