"""FeedService: takes batches of a province's feed, in a call or in a stream, and answers each after its commit."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
from chuanyu.exchange.v1 import feed_service_pb2 as protos
from google.protobuf.timestamp_pb2 import Timestamp

from hub.api.directory import Caller, Directory, Feed
from hub.api.errors import to_status
from hub.api.intake import Intake, Prepared, Received, batch_reader
from hub.api.rpc import Gate, reader, service, streaming, unary
from hub.domain.errors import BatchEmpty, BatchTooLarge, FeedUnknown, HubError
from hub.domain.event_rules import Context, Violation
from hub.domain.reference import Reference
from hub.journal.group import PG_EPOCH_US, Appended
from hub.journal.reader import FeedRow, feed_row, reading
from hub.journal.writer import JournalWriter

BATCH_EVENTS = 500
BATCH_BYTES = 1024 * 1024
# Unanswered batches of one stream; a sender that goes on is held back by HTTP/2 flow control.
STREAM_WINDOW = 8

_RECORDED = protos.EVENT_OUTCOME_RECORDED
_DUPLICATE = protos.EVENT_OUTCOME_DUPLICATE
_QUARANTINED = protos.EVENT_OUTCOME_QUARANTINED


class FeedService:
    """Needs the writer and what prepares batches for it."""

    def __init__(self, dsn: str, writer: JournalWriter, intake: Intake, directory: Directory, reference: Reference) -> None:
        """All parts are shared with the other services of the process."""
        self._dsn = dsn
        self._writer = writer
        self._intake = intake
        self._directory = directory
        self._reference = reference

    def handler(self, gate: Gate) -> grpc.GenericRpcHandler:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.FeedService",
            {
                "GetFeed": unary(gate, reader(protos.GetFeedRequest), self.get_feed),
                "AppendEvents": unary(gate, batch_reader(protos.AppendEventsRequest), self.append_events),
                "StreamEvents": streaming(gate, batch_reader(protos.StreamEventsRequest), self.stream_events),
            },
        )

    async def get_feed(self, request: protos.GetFeedRequest, caller: Caller) -> protos.GetFeedResponse:
        """Says where a feed stands, from the feed's own row."""
        await self._directory.feed_of(caller, request.feed)
        row = await asyncio.to_thread(self._feed_row, request.feed)
        if row is None:
            raise FeedUnknown
        response = protos.GetFeedResponse(feed=request.feed, next_sequence=row.next_sequence, last_position=row.last_position)
        if row.last_recorded_us is not None:
            response.last_recorded_at.CopyFrom(_timestamp(row.last_recorded_us))
        return response

    def _feed_row(self, name: str) -> FeedRow | None:
        with reading(self._dsn, "hub-feed") as connection:
            return feed_row(connection, name)

    async def append_events(self, received: Received, caller: Caller) -> protos.AppendEventsResponse:
        """Appends one batch and answers after the commit."""
        prepared = await self._prepare(received, caller)
        return await self._commit(received.request.feed, prepared)

    async def _prepare(self, received: Received, caller: Caller) -> Prepared:
        feed = await self._directory.feed_of(caller, received.request.feed)
        if not received.sent:
            raise BatchEmpty
        if len(received.sent) > BATCH_EVENTS or received.size > BATCH_BYTES:
            raise BatchTooLarge
        context = Context(caller.province, int(time.time()), self._reference, self._owned_by(caller))
        return await self._intake.prepare(feed.stream_id, caller.urn, received, context, self._feed_id, caller.trace_parent)

    def _owned_by(self, caller: Caller) -> Callable[[str], bool]:
        def owns(name: str) -> bool:
            feed = self._directory.known_feed(name)
            return feed is not None and feed.owner == caller.urn

        return owns

    def _feed_id(self, name: str) -> int | None:
        feed: Feed | None = self._directory.known_feed(name)
        return None if feed is None else feed.stream_id

    async def _commit(self, feed: str, prepared: Prepared) -> protos.AppendEventsResponse:
        appended = await self._writer.append(prepared.batch)
        assert isinstance(appended, Appended), "a feed's batch is appended or raises"
        if prepared.new_identifiers:
            self._intake.remember(prepared.new_identifiers)
        return _answer(feed, appended, prepared.quarantined)

    async def stream_events(self, batches: AsyncIterator[Received], caller: Caller) -> AsyncIterator[protos.StreamEventsResponse]:
        """Answers each batch after its commit and in order, with up to STREAM_WINDOW under way; a refusal is an answer too."""
        pending: asyncio.Queue[asyncio.Task[protos.StreamEventsResponse] | None] = asyncio.Queue(STREAM_WINDOW)

        async def receive() -> None:
            try:
                async for received in batches:
                    await pending.put(await self._begin(received, caller))
            finally:
                await pending.put(None)

        receiver = asyncio.create_task(receive())
        try:
            while (task := await pending.get()) is not None:
                yield await task
            await receiver
        finally:
            receiver.cancel()

    async def _begin(self, received: Received, caller: Caller) -> asyncio.Task[protos.StreamEventsResponse]:
        """Prepares a batch and starts its commit; tasks start in order, so the batches of a stream are queued in order."""
        await self._writer.wait_for_room()
        prepared: Prepared | HubError
        try:
            prepared = await self._prepare(received, caller)
        except HubError as error:
            prepared = error
        return asyncio.create_task(self._finish(received.request.feed, received.request.first_sequence, prepared))

    async def _finish(self, feed: str, first_sequence: int, prepared: Prepared | HubError) -> protos.StreamEventsResponse:
        response = protos.StreamEventsResponse(feed=feed, first_sequence=first_sequence)
        try:
            if isinstance(prepared, HubError):
                raise prepared
            response.appended.CopyFrom(await self._commit(feed, prepared))
        except HubError as error:
            response.refused.CopyFrom(to_status(error))
        return response


def _answer(feed: str, appended: Appended, quarantined: dict[int, list[Violation]]) -> protos.AppendEventsResponse:
    count = len(appended.positions)
    response = protos.AppendEventsResponse(
        feed=feed, first_sequence=appended.first_sequence, recorded_at=_timestamp(appended.recorded_us + PG_EPOCH_US)
    )
    outcomes: Sequence[Any] = [_DUPLICATE] * appended.duplicates + [_RECORDED] * (count - appended.duplicates)
    if quarantined:
        outcomes = list(outcomes)
        for offset, reasons in sorted(quarantined.items()):
            if offset < appended.duplicates:
                continue
            outcomes[offset] = _QUARANTINED
            notice = response.quarantined.add(sequence=appended.first_sequence + offset)
            for path, rule in reasons:
                notice.violations.add(field_path=path, rule_id=rule)
    response.positions.extend(appended.positions)
    response.outcomes.extend(outcomes)
    return response


def _timestamp(us: int) -> Timestamp:
    return Timestamp(seconds=us // 1_000_000, nanos=us % 1_000_000 * 1_000)
