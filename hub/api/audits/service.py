"""AuditService: heads of the log, proofs that an event is in it and that it only grew, receipts made again; audits are in `requests`.

A proof shows the leaf of an event and nothing of its content. It is still given only for what the caller sent or was answered: which
positions somebody asks about is nobody else's matter, and an operator asks about all.
"""

import psycopg
from chuanyu.exchange.v1 import audit_service_pb2 as protos
from chuanyu.exchange.v1 import receipts_pb2

from hub.api.audits.requests import AuditRequests
from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, server_streaming, service, unary
from hub.api.edge.turns import Reads
from hub.audit import sealed
from hub.audit.sealed import Sealed
from hub.domain.errors import NotFeedOwner, NotSealedYet
from hub.domain.participant import OPERATOR
from hub.intake.message_reader import reader
from hub.intake.request_rules import refuse_invalid
from hub.journal.reader import events_at, events_named
from hub.journal.receipts import receipt_for
from hub.journal.streams import stream_row
from hub.trust.receipt_keys import ReceiptKeys


class AuditService:
    """Proofs here, audits by *requests*."""

    def __init__(self, reads: Reads, receipts: ReceiptKeys, origin: str, requests: AuditRequests) -> None:
        """*reads* is shared with other services; *origin* is the log that receipts speak of."""
        self._reads, self._receipts, self._origin, self._requests = reads, receipts, origin, requests

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.AuditService",
            {
                "GetCheckpoint": unary(gate, reader(protos.GetCheckpointRequest), self.get_checkpoint),
                "GetInclusionProof": unary(gate, reader(protos.GetInclusionProofRequest), self.get_inclusion_proof),
                "GetConsistencyProof": unary(gate, reader(protos.GetConsistencyProofRequest), self.get_consistency_proof),
                "GetReceipt": unary(gate, reader(protos.GetReceiptRequest), self.get_receipt),
                "RequestReplay": unary(gate, reader(protos.RequestReplayRequest), self._requests.request),
                "ApproveReplay": unary(gate, reader(protos.ApproveReplayRequest), self._requests.approve),
                "GetReplay": unary(gate, reader(protos.GetReplayRequest), self._requests.get),
                "ListReplays": unary(gate, reader(protos.ListReplaysRequest), self._requests.list),
                "CancelReplay": unary(gate, reader(protos.CancelReplayRequest), self._requests.cancel),
                "DownloadBundle": server_streaming(gate, reader(protos.DownloadBundleRequest), self._requests.download),
            },
        )

    async def get_checkpoint(self, request: protos.GetCheckpointRequest, caller: Caller) -> protos.GetCheckpointResponse:
        """Gives a head of the log; raises RequestInvalid, SizeUnknown, NothingSealed or JournalUnavailable."""
        refuse_invalid(request)
        found: Sealed = await self._reads.read(caller.urn, _checkpoint, request.size)
        return protos.GetCheckpointResponse(checkpoint=_as_message(found))

    async def get_inclusion_proof(self, request: protos.GetInclusionProofRequest, caller: Caller) -> protos.GetInclusionProofResponse:
        """Gives the proof of an event; raises RequestInvalid, NotFeedOwner, NotSealedYet, SizeUnknown or JournalUnavailable."""
        refuse_invalid(request)
        answer: protos.GetInclusionProofResponse = await self._reads.read(caller.urn, _inclusion, request, caller.urn)
        return answer

    async def get_consistency_proof(self, request: protos.GetConsistencyProofRequest, caller: Caller) -> protos.GetConsistencyProofResponse:
        """Gives the proof that the log only grew; raises RequestInvalid, SizeUnknown, NothingSealed or JournalUnavailable."""
        refuse_invalid(request)
        old, new, path = await self._reads.read(caller.urn, sealed.consistency, request.first_size, request.second_size)
        return protos.GetConsistencyProofResponse(first=_as_message(old), second=_as_message(new), path=path)

    async def get_receipt(self, request: protos.GetReceiptRequest, caller: Caller) -> protos.GetReceiptResponse:
        """Makes a receipt again; raises RequestInvalid, NotFeedOwner, ReceiptNotFound, ReceiptBookAltered or JournalUnavailable."""
        refuse_invalid(request)
        answer: protos.GetReceiptResponse = await self._reads.read(caller.urn, self._receipt, request, caller.urn)
        return answer

    def _receipt(self, connection: psycopg.Connection, request: protos.GetReceiptRequest, asker: str) -> protos.GetReceiptResponse:
        event = request.event
        if not _may_know_feed(connection, event.feed, asker):
            raise NotFeedOwner
        given = receipt_for(connection, self._receipts, self._origin, event.feed, event.sequence)
        receipt = receipts_pb2.Receipt(text=given.text, key_id=given.key_id, signature=given.signature)
        return protos.GetReceiptResponse(receipt=receipt, position=given.position)


def _checkpoint(connection: psycopg.Connection, size: int) -> Sealed:
    return sealed.at_size(connection, size) if size else sealed.newest(connection)


def _inclusion(connection: psycopg.Connection, request: protos.GetInclusionProofRequest, asker: str) -> protos.GetInclusionProofResponse:
    if request.HasField("number"):
        position = _position_of(connection, request.number.feed, request.number.sequence, asker)
    else:
        position = request.position
        if asker != OPERATOR and not _may_know(connection, position, asker):
            raise NotFeedOwner
    proof, leaf = sealed.inclusion(connection, position, request.size)
    head = proof.checkpoint
    checkpoint = protos.Checkpoint(origin=head.origin, size=head.size, root=head.root, note=proof.note.format())
    return protos.GetInclusionProofResponse(position=position, leaf=leaf, path=proof.path, checkpoint=checkpoint, tlog_proof=proof.format())


def _position_of(connection: psycopg.Connection, feed: str, sequence: int, asker: str) -> int:
    if not _may_know_feed(connection, feed, asker):
        raise NotFeedOwner
    _, recorded = events_named(connection, [(feed, sequence)])[feed, sequence]
    if recorded is None:
        raise NotSealedYet
    return recorded.position


def _may_know_feed(connection: psycopg.Connection, feed: str, asker: str) -> bool:
    row = connection.execute("SELECT owner FROM journal.stream WHERE name = %s AND is_feed", (feed,)).fetchone()
    # Of a feed that is not there nothing is said either.
    return row is not None and asker in (row[0], OPERATOR)


def _may_know(connection: psycopg.Connection, position: int, asker: str) -> bool:
    """Whether an event is one that the asker sent, or an answer that it was given."""
    found = events_at(connection, [position])
    if not found:
        return False
    if found[0].kind == "decision_made":
        return found[0].event.decision_made.participant == asker
    return stream_row(connection, found[0].stream_id).owner == asker


def _as_message(found: Sealed) -> protos.Checkpoint:
    head = found.head
    return protos.Checkpoint(origin=head.origin, size=head.size, root=head.root, note=found.note.format())
