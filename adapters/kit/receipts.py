"""The hub's receipts on their way in: each is checked at once against what was sent, and one that is wrong stops the feed.

A hub of the release before publishes no keys and gives no receipts; one that publishes keys gives one with every batch.
"""

import grpc
from chuanyu.exchange.v1.feed_service_pb2 import AppendEventsResponse, GetReceiptKeysRequest, GetReceiptKeysResponse

from adapters.kit.connection import Edge
from adapters.kit.errors import AdapterError
from adapters.kit.proofs import HubKey, ReceiptFault, check, document, usable_keys

CALL_TIMEOUT_S = 5.0


class ReceiptWrong(AdapterError):
    """The hub's receipt of a batch is missing, wrongly signed, or says something else than its answer.

    Nothing was acknowledged by it, and nothing more is sent. Keep the log, and ask the hub's operators whether its keys changed:
    `hub receipts key` shows them. Start the adapter again once that is clear.
    """


class HubReceipts:
    """What receipts of one edge are checked by; *keys* is None where it gives none."""

    def __init__(self, origin: str, keys: dict[str, HubKey] | None) -> None:
        """*origin* is the log that they must speak of."""
        self.origin, self.keys = origin, keys

    @classmethod
    async def ask(cls, edge: Edge) -> "HubReceipts":
        """Asks an edge for its keys."""
        try:
            answer: GetReceiptKeysResponse = await edge.feeds.GetReceiptKeys(GetReceiptKeysRequest(), timeout=CALL_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return cls("", None)
            raise
        return cls(answer.origin, usable_keys(answer.keys))

    def taken(self, appended: AppendEventsResponse, digest: bytes) -> str:
        """Returns the receipt of an answer as it is kept, "" from a hub that gives none; raises ReceiptWrong."""
        if self.keys is None:
            return ""
        if not appended.HasField("receipt"):
            raise ReceiptWrong("missing")
        kept = document(appended.receipt)
        try:
            says = check(kept, self.keys)
        except ReceiptFault as fault:
            raise ReceiptWrong(f"feed {appended.feed}, from {appended.first_sequence}: {fault}") from None
        if (says.origin, says.feed, says.first) != (self.origin, appended.feed, appended.first_sequence):
            raise ReceiptWrong(f"feed {appended.feed}, from {appended.first_sequence}: it is of another batch or log")
        if says.places() != list(appended.positions) or says.recorded_us != appended.recorded_at.ToMicroseconds():
            raise ReceiptWrong(f"feed {appended.feed}, from {appended.first_sequence}: other positions or time than the answer")
        if says.events_digest != digest:
            raise ReceiptWrong(f"feed {appended.feed}, from {appended.first_sequence}: other events than were sent")
        return kept
