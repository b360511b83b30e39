"""The other province of a sandbox: it has cards to ask about, confirms the losses of its cards, and reports its totals when you do.

It is a client like any other, with its own certificate and feed, and speaks to an edge past the front, so that the page shows yours alone.
"""

import asyncio
import logging
from typing import Any, NamedTuple, cast

import grpc
from chuanyu.exchange.v1 import card_lifecycle_pb2 as lifecycle
from chuanyu.exchange.v1 import control_pb2, event_pb2, feed_service_pb2, feed_service_pb2_grpc, subscription_service_pb2
from chuanyu.exchange.v1 import reconciliation_service_pb2 as totals
from chuanyu.exchange.v1 import reconciliation_service_pb2_grpc as totals_stubs
from chuanyu.exchange.v1 import references_pb2 as references
from chuanyu.exchange.v1 import subscription_service_pb2_grpc as subscription_stubs

from hub.loopback import channel_options
from hub.trust.authority import CertificateFiles

log = logging.getLogger(__name__)

DEADLINE_S = 10.0
AGAIN_S = 0.3
_STATUS = lifecycle.SocialStatus


class SampleCard(NamedTuple):
    """A card of the partner's: its number, its standing, and what it is good for."""

    card_no: str
    status: int
    text_zh: str
    text_en: str


def sample_cards(province: str) -> list[SampleCard]:
    """Returns the partner's cards; those of each province have numbers of their own."""
    letter = "Q" if province == "50" else "S"
    return [
        SampleCard(f"{letter}90000001", _STATUS.SOCIAL_STATUS_ACTIVE, "正常，可乘车", "active, with the transit application"),
        SampleCard(f"{letter}90000002", _STATUS.SOCIAL_STATUS_SEALED, "封存", "sealed: its social function is not enabled"),
        SampleCard(f"{letter}90000003", _STATUS.SOCIAL_STATUS_TEMP_LOST, "临时挂失", "lost for a time"),
        SampleCard(f"{letter}90000004", _STATUS.SOCIAL_STATUS_FORMALLY_LOST, "正式挂失", "lost formally"),
        SampleCard(f"{letter}90000005", _STATUS.SOCIAL_STATUS_APP_LOCKED, "应用锁定", "locked"),
        SampleCard(f"{letter}90000006", _STATUS.SOCIAL_STATUS_CANCELLED, "注销", "cancelled"),
        SampleCard(
            f"{letter}90000007", _STATUS.SOCIAL_STATUS_ACTIVE, "正常；挂失请求被拒", "active; the partner refuses a loss request for it"
        ),
        SampleCard(
            f"{letter}90000008", _STATUS.SOCIAL_STATUS_ACTIVE, "正常；挂失请求无人答复", "active; a loss request for it gets no answer"
        ),
    ]


class Partner:
    """The other province at work; used from one event loop."""

    def __init__(self, province: str, feed: str, target: str, files: CertificateFiles) -> None:
        """*feed* is where its cards are reported; nothing is dialled yet."""
        self.province, self._feed, self._target, self._files = province, feed, target, files
        cards = sample_cards(province)
        self._refuses, self._is_silent_about = cards[6].card_no, cards[7].card_no
        # What it did, newest last, for the page.
        self.done: list[str] = []

    async def run(self) -> None:
        """Works until cancelled; begins again from the start whenever the hub does."""
        while True:
            try:
                async with self._channel() as channel:
                    await self._follow(channel)
            except grpc.aio.AioRpcError as error:
                log.info("sandbox: the partner was cut off: %s", error.code().name)
            await asyncio.sleep(AGAIN_S)

    async def seed(self) -> None:
        """Reports its cards; for a hub that has just begun."""
        async with self._channel() as channel:
            await self._append(channel, [_registered(self.province, card) for card in sample_cards(self.province)])

    async def report_totals(self, business_day: str) -> str:
        """Reports that it served none of the other side's cards on a day; returns how its book compares, or why that was refused."""
        async with self._channel() as channel:
            stub: Any = totals_stubs.ReconciliationServiceStub(channel)
            request = totals.SubmitControlTotalsRequest(business_day=business_day, version=1, person="partner")
            try:
                answer = await stub.SubmitControlTotals(request, timeout=DEADLINE_S)
            except grpc.aio.AioRpcError as error:
                return self._did(f"totals {business_day}: {error.code().name} {error.details()}")
            return self._did(f"totals {business_day}: {totals.ComparisonState.Name(answer.comparison.state)}")

    def _did(self, what: str) -> str:
        self.done = [*self.done[-19:], what]
        return what

    def _channel(self) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(self._target, self._files.client_credentials(), channel_options(self._target))

    async def _follow(self, channel: grpc.aio.Channel) -> None:
        stub: Any = subscription_stubs.SubscriptionServiceStub(channel)
        request = subscription_service_pb2.SubscribeRequest(kinds=["loss_request_submitted"])
        async for answer in stub.Subscribe(request):
            delivered = answer.delivered
            if answer.HasField("delivered") and delivered.event.card.issuing_province == self.province and delivered.event.card.clear:
                await self._answer_loss(channel, delivered)

    async def _answer_loss(self, channel: grpc.aio.Channel, delivered: Any) -> None:
        card_no = delivered.event.card.clear
        if card_no == self._is_silent_about:
            self._did(f"loss of {card_no}: silent")
            return
        event = event_pb2.Event(card=delivered.event.card)
        event.occurred_at.CopyFrom(delivered.event.occurred_at)
        # What it answers is named by what was asked, so that an answer given twice is seen to be one.
        event.source.system, event.source.message_id = "partner", f"{delivered.recorded_as.feed} {delivered.recorded_as.sequence}"
        if card_no == self._refuses:
            event.loss_request_refused.request.CopyFrom(delivered.recorded_as)
            event.loss_request_refused.reason_code = "HOLDER_NOT_FOUND"
        elif delivered.event.loss_request_submitted.loss_type == control_pb2.LOSS_TYPE_FORMAL:
            event.formal_loss_reported.channel = lifecycle.REPORT_CHANNEL_WINDOW
        else:
            event.temporary_loss_reported.channel = lifecycle.REPORT_CHANNEL_WINDOW
        await self._append(channel, [event])
        self._did(f"loss of {card_no}: {event.WhichOneof('kind')}")

    async def _append(self, channel: grpc.aio.Channel, events: list[event_pb2.Event]) -> None:
        stub = cast(Any, feed_service_pb2_grpc.FeedServiceStub(channel))
        feed = await stub.GetFeed(feed_service_pb2.GetFeedRequest(feed=self._feed), timeout=DEADLINE_S)
        request = feed_service_pb2.AppendEventsRequest(feed=self._feed, first_sequence=feed.next_sequence, events=events)
        await stub.AppendEvents(request, timeout=DEADLINE_S)


def _registered(province: str, card: SampleCard) -> event_pb2.Event:
    event = event_pb2.Event(issuer_region=f"{province}0199")
    event.occurred_at.FromJsonString("2025-09-01T01:30:00Z")
    event.source.system = "partner"
    event.card.CopyFrom(references.CardRef(issuing_province=province, kind=references.CARD_IDENTIFIER_KIND_CARD_NO, clear=card.card_no))
    registered = event.card_registered
    registered.status, registered.transit_enabled = cast(Any, card.status), True
    registered.generation, registered.card_kind = lifecycle.CARD_GENERATION_THIRD, lifecycle.CARD_KIND_REGULAR
    return event
