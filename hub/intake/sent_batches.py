"""What is kept of a batch as it was sent: the SHA-256 of its events and its sender's signature, in the last of its events.

So it is where the event is: in the journal, in its leaf of the log, in backups and exports. The last event of a batch is new whenever
anything of the batch is.
"""

import secrets
from typing import Any

from chuanyu.exchange.v1 import event_pb2, receipts_pb2

from hub.domain.errors import BatchKeyRevoked, BatchKeyUnknown, BatchSignatureWrong, BatchUnsigned, RequestInvalid
from hub.domain.participant import Signing
from hub.intake.batches import Proof, Received
from hub.trust.batch_texts import batch_text, events_digest
from hub.trust.signatures import is_signed

BLIND_BYTES = 32


def prove(received: Received, signing: Signing) -> Proof:
    """Returns the proof of a batch; *signing* are its sender's keys.

    Raises RequestInvalid for a blind that is too long, BatchUnsigned, BatchKeyUnknown, BatchKeyRevoked or BatchSignatureWrong.
    """
    request = received.request
    if len(request.blind) > BLIND_BYTES:
        raise RequestInvalid([("blind", "bytes.max_len")])
    # What is kept must not be found by trying, so a batch without a blind gets one, which the receipt says.
    blind = request.blind or secrets.token_bytes(BLIND_BYTES)
    digest = events_digest(blind, received.sent)
    sent = receipts_pb2.SentBatch(first_sequence=request.first_sequence, events_digest=digest)
    if request.key_id or request.signature:
        _check(request, digest, len(received.sent), signing)
        sent.key_id, sent.signature = request.key_id, request.signature
    elif request.feed in signing.only:
        raise BatchUnsigned
    return Proof(blind, digest, event_pb2.Event(sent_batch=sent).SerializeToString())


def _check(request: Any, digest: bytes, count: int, signing: Signing) -> None:
    key = signing.keys.get(request.key_id)
    if key is None:
        raise BatchKeyUnknown
    if request.key_id in signing.revoked:
        raise BatchKeyRevoked
    text = batch_text(request.feed, request.first_sequence, count, digest)
    # A sender that signs gives the blind, too: without it it cannot have signed the digest.
    if not request.blind or not is_signed(key.algorithm, key.public_key, request.signature, text):
        raise BatchSignatureWrong
