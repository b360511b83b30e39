"""Examples of the calls for proofs: a log of eight entries, with real proofs; what a key would have signed is left empty."""

from collections.abc import Callable, Mapping

from chuanyu.exchange.v1 import audit_service_pb2 as protos
from chuanyu.exchange.v1 import receipts_pb2, references_pb2

from hub.commands.pages.reference.samples import FEED, Example, at
from hub.tlog import tree
from hub.tlog.note import Checkpoint, Note, Signature
from hub.tlog.proof import Proof
from hub.trust.batch_texts import ReceiptSays, receipt_text

_ORIGIN, _LEAVES = "exchange.chuanyu/1", [tree.leaf_hash(bytes([number])) for number in range(8)]


def _read(level: int, number: int, width: int) -> bytes:
    return b"".join(_LEAVES[:width])


def _note(size: int) -> Note:
    text = Checkpoint(_ORIGIN, size, tree.root(size, _read)).text
    return Note(text, (Signature(_ORIGIN, bytes(4), bytes(64)),))


def _checkpoint(size: int) -> protos.Checkpoint:
    return protos.Checkpoint(origin=_ORIGIN, size=size, root=tree.root(size, _read), note=_note(size).format())


def _get_checkpoint() -> Example:
    return Example(protos.GetCheckpointRequest(), protos.GetCheckpointResponse(checkpoint=_checkpoint(8)))


def _get_inclusion_proof() -> Example:
    request = protos.GetInclusionProofRequest(number=references_pb2.EventRef(feed=FEED, sequence=2))
    proof = Proof(5, tuple(tree.inclusion(5, 8, _read)), _note(8))
    answer = protos.GetInclusionProofResponse(position=5, leaf=_LEAVES[5], path=proof.path, checkpoint=_checkpoint(8))
    answer.tlog_proof = proof.format()
    return Example(request, answer)


def _get_consistency_proof() -> Example:
    path = tree.consistency(3, 8, _read)
    answer = protos.GetConsistencyProofResponse(first=_checkpoint(3), second=_checkpoint(8), path=path)
    return Example(protos.GetConsistencyProofRequest(first_size=3), answer)


def _get_receipt() -> Example:
    says = ReceiptSays(_ORIGIN, FEED, 2, 2, [(5, 5)], at(1).ToMicroseconds(), bytes(range(32)), "16d8a3f2b7905c4e")
    receipt = receipts_pb2.Receipt(text=receipt_text(says), key_id=says.key_id, signature=bytes(64))
    request = protos.GetReceiptRequest(event=references_pb2.EventRef(feed=FEED, sequence=2))
    return Example(request, protos.GetReceiptResponse(receipt=receipt, position=5))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "GetCheckpoint": _get_checkpoint,
    "GetInclusionProof": _get_inclusion_proof,
    "GetConsistencyProof": _get_consistency_proof,
    "GetReceipt": _get_receipt,
}
