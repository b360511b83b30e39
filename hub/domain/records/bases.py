"""On what the rules' conclusions rest, as messages: for the journal, and in words for who asked."""

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.domain.records.weighing import Basis

_KINDS = {"CLAIM": acceptance.BASIS_KIND_CLAIM, "RECORD": acceptance.BASIS_KIND_RECORD}
_SAID = {True: acceptance.SAID_YES, False: acceptance.SAID_NO, None: acceptance.SAID_UNSPECIFIED}
_WORDS = {acceptance.SAID_YES: ("符合", "holds"), acceptance.SAID_NO: ("不符合", "does not hold")}


def basis_message(basis: Basis) -> acceptance.RuleBasis:
    """Writes what a rule's conclusion rests on, as the journal keeps it."""
    return acceptance.RuleBasis(
        rule_id=basis.rule_id,
        basis=_KINDS[basis.basis],
        claim=_SAID[basis.claim],
        record=_SAID[basis.record],
        record_position=basis.record_position,
        contradicts=basis.contradicts,
    )


def in_words(basis: acceptance.RuleBasis, *, is_issuer: bool) -> acceptance.RuleBasis:
    """Returns it for who asked: a contradiction in words; where the record is, only to the card's issuer."""
    shown = acceptance.RuleBasis()
    shown.CopyFrom(basis)
    if not is_issuer:
        shown.record_position = 0
    if basis.contradicts:
        (claim_zh, claim_en), (record_zh, record_en) = _WORDS[basis.claim], _WORDS[basis.record]
        shown.text_zh = f"申报与枢纽记录不一致：申报为{claim_zh}，记录为{record_zh}。"
        shown.text_en = f"Claim and record contradict each other: by the claim the condition {claim_en}, by the record it {record_en}."
    return shown
