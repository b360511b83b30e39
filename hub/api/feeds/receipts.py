"""Signs the receipt of each acknowledged batch, and gives the public keys."""

from chuanyu.exchange.v1 import feed_service_pb2 as protos
from chuanyu.exchange.v1 import receipts_pb2

from hub.intake.batches import Proof
from hub.journal.batch import PG_EPOCH_US, Appended
from hub.journal.receipts import KnownKey
from hub.trust.batch_texts import ReceiptSays, receipt_text, runs
from hub.trust.receipt_keys import ReceiptKey


class Receipts:
    """The signer of one process."""

    def __init__(self, key: ReceiptKey, origin: str) -> None:
        """*origin* is the log that receipts speak of."""
        self._key, self.origin = key, origin

    def give(self, feed: str, appended: Appended, proof: Proof) -> receipts_pb2.Receipt:
        """Returns the receipt of a batch: by the time that it says, all its events are recorded at these positions."""
        first, positions = appended.first_sequence, appended.positions
        recorded_us = appended.recorded_us + PG_EPOCH_US
        last = first + len(positions) - 1
        says = ReceiptSays(self.origin, feed, first, last, runs(positions), recorded_us, proof.digest, self._key.id)
        text = receipt_text(says)
        return receipts_pb2.Receipt(text=text, key_id=self._key.id, signature=self._key.sign(text), blind=proof.blind)


def keys_response(origin: str, known: list[KnownKey]) -> protos.GetReceiptKeysResponse:
    """Says which keys there are, and from when to when each is valid."""
    response = protos.GetReceiptKeysResponse(origin=origin)
    for key in known:
        one = response.keys.add(key_id=key.key_id, algorithm=key.algorithm, public_key=key.public_key)
        one.valid_from.FromDatetime(key.valid_from)
        if key.valid_until is not None:
            one.valid_until.FromDatetime(key.valid_until)
    return response
