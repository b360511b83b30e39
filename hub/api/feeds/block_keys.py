"""Gives the owner of a feed, and nobody else, the keys that open the digests of its events; that they were given is recorded first."""

import os

from chuanyu.exchange.v1 import event_pb2, receipts_pb2
from chuanyu.exchange.v1 import feed_service_pb2 as protos

from hub.api.edge.directory import Caller, Directory
from hub.api.edge.turns import Reads
from hub.domain.errors import DigestsClosed, JournalUnavailable, NotRecorded, RequestInvalid
from hub.domain.looks import NOT_STATED
from hub.intake.digests import BLOCK_BITS, Digests
from hub.intake.request_rules import now_us, refuse_identifiers, refuse_invalid
from hub.journal.decisions import Decision, DecisionWriter
from hub.journal.receipts import opened_after

BLOCKS_AT_ONCE = 64


class BlockKeys:
    """Used from one event loop."""

    def __init__(self, directory: Directory, reads: Reads, digests: Digests, decisions: DecisionWriter) -> None:
        """*decisions* records together with what else the hub answers."""
        self._directory, self._reads, self._digests, self._decisions = directory, reads, digests, decisions

    async def get(self, request: protos.GetBlockKeysRequest, caller: Caller) -> protos.GetBlockKeysResponse:
        """Records that the keys are given, and gives them.

        Raises FeedUnknown, NotFeedOwner, RequestInvalid, DigestsClosed, QueueFull or NotRecorded.
        """
        await self._directory.feed_of(caller, request.feed)
        refuse_invalid(request)
        refuse_identifiers(request, "purpose_code")
        first, last = request.first_sequence >> BLOCK_BITS, request.last_sequence >> BLOCK_BITS
        if request.last_sequence < request.first_sequence:
            raise RequestInvalid([("last_sequence", "uint64.gte")])
        if last - first >= BLOCKS_AT_ONCE:
            raise RequestInvalid([("last_sequence", "uint64.lte")])
        # A block is what a batch is to the quota of events, so that nobody asks for all keys of a feed at once.
        caller.allowance.events.take(last - first + 1)
        opened = await self._reads.read(caller.urn, opened_after)
        if opened is None:
            raise DigestsClosed
        position = await self._record(request, caller)
        response = protos.GetBlockKeysResponse(opened_after=opened, position=position)
        for block in range(first, last + 1):
            response.keys.add(block=block, key=self._digests.block_key(request.feed, block))
        return response

    async def _record(self, request: protos.GetBlockKeysRequest, caller: Caller) -> int:
        at_us = now_us()
        given = receipts_pb2.BlockKeysGiven(participant=caller.urn, feed=request.feed, purpose_code=request.purpose_code or NOT_STATED)
        given.first_sequence, given.last_sequence = request.first_sequence, request.last_sequence
        event = event_pb2.Event(block_keys_given=given)
        event.occurred_at.FromMicroseconds(at_us)
        decision = Decision(os.urandom(32), at_us, event.SerializeToString(), caller.call.trace_parents(), "block_keys_given")
        try:
            return (await self._decisions.append(decision)).position
        except JournalUnavailable:
            raise NotRecorded from None
