"""A hub edge made of a script: the faults a real hub shows only when it breaks, on demand and over real gRPC.

It keeps what FeedService promises (gap-free feeds, identical resend, conflict) in a dictionary and nothing else of a
hub. What adapters and hub do together is tested with the real one.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable

import grpc
from chuanyu.exchange.v1.card_service_pb2 import GetCardRequest, GetCardResponse
from chuanyu.exchange.v1.card_service_pb2_grpc import CardServiceServicer, add_CardServiceServicer_to_server
from chuanyu.exchange.v1.feed_service_pb2 import (
    AppendEventsResponse,
    EventOutcome,
    GetFeedRequest,
    GetFeedResponse,
    GetReceiptKeysRequest,
    GetReceiptKeysResponse,
    QuarantineNotice,
    StreamEventsRequest,
    StreamEventsResponse,
)
from chuanyu.exchange.v1.feed_service_pb2_grpc import FeedServiceServicer, add_FeedServiceServicer_to_server
from chuanyu.exchange.v1.hub_decisions_pb2 import RuleViolation
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from adapters.kit import HubConnection


def status(code: grpc.StatusCode, reason: str, retry_after_s: int = 0, **metadata: str) -> Status:
    details = [ErrorInfo(reason=reason, domain="chuanyu.exchange", metadata=metadata)]
    retry = [RetryInfo(retry_delay=Duration(seconds=retry_after_s))] if retry_after_s else []
    answer = Status(code=code.value[0], message="scripted")
    for detail in [*details, *retry]:
        packed = Any()
        packed.Pack(detail)
        answer.details.append(packed)
    return answer


class ScriptedHub(FeedServiceServicer, CardServiceServicer):
    def __init__(self) -> None:
        self.feeds: dict[str, list[bytes]] = defaultdict(list)
        self.cards: dict[str, GetCardResponse] = {}
        self.questions: list[GetCardRequest] = []
        # Trace parents, as they came with each question and each batch.
        self.traces_of_questions: list[object] = []
        self.traces_of_batches: list[list[str]] = []
        self.refusals: deque[Status] = deque()
        self.lost_answers = 0
        self.silent_streams = 0
        self.streams = 0
        # Lets nobody in, and counts who tries.
        self.is_closed, self.turned_away = False, 0
        # Changes an answer before it is sent, to what no hub may say.
        self.tampering: Callable[[StreamEventsResponse], None] | None = None
        # An answer that opens the next stream, before anything was sent in it.
        self.unasked: StreamEventsResponse | None = None
        # The keys of receipts that it publishes; None is a hub that knows no receipts.
        self.published: GetReceiptKeysResponse | None = None
        self.batches: list[StreamEventsRequest] = []
        self._ends: set[asyncio.Event] = set()

    async def __aenter__(self) -> "ScriptedHub":
        self.server = grpc.aio.server()
        add_FeedServiceServicer_to_server(self, self.server)
        add_CardServiceServicer_to_server(self, self.server)
        port = self.server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
        await self.server.start()
        self.target = f"127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop(0)

    def connection(self, *earlier_targets: str) -> HubConnection:
        return HubConnection([*earlier_targets, self.target], grpc.local_channel_credentials())

    async def GetCard(self, request: GetCardRequest, context: grpc.aio.ServicerContext) -> GetCardResponse:  # noqa: N802
        await self._admit(context)
        self.questions.append(request)
        self.traces_of_questions.append(dict(context.invocation_metadata() or ()).get("traceparent", ""))
        if request.card.clear not in self.cards:
            await context.abort(grpc.StatusCode.NOT_FOUND, "CARD_NOT_FOUND")
        return self.cards[request.card.clear]

    async def _admit(self, context: grpc.aio.ServicerContext) -> None:
        if self.is_closed:
            self.turned_away += 1
            answer = status(grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_WITHDRAWN")
            metadata = (("grpc-status-details-bin", answer.SerializeToString()),)
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "scripted", metadata)

    async def GetFeed(self, request: GetFeedRequest, context: grpc.aio.ServicerContext) -> GetFeedResponse:  # noqa: N802
        await self._admit(context)
        return GetFeedResponse(feed=request.feed, next_sequence=len(self.feeds[request.feed]) + 1)

    async def GetReceiptKeys(  # noqa: N802
        self, request: GetReceiptKeysRequest, context: grpc.aio.ServicerContext
    ) -> GetReceiptKeysResponse:
        if self.published is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
        assert self.published is not None
        return self.published

    def end_streams(self) -> None:
        """Ends the open streams with OK, as an edge that is being stopped does."""
        for end in self._ends:
            end.set()

    async def _until_ended(self, requests: AsyncIterator[StreamEventsRequest]) -> AsyncIterator[StreamEventsRequest]:
        end = asyncio.Event()
        self._ends.add(end)
        ending = asyncio.create_task(end.wait())
        try:
            while True:
                reading = asyncio.ensure_future(anext(requests, None))
                await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done() or (request := reading.result()) is None:
                    reading.cancel()
                    return
                yield request
        finally:
            ending.cancel()
            self._ends.discard(end)

    async def StreamEvents(  # noqa: N802
        self, requests: AsyncIterator[StreamEventsRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[StreamEventsResponse]:
        self.streams += 1
        if self.silent_streams:
            self.silent_streams -= 1
            await asyncio.Event().wait()
        if self.unasked:
            yield self.unasked
            self.unasked = None
        async for request in self._until_ended(requests):
            self.batches.append(request)
            self.traces_of_batches.append(list(request.trace_parents))
            answer = StreamEventsResponse(feed=request.feed, first_sequence=request.first_sequence)
            if self.refusals:
                answer.refused.CopyFrom(self.refusals.popleft())
            else:
                self._append(request, answer)
            if self.lost_answers:
                self.lost_answers -= 1
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone after the commit")
            if self.tampering:
                self.tampering(answer)
            yield answer

    def _append(self, request: StreamEventsRequest, answer: StreamEventsResponse) -> None:
        feed = self.feeds[request.feed]
        appended = AppendEventsResponse(feed=request.feed, first_sequence=request.first_sequence)
        for sequence, event in enumerate(request.events, request.first_sequence):
            raw = event.SerializeToString(deterministic=True)
            if sequence > len(feed) + 1:
                answer.refused.CopyFrom(status(grpc.StatusCode.FAILED_PRECONDITION, "SEQUENCE_GAP"))
                return
            if sequence <= len(feed) and feed[sequence - 1] != raw:
                reason = status(grpc.StatusCode.ALREADY_EXISTS, "SEQUENCE_CONFLICT", sequence=str(sequence))
                answer.refused.CopyFrom(reason)
                return
            outcome = EventOutcome.EVENT_OUTCOME_DUPLICATE
            if sequence == len(feed) + 1:
                feed.append(raw)
                outcome = EventOutcome.EVENT_OUTCOME_RECORDED
            if event.WhichOneof("kind") is None:
                outcome = EventOutcome.EVENT_OUTCOME_QUARANTINED
                notice = QuarantineNotice(sequence=sequence, violations=[RuleViolation(rule_id="kind.unknown")])
                appended.quarantined.append(notice)
            appended.positions.append(1000 + sequence)
            appended.outcomes.append(outcome)
        answer.appended.CopyFrom(appended)
