"""Clients that are wrong on purpose, each in one thing: a plain client that a trial should fail in that thing's own words."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
from chuanyu.exchange.v1 import card_service_pb2, subscription_service_pb2
from chuanyu.exchange.v1.event_pb2 import Event
from chuanyu.exchange.v1.feed_service_pb2 import AppendEventsRequest, GetFeedRequest, StreamEventsRequest
from chuanyu.exchange.v1.subscription_service_pb2_grpc import SubscriptionServiceStub

from adapters.conformance.client import ConformanceClient, Step
from adapters.kit import FeedSender
from adapters.kit.refusal import Refusal, from_call

GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)


class Plain(ConformanceClient):
    """Sends a batch by a call and asks again while it is refused for the moment; keeps its numbers in memory."""

    timeout_s, pause_s, most = 5.0, 0.1, 500

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.next = 1

    async def send(self, step: Step) -> dict[str, Any]:
        events = self.changed([Event.FromString(base64.b64decode(event["bytes"])) for event in step["events"]])
        while events:
            part, events = events[: self.most], events[self.most :]
            if not await self.put(step["feed"], part):
                return {"stopped": "refused"}
            self.next += len(part)
        return {"acknowledged": self.next - 1}

    def changed(self, events: list[Event]) -> list[Event]:
        return events

    async def put(self, feed: str, events: list[Event]) -> bool:
        """Sends until it is answered; False where it is refused for good."""
        while True:
            request = AppendEventsRequest(feed=feed, first_sequence=self.next, events=events)
            try:
                await self.connection.edge.feeds.AppendEvents(request, timeout=self.timeout_s)
            except grpc.aio.AioRpcError as error:
                if not await self.goes_on(from_call(error), feed):
                    return False
            else:
                return True

    async def goes_on(self, refusal: Refusal, feed: str) -> bool:
        if refusal.code not in GONE:
            return False
        await asyncio.sleep(max(self.pause_s, refusal.retry_after_s or 0.0))
        return True

    async def hubs_next(self, feed: str) -> int:
        return int((await self.connection.edge.feeds.GetFeed(GetFeedRequest(feed=feed), timeout=5)).next_sequence)


class Absent(Plain):
    """Never calls."""

    async def send(self, step: Step) -> dict[str, Any]:
        return {}


class Breaks(Plain):
    """Ends by an error of its own before it calls, as one whose file is not there."""

    async def send(self, step: Step) -> dict[str, Any]:
        raise KeyError(step["feed"])


class SaysNothing(Plain):
    """Does all that it should, and writes no line of results."""

    def report(self, line: dict[str, Any]) -> None:
        """Forgets it."""


class FromZero(Plain):
    """Numbers from 0."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.next = 0


class Skips(Plain):
    """Leaves number 1 out."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.next = 2


class Renumbers(Plain):
    """After a lost answer or a conflict sends the same events where the hub's feed ends."""

    async def goes_on(self, refusal: Refusal, feed: str) -> bool:
        self.next = await self.hubs_next(feed)
        return True


