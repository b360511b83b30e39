"""FeedService: takes batches of a province's feed, in a call or in a stream, and answers each after its commit."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from chuanyu.exchange.v1 import feed_service_pb2 as protos

from hub.api.edge import call_log
from hub.api.edge.directory import Caller, Directory
from hub.api.edge.handlers import Gate, Methods, service, streaming, unary
from hub.api.edge.statuses import to_status
from hub.api.edge.turns import Reads
from hub.api.edge.windowed import windowed
from hub.api.feeds.answers import answer_of, joined, note_appended, note_quarantined
from hub.api.feeds.block_keys import BlockKeys
from hub.api.feeds.pace import CALL_PATIENCE_S, STREAM_PATIENCE_S, Pace
from hub.api.feeds.receipts import Receipts, keys_response
from hub.domain.errors import BatchEmpty, FeedUnknown, HubError, QuotaExceeded, Unstorable
from hub.domain.event_rules import Context
from hub.domain.instants import timestamp
from hub.domain.quarantine import put_into_words
from hub.domain.reference import Reference
from hub.intake.batch import Intake
from hub.intake.batches import BATCH_EVENTS, Prepared, Received, batch_reader
from hub.intake.message_reader import reader
from hub.intake.quarantining import add_violations
from hub.intake.sent_batches import prove
from hub.journal.batch import Appended
from hub.journal.reader import Feed, Recorded, events_at
from hub.journal.receipts import known_keys
from hub.journal.streams import FeedRow, feed_row
from hub.journal.writer import JournalWriter
from hub.telemetry import names
from hub.telemetry.spans import Call, now_ns

# Unanswered batches of one stream; a sender that goes on is held back by HTTP/2 flow control.
STREAM_WINDOW = 8
# So many bytes of a quarantined original count as one event more: to parse, refuse and seal them takes as long as to record one.
BYTES_OF_AN_ORIGINAL = 256


class FeedService:
    """Needs the writer and what prepares batches for it."""

    def __init__(
        self,
        reads: Reads,
        writer: JournalWriter,
        intake: Intake,
        directory: Directory,
        reference: Reference,
        pace: Pace,
        receipts: Receipts,
        block_keys: BlockKeys,
        refused: Callable[[], HubError | None] = lambda: None,
    ) -> None:
        """All parts are shared with the other services of the process; *refused* says why no event is recorded now, if so."""
        self._refused = refused
        self._receipts, self._block_keys = receipts, block_keys
        self._reads = reads
        self._writer = writer
        self._intake = intake
        self._directory = directory
        self._reference = reference
        self._pace = pace

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.FeedService",
            {
                "GetFeed": unary(gate, reader(protos.GetFeedRequest), self.get_feed),
                "AppendEvents": unary(gate, batch_reader(protos.AppendEventsRequest), self.append_events, takes_batches=True),
                "ValidateEvents": unary(gate, batch_reader(protos.ValidateEventsRequest), self.validate_events, takes_batches=True),
                "GetReceiptKeys": unary(gate, reader(protos.GetReceiptKeysRequest), self.get_receipt_keys),
                "GetBlockKeys": unary(gate, reader(protos.GetBlockKeysRequest), self._block_keys.get),
                "StreamEvents": streaming(gate, batch_reader(protos.StreamEventsRequest), self.stream_events),
            },
        )

    async def get_feed(self, request: protos.GetFeedRequest, caller: Caller) -> protos.GetFeedResponse:
        """Says how far a feed is, from the feed's own row."""
        await self._directory.feed_of(caller, request.feed)
        row: FeedRow | None = await self._reads.read(caller.urn, feed_row, request.feed)
        if row is None:
            raise FeedUnknown
        response = protos.GetFeedResponse(feed=request.feed, next_sequence=row.next_sequence, last_position=row.last_position)
        response.signed_only = request.feed in caller.current.signing.only
        if row.last_recorded_us is not None:
            response.last_recorded_at.CopyFrom(timestamp(row.last_recorded_us))
        return response

    async def get_receipt_keys(self, request: protos.GetReceiptKeysRequest, caller: Caller) -> protos.GetReceiptKeysResponse:
        """Gives the keys of receipts that are on record."""
        return keys_response(self._receipts.origin, await self._reads.read(caller.urn, known_keys))

    async def append_events(self, received: Received, caller: Caller) -> protos.AppendEventsResponse:
        """Appends one batch and answers after the commit."""
        caller.call.belong_to(received.request.trace_parents or caller.call.parents)
        feed = await self._feed_of(received, caller)
        caller.allowance.events.take(received.weight)
        await self._pace.take(caller.urn, min(received.count, BATCH_EVENTS), CALL_PATIENCE_S)
        prepared = await self._prepare(feed, received, caller)
        return await self._commit(received, prepared, caller.call)

    async def validate_events(self, received: Received, caller: Caller) -> protos.ValidateEventsResponse:
        """Says what of the events would be quarantined, as `append_events` would find it."""
        await self._directory.feed_of(caller, received.request.feed)
        caller.allowance.events.take(received.weight)
        _check_size(received)
        response = protos.ValidateEventsResponse()
        async with caller.allowance.preparing:
            found = await self._intake.faults_of(received, self._context(caller))
        for index, reasons in found.items():
            faults = response.faults.add(index=index)
            add_violations(faults.violations, reasons)
            put_into_words(faults.violations)
        return response

    async def _feed_of(self, received: Received, caller: Caller) -> Feed:
        """Returns a batch's feed, and notes the batch in the call's trace, whatever becomes of it."""
        request, call = received.request, caller.call
        feed = await self._directory.feed_of(caller, request.feed)
        call.attributes.update(
            {names.FEED: request.feed, names.FIRST_SEQUENCE: request.first_sequence, names.MESSAGING_COUNT: received.count}
        )
        names.FEED_RECEIVED.add(call.participant, request.feed, count=received.count)
        return feed

    async def _prepare(self, feed: Feed, received: Received, caller: Caller) -> Prepared:
        request, call = received.request, caller.call
        # A stream outlives the roles that it was begun with.
        caller.may_call()
        _check_size(received)
        if (refusal := self._refused()) is not None:
            raise refusal
        began = now_ns()
        async with caller.allowance.preparing:
            proof = prove(received, caller.current.signing)
            prepared = await self._intake.prepare(feed.stream_id, caller.urn, received, self._context(caller), self._feed_id, proof)
        call.step(
            names.PREPARE_SPAN, began, now_ns(), {names.MESSAGING_COUNT: received.count, names.QUARANTINED: len(prepared.quarantined)}
        )
        if prepared.newest_s is not None:
            names.FEED_CLOCK.set(prepared.newest_s - time.time(), call.participant, request.feed)
        if prepared.quarantined:
            # What is sealed costs many times what is recorded: it is taken of what comes next.
            caller.allowance.events.bucket.take(sum(len(sealed) for *_, sealed in prepared.batch.originals) // BYTES_OF_AN_ORIGINAL)
            note_quarantined(call, request, prepared.quarantined)
        prepared.batch.trace_parent = call.trace_parents()
        return prepared

    def _context(self, caller: Caller) -> Context:
        return Context(caller.rights, int(time.time()), self._reference, self._owned_by(caller))

    def _owned_by(self, caller: Caller) -> Callable[[str], bool]:
        def owns(name: str) -> bool:
            feed = self._directory.known_feed(name)
            return feed is not None and feed.owner == caller.urn

        return owns

    def _feed_id(self, name: str) -> int | None:
        feed = self._directory.known_feed(name)
        return None if feed is None else feed.stream_id

    async def _commit(self, received: Received, prepared: Prepared, call: Call) -> protos.AppendEventsResponse:
        feed, queued = received.request.feed, now_ns()
        try:
            appended = await self._writer.append(prepared.batch)
        except Unstorable:
            appended = joined(await self._in_parts(received, prepared, 0, len(prepared.batch.tails)))
        if prepared.new_identifiers:
            self._intake.identifiers.remember(prepared.new_identifiers)
        note_appended(call, feed, queued, appended, prepared)
        before: list[Recorded] = []
        if appended.duplicates:
            before = await self._reads.read(call.participant, events_at, appended.positions[: appended.duplicates], {"event_quarantined"})
        answer = answer_of(feed, appended, prepared.quarantined, before)
        assert prepared.proof is not None
        answer.receipt.CopyFrom(self._receipts.give(feed, appended, prepared.proof))
        return answer

    async def _in_parts(self, received: Received, prepared: Prepared, start: int, stop: int) -> list[Appended]:
        """Appends by halves a batch that the database refused for a value in it: the event at fault is quarantined."""
        if stop - start == 1:
            self._intake.set_aside(prepared, start, received)
            return [await self._writer.append(prepared.batch.part(start, stop))]
        parts: list[Appended] = []
        middle = (start + stop) // 2
        for first, last in ((start, middle), (middle, stop)):
            try:
                parts.append(await self._writer.append(prepared.batch.part(first, last)))
            except Unstorable:
                parts += await self._in_parts(received, prepared, first, last)
        return parts

    def stream_events(self, batches: AsyncIterator[Received], caller: Caller) -> AsyncIterator[protos.StreamEventsResponse]:
        """Answers each batch after its commit and in order, with up to STREAM_WINDOW under way; a refusal is an answer too."""
        in_hand = caller.allowance.batches

        async def begin(received: Received) -> asyncio.Task[protos.StreamEventsResponse]:
            await in_hand.acquire()
            try:
                task = await self._begin(received, caller)
            except BaseException:
                in_hand.release()
                raise
            # Not when its answer is read: a client that reads none keeps only its own stream waiting.
            task.add_done_callback(lambda _: in_hand.release())
            return task

        return windowed(batches, STREAM_WINDOW, begin, in_order=True)

    async def _begin(self, received: Received, caller: Caller) -> asyncio.Task[protos.StreamEventsResponse]:
        """Prepares a batch and starts its commit; tasks start in order, so the batches of a stream are queued in order."""
        call = Call(caller.call.name, received.request.trace_parents, participant=caller.call.participant)
        await self._writer.wait_for_room(caller.urn)
        prepared: Prepared | HubError
        try:
            feed = await self._feed_of(received, caller._replace(call=call))
            await caller.allowance.events.wait(received.weight)
            await self._pace.take(caller.urn, min(received.count, BATCH_EVENTS), STREAM_PATIENCE_S)
            prepared = await self._prepare(feed, received, caller._replace(call=call))
        except QuotaExceeded as error:
            await caller.allowance.hold(error)
            prepared = error
        except HubError as error:
            caller.allowance.count_refused(error, received.weight)
            prepared = error
        return asyncio.create_task(self._finish(received, prepared, call))

    async def _finish(self, received: Received, prepared: Prepared | HubError, call: Call) -> protos.StreamEventsResponse:
        feed = received.request.feed
        response = protos.StreamEventsResponse(feed=feed, first_sequence=received.request.first_sequence)
        try:
            if isinstance(prepared, HubError):
                raise prepared
            response.appended.CopyFrom(await self._commit(received, prepared, call))
        except HubError as error:
            call_log.refused(call, error, received.size)
            response.refused.CopyFrom(to_status(error))
        else:
            call_log.answered(call, received.size, response.ByteSize())
        return response


def _check_size(received: Received) -> None:
    if not received.count:
        raise BatchEmpty
    received.check_size()
