"""The way to the hub: mutual TLS, several targets, the one in use changed when it does not answer.

Edges of the hub are alike, so any will do. A channel to each target is kept once opened; gRPC redials by itself, and
the caller only says which target failed it.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import grpc
from chuanyu.exchange.v1.card_service_pb2 import GetCardRequest, GetCardResponse
from chuanyu.exchange.v1.card_service_pb2_grpc import CardServiceStub
from chuanyu.exchange.v1.feed_service_pb2_grpc import FeedServiceStub
from chuanyu.exchange.v1.reconciliation_service_pb2 import SubmitControlTotalsRequest, SubmitControlTotalsResponse
from chuanyu.exchange.v1.reconciliation_service_pb2_grpc import ReconciliationServiceStub
from chuanyu.exchange.v1.subscription_service_pb2_grpc import SubscriptionServiceStub
from opentelemetry.trace import SpanKind

from adapters.kit.errors import CertificateUnreadable, HubUnreachable
from adapters.kit.loopback import without_proxy
from adapters.kit.refusal import Refusal, from_call
from adapters.kit.telemetry import GET_CARD_SPAN, HUB_TARGET, RPC_METHOD, RPC_STATUS, RPC_SYSTEM
from adapters.kit.trace import step

if TYPE_CHECKING:
    from chuanyu.exchange.v1.card_service_pb2_grpc import CardServiceAsyncStub
    from chuanyu.exchange.v1.feed_service_pb2_grpc import FeedServiceAsyncStub
    from chuanyu.exchange.v1.reconciliation_service_pb2_grpc import ReconciliationServiceAsyncStub
    from chuanyu.exchange.v1.subscription_service_pb2_grpc import SubscriptionServiceAsyncStub

Answer = TypeVar("Answer")

# gRPC's own limit on redialling is two minutes; a feed should be back seconds after its hub.
CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


def mutual_tls(ca: Path, cert: Path, key: Path) -> grpc.ChannelCredentials:
    """Returns credentials that trust *ca* alone and present *cert*, whose URI name is the participant."""
    try:
        return grpc.ssl_channel_credentials(ca.read_bytes(), key.read_bytes(), cert.read_bytes())
    except OSError as error:
        raise CertificateUnreadable(str(error.filename)) from error


# Questions of one that the hub does not let in: so often it is asked again. Each is a line in the hub's security log.
DENIED_S = 30.0


class Edge(NamedTuple):
    """One target and FeedService on it, to be used together whatever the connection turns to meanwhile."""

    target: str
    feeds: "FeedServiceAsyncStub"


class HubConnection:
    """The hub as an adapter sees it; used from one event loop."""

    def __init__(self, targets: Sequence[str], credentials: grpc.ChannelCredentials) -> None:
        """Takes the *targets* (host:port) in order of preference; nothing is dialled yet."""
        assert targets, "a hub needs at least one target"
        self._targets = list(targets)
        self._credentials = credentials
        self._channels: dict[str, grpc.aio.Channel] = {}
        self.target = self._targets[0]
        self._denial: tuple[Refusal, float] | None = None

    def _channel(self) -> grpc.aio.Channel:
        if self.target not in self._channels:
            options = [*CHANNEL_OPTIONS, *without_proxy(self.target)]
            self._channels[self.target] = grpc.aio.secure_channel(self.target, self._credentials, options)
        return self._channels[self.target]

    @property
    def channel(self) -> grpc.aio.Channel:
        """Returns the channel to the target in use, for services that have no stub here."""
        return self._channel()

    @property
    def edge(self) -> Edge:
        """Returns the target in use and FeedService on it."""
        return Edge(self.target, cast("FeedServiceAsyncStub", FeedServiceStub(self._channel())))

    @property
    def cards(self) -> "CardServiceAsyncStub":
        """Returns CardService on the target in use."""
        return cast("CardServiceAsyncStub", CardServiceStub(self._channel()))

    @property
    def subscriptions(self) -> "SubscriptionServiceAsyncStub":
        """Returns SubscriptionService on the target in use."""
        return cast("SubscriptionServiceAsyncStub", SubscriptionServiceStub(self._channel()))

    def fail_over(self, failed_target: str) -> None:
        """Moves on to the next target, unless another caller has left *failed_target* already."""
        if self.target == failed_target:
            following = self._targets.index(failed_target) + 1
            self.target = self._targets[following % len(self._targets)]

    async def get_card(self, request: GetCardRequest, timeout_s: float) -> GetCardResponse | None:
        """Returns the card as the hub shows it to this participant, None for a card it does not know.

        Asks each target once. Raises HubUnreachable when none answers, Refusal when one answers with no. A participant that the hub does
        not let in gets that refusal for DENIED_S without another call.
        """
        return await self._asked(lambda within_s: self._ask_for_card(request, within_s), timeout_s)

    async def submit_totals(self, request: SubmitControlTotalsRequest, timeout_s: float) -> SubmitControlTotalsResponse:
        """Reports the totals of a business day and returns how the hub's book differs; raises as `get_card` does."""

        async def submit(within_s: float) -> SubmitControlTotalsResponse:
            stub = cast("ReconciliationServiceAsyncStub", ReconciliationServiceStub(self._channel()))
            answer: SubmitControlTotalsResponse = await stub.SubmitControlTotals(request, timeout=within_s)
            return answer

        return await self._asked(submit, timeout_s)

    async def _asked(self, ask: Callable[[float], Awaitable[Answer]], timeout_s: float) -> Answer:
        if self._denial and time.monotonic() < self._denial[1]:
            raise self._denial[0]
        for _ in self._targets:
            target = self.target
            try:
                return await ask(timeout_s / len(self._targets))
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    refusal = from_call(error)
                    self._denial = (refusal, time.monotonic() + DENIED_S) if refusal.is_denial else None
                    raise refusal from error
                self.fail_over(target)
        raise HubUnreachable(", ".join(self._targets))

    async def _ask_for_card(self, request: GetCardRequest, timeout_s: float) -> GetCardResponse | None:
        with step(GET_CARD_SPAN, SpanKind.CLIENT) as asked:
            asked.attributes |= {RPC_SYSTEM: "grpc", RPC_METHOD: GET_CARD_SPAN, RPC_STATUS: "OK", HUB_TARGET: self.target}
            parent = asked.parent()
            try:
                metadata = (("traceparent", parent),) if parent else None
                card: GetCardResponse = await self.cards.GetCard(request, timeout=timeout_s, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                asked.attributes[RPC_STATUS] = error.code().name
                # A card that the hub does not know is an ordinary answer.
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    return None
                asked.error = error.code().name
                raise
            return card

    async def close(self) -> None:
        """Closes every channel."""
        for channel in self._channels.values():
            await channel.close()