class RepeatsOtherwise(Plain):
    """Sends other content under the number when it sends again."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.events: list[Event] = []

    def changed(self, events: list[Event]) -> list[Event]:
        self.events = events
        return events

    async def goes_on(self, refusal: Refusal, feed: str) -> bool:
        is_first = self.events[0].venue_code == ""
        self.events[0].venue_code = "again"
        return is_first


class FromTheHubsNumber(Plain):
    """Takes its numbers from GetFeed."""

    async def send(self, step: Step) -> dict[str, Any]:
        self.next = await self.hubs_next(step["feed"])
        return await super().send(step)


class GivesUp(Plain):
    """Takes every refusal for the end."""

    async def goes_on(self, refusal: Refusal, feed: str) -> bool:
        return False

    async def ask(self, step: Step) -> dict[str, Any]:
        request = card_service_pb2.CheckAcceptanceRequest.FromString(base64.b64decode(step["question"]["bytes"]))
        try:
            await self.connection.cards.CheckAcceptance(request, timeout=5)
        except grpc.aio.AioRpcError:
            return {"outcome": "ACCEPT"}
        return {"outcome": "ACCEPT"}


class Hammers(Plain):
    """Sends again at once, whatever the hub said."""

    async def goes_on(self, refusal: Refusal, feed: str) -> bool:
        await asyncio.sleep(0.01)
        return refusal.code in GONE

    async def ask(self, step: Step) -> dict[str, Any]:
        request = card_service_pb2.CheckAcceptanceRequest.FromString(base64.b64decode(step["question"]["bytes"]))
        while True:
            try:
                await self.connection.cards.CheckAcceptance(request, timeout=5)
            except grpc.aio.AioRpcError:
                continue
            return {"outcome": "ACCEPT"}


class HammersAtConflict(Plain):
    """Sends the same five times more after a conflict."""

    tries = 0

    async def goes_on(self, refusal: Refusal, feed: str) -> bool:
        self.tries += 1
        return self.tries < 6


class PassesOverQuarantine(Plain):
    """Does not read what was quarantined."""


class ResendsMended(Plain):
    """Sends the correction under the number that is quarantined."""

    async def send(self, step: Step) -> dict[str, Any]:
        if len(step["events"]) == 1:
            self.next = 2
        return await super().send(step)


class OneBatch(Plain):
    """Sends everything in one batch."""

    most = 10_000


class OtherProvince(Plain):
    """Reports cards of its own province in the place of those that it was given."""

    def changed(self, events: list[Event]) -> list[Event]:
        for event in events:
            event.card.issuing_province = "51"
        return events


class NewRequestId(ConformanceClient):
    """Asks again under a request id of its own."""

    async def ask(self, step: Step) -> dict[str, Any]:
        request = card_service_pb2.CheckAcceptanceRequest.FromString(base64.b64decode(step["question"]["bytes"]))
        while True:
            try:
                answer = await self.connection.cards.CheckAcceptance(request, timeout=5)
            except grpc.aio.AioRpcError:
                request.request_id += "x"
                continue
            return {"outcome": "ACCEPT", "position": answer.position}


class AsksElsewhere(ConformanceClient):
    """Asks for another place than it was given."""

    async def ask(self, step: Step) -> dict[str, Any]:
        request = card_service_pb2.CheckAcceptanceRequest.FromString(base64.b64decode(step["question"]["bytes"]))
        request.service_region = "510700"
        return await super().ask({"question": {"bytes": base64.b64encode(request.SerializeToString()).decode()}})


class AsksTwice(ConformanceClient):
    """Takes a DENY for a fault, and asks again."""

    async def ask(self, step: Step) -> dict[str, Any]:
        await super().ask(step)
        return await super().ask(step)


class DropsOne(ConformanceClient):
    """Loses an event on its way to disk."""

    async def subscribe(self, step: Step) -> dict[str, Any]:
        taken = await super().subscribe(step)
        return {"positions": taken["positions"][:-1]}


class FromTheStart(ConformanceClient):
    """Subscribes from the beginning again whenever its stream ends."""

    async def subscribe(self, step: Step) -> dict[str, Any]:
        positions: list[int] = []
        while len(positions) < step["events"]:
            stub: Any = SubscriptionServiceStub(self.connection.channel)
            request = subscription_service_pb2.SubscribeRequest(from_position=step["from_position"], kinds=step["kinds"])
            try:
                async for answer in stub.Subscribe(request):
                    if answer.HasField("delivered"):
                        positions.append(answer.delivered.position)
                    if len(positions) >= step["events"]:
                        break
            except grpc.aio.AioRpcError:
                continue
        return {"positions": positions}


class DropsReceipts(Plain):
    """Throws receipts away, and verifies none."""


class TrustsReceipts(ConformanceClient):
    """Keeps receipts as they come."""

    def _sender(self, feed: str) -> FeedSender:
        if feed not in self._senders:
            sender = FeedSender(self.outbox, self.connection, feed)
            self._senders[feed] = sender, asyncio.create_task(sender.run())
        return self._senders[feed][0]


class ListsAll(ConformanceClient):
    """Takes every card for lost."""

    async def hotlist(self, step: Step) -> dict[str, Any]:
        await super().hotlist(step)
        return {"listed": step["cards"]}


class BumpsVersion(ConformanceClient):
    """Reports another version when no answer came."""

    async def totals(self, step: Step) -> dict[str, Any]:
        from chuanyu.exchange.v1 import reconciliation_service_pb2 as totals

        request = totals.SubmitControlTotalsRequest.FromString(base64.b64decode(step["totals"]["bytes"]))
        while True:
            try:
                await self.connection.submit_totals(request, 5)
            except Exception:
                request.version += 1
                continue
            return {"comparison": "?"}


class Streams(Plain):
    """Streams batches of one event, all at once; ends when its stream does."""

    reads = True

    async def send(self, step: Step) -> dict[str, Any]:
        events = [Event.FromString(base64.b64decode(event["bytes"])) for event in step["events"]]

        async def batches() -> AsyncIterator[StreamEventsRequest]:
            for number, event in enumerate(events, self.next):
                yield StreamEventsRequest(feed=step["feed"], first_sequence=number, events=[event])
            await asyncio.sleep(0.5)

        stream = self.connection.edge.feeds.StreamEvents(batches())
        if self.reads:
            async for _ in stream:
                pass
        else:
            await asyncio.sleep(60)
        self.next += len(events)
        return {"acknowledged": self.next - 1}


class NeverReads(Streams):
    """Reads no answer."""

    reads = False


class EndsWithItsStream(Streams):
    """Takes the end of a stream for the end of its work."""

    async def send(self, step: Step) -> dict[str, Any]:
        return await super().send(step) if self.next == 1 else {}


class Impatient(Plain):
    """Waits half a second for an answer."""

    timeout_s = 0.5


class ForgetsAll(FromTheHubsNumber):
    """Has no memory beyond its process."""


class FirstEdgeOnly(Plain):
    """Knows one address."""


class KeepsItsCertificate(ConformanceClient):
    """Goes on with the certificate that it began with."""

    async def use_certificate(self, step: Step) -> dict[str, Any]:
        return {}


class ReportsOtherwise(ConformanceClient):
    """Writes results of other forms than were agreed."""

    def report(self, line: dict[str, Any]) -> None:
        super().report({**line, "acknowledged": "7", "quarantined": {"2": []}, "receipts": [{"text": 1}]})
