"""Examples of the calls for proofs: a log of eight entries, with real proofs; what a key would have signed is left empty."""

from collections.abc import Callable, Mapping

from chuanyu.exchange.v1 import audit_question_pb2 as questions
from chuanyu.exchange.v1 import audit_requests_pb2 as requests
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


def _audit(state: protos.ReplayState.ValueType) -> protos.Replay:
    """A Chongqing card as of an instant, asked by its card centre."""
    by = requests.AuditPerson(participant="urn:chuanyu:participant:cq.card-center", name="li.ming")
    return protos.Replay(
        audit_code="AU-12", state=state, question=_question(is_clear=False), question_digest=bytes(range(32)), purpose="投诉复核",
        legal_basis="个人信息保护法第五十四条", requested_by=by, requested_at=at(1),
    )  # fmt: skip


def _question(*, is_clear: bool) -> questions.AuditQuestion:
    card = references_pb2.CardRef(issuing_province="50", kind=references_pb2.CARD_IDENTIFIER_KIND_CARD_NO)
    if is_clear:
        card.clear = "A12345678"
    else:
        card.key = bytes(range(32))
    asked = questions.CardQuestion(card=card, recorded_as_of=questions.RecordedAsOf(instant=at(1)), against_today=True)
    return questions.AuditQuestion(card=asked)


def _ask() -> Example:
    asked = protos.RequestReplayRequest(
        question=_question(is_clear=True), purpose="投诉复核", legal_basis="个人信息保护法第五十四条", person="li.ming"
    )
    return Example(asked, protos.RequestReplayResponse(replay=_audit(protos.REPLAY_STATE_REQUESTED)))


def _approve() -> Example:
    answer = protos.ApproveReplayResponse(replay=_audit(protos.REPLAY_STATE_APPROVED))
    answer.replay.decided_by.participant, answer.replay.decided_by.name = "urn:chuanyu:participant:hub.operator", "han.mei"
    return Example(protos.ApproveReplayRequest(audit_code="AU-12"), answer)


def _get_audit() -> Example:
    answer = protos.GetReplayResponse(replay=_audit(protos.REPLAY_STATE_RUNNING))
    answer.replay.done, answer.replay.of = 40, 100
    return Example(protos.GetReplayRequest(audit_code="AU-12"), answer)


def _list_audits() -> Example:
    return Example(protos.ListReplaysRequest(), protos.ListReplaysResponse(replays=[_audit(protos.REPLAY_STATE_DELIVERED)]))


def _cancel() -> Example:
    answer = protos.CancelReplayResponse(replay=_audit(protos.REPLAY_STATE_CANCELLED))
    return Example(protos.CancelReplayRequest(audit_code="AU-12", person="li.ming"), answer)


def _download_bundle() -> Example:
    request = protos.DownloadBundleRequest(audit_code="AU-12", part=requests.AUDIT_PART_BUNDLE, person="li.ming")
    return Example(request, protos.DownloadBundleResponse(chunk=b"bundle.json"))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "GetCheckpoint": _get_checkpoint,
    "GetInclusionProof": _get_inclusion_proof,
    "GetConsistencyProof": _get_consistency_proof,
    "GetReceipt": _get_receipt,
    "RequestReplay": _ask,
    "ApproveReplay": _approve,
    "GetReplay": _get_audit,
    "ListReplays": _list_audits,
    "CancelReplay": _cancel,
    "DownloadBundle": _download_bundle,
}
