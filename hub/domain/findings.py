"""Findings: what contradicts what, in words; and which uses of a card came after its loss or cancellation [D].

A finding is a value that follows from the facts: it appears and vanishes as late facts reorder history. It refuses nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.domain.card import Fact, Finding, PolicyAt, standing
from hub.domain.records.documents import DOCUMENT_OF
from hub.domain.succession import DIED
from hub.domain.usage import COUNTED_KINDS


class Meaning(NamedTuple):
    """A code in words; a note is no fault: the same was reported twice."""

    text_zh: str
    text_en: str
    is_note: bool = False


# A code is never renamed or removed: people cite it.
MEANINGS = {
    "SOCIAL_OUT_OF_ORDER": Meaning("社保功能当时的状态不允许这一变化。", "The social function was in no state for this change."),
    "BANK_OUT_OF_ORDER": Meaning("金融账户当时的状态不允许这一变化。", "The bank account was in no state for this change."),
    "TRANSIT_OUT_OF_ORDER": Meaning("交通电子钱包当时的状态不允许这一变化。", "The transit purse was in no state for this change."),
    "PIN_OUT_OF_ORDER": Meaning("社保密码当时的状态不允许这一变化。", "The PIN was in no state for this change."),
    "ECARD_OUT_OF_ORDER": Meaning("电子社保卡当时的状态不允许这一变化。", "The e-card was in no state for this change."),
    "ALREADY_SO": Meaning("已经处于该状态（重复上报）。", "It was so already: the same was told again.", is_note=True),
    "AFTER_CANCELLATION": Meaning("卡已注销，注销不可恢复。", "The card had been cancelled, which is final."),
    "RELEASE_AFTER_REISSUE": Meaning("已申请补卡，不能再解挂。", "A re-issue had been applied for: the loss can no longer be released."),
    "FORMAL_LOSS_NOT_RELEASABLE": Meaning("发卡地规定正式挂失不能解挂。", "The issuing province does not release a formal loss."),
    "REISSUE_WITHOUT_FORMAL_LOSS": Meaning("未经正式挂失即申请补卡。", "A re-issue was applied for without a formal loss."),
    "REPLACEMENT_OF_CARD_NOT_IN_USE": Meaning("卡不在正常状态即申请换卡。", "A replacement was applied for while the card was not in use."),
    "RENEWED_TOO_EARLY": Meaning("未到换证期即以到期为由申请换卡。", "A renewal for expiry was applied for before its window."),
    "MOVED_FROM_ELSEWHERE": Meaning("参保地转出地与已知参保地不符。", "The insured region it moved from is not the one known."),
    "USE_AFTER_LOSS": Meaning("挂失期间用卡。", "The card was used while it was reported lost."),
    "USE_AFTER_CANCELLATION": Meaning(
        "注销之后用卡，或死亡之后发放。", "The card was used after it had been cancelled, or money paid after the holder's death."
    ),
    # This one is given to who judges a use: it says no more than the reason HOLDER_TO_VERIFY does.
    "USE_BEFORE_VERIFICATION": Meaning(
        "持卡人信息须由发卡地核实期间用卡或发放。",
        "The card was used, or money paid, while the issuing province had the holder's record to verify.",
    ),
    "QR_REPLAY": Meaning("已用过的电子码又被出示。", "A code of the e-card that an answer had used was shown again."),
    "CLAIM_CONTRADICTED": Meaning(
        "该接入方一日之内的申报屡次与记录不一致。",
        "What a participant claimed on a day contradicts the record more often than is to be expected.",
    ),
    "USE_TOLD_AGAIN": Meaning("同一笔业务重复上报，只计一次。", "The same was told again: it counts once.", is_note=True),
    "USE_TOLD_DIFFERENTLY": Meaning("同一笔业务再次上报，内容不同。", "The same was told again with other content."),
    "TAKEN_BACK_BEYOND": Meaning("退回的金额超过原金额。", "More money was taken back than was paid."),
    "SECOND_CURRENT_CARD": Meaning("同一人在同一省有两张在用卡。", "One person has two current cards of one province."),
    "APPLIED_BESIDE_CURRENT_CARD": Meaning("在该省已有在用卡又申领。", "A card was applied for beside a current one of its province."),
}

UNVERIFIED = "USE_BEFORE_VERIFICATION"
# Money that is paid to an account is no use of the card: the account has a life of its own, and only the holder's death ends it.
PAYMENT_KINDS = frozenset({"fund_row_paid", "fund_row_repaid"})
# A return of a book is always taken (G14).
USE_KINDS = (COUNTED_KINDS | {"transit_entry_recorded"}) - {"library_item_returned"}
_ECARD_MEDIA = frozenset({acceptance.MEDIUM_ECARD_QR, acceptance.MEDIUM_ECARD_SHOW, acceptance.MEDIUM_ECARD_LOGIN})
_OTHER_MEDIA = frozenset({*DOCUMENT_OF, acceptance.MEDIUM_ID_CARD, acceptance.MEDIUM_FACE})
_LOSSES = frozenset({"temporary_loss_reported", "formal_loss_reported"})


class Use(NamedTuple):
    """A use of a card, or a payment to its holder's account: when, at which position, by what medium."""

    occurred_us: int
    position: int
    medium: int
    is_payment: bool = False


def use_after(facts: Sequence[Fact], use: Use, policy_at: PolicyAt) -> Finding | None:
    """Returns the finding of a use while a loss, its request or a cancellation was in force; None if it was in order.

    Only what had happened before the use counts, whenever it was reported: a use of the same instant is in order. An e-card that its
    holder authorised again during a temporary loss may be used (G18). A payment is one only after the holder's death (G27), which may
    have been reported of another of his cards.
    """
    if use.is_payment:
        died = (fact for fact in facts if fact.detail.get("death") and fact.occurred_us < use.occurred_us)
        death = next(died, None)
        return _unverified(facts, use) if death is None else Finding(use.position, death.position, "USE_AFTER_CANCELLATION")
    if use.medium in _OTHER_MEDIA:
        return None
    before = [fact for fact in facts if fact.occurred_us < use.occurred_us]
    if not before:
        return None
    card = standing(before, use.occurred_us, policy_at)
    if use.medium in _ECARD_MEDIA and card.ecard_status == "SIGNED":
        return _unverified(before, use)
    if card.social_status == "CANCELLED":
        return Finding(use.position, card.social_position, "USE_AFTER_CANCELLATION")
    if card.social_status in ("TEMP_LOST", "FORMALLY_LOST"):
        return Finding(use.position, card.social_position, "USE_AFTER_LOSS")
    if card.block_until_us is not None and not _was_refused(facts[len(before) :]):
        return Finding(use.position, min((block.position for block in card.blocks), default=0), "USE_AFTER_LOSS")
    return _unverified(before, use)


def _unverified(facts: Sequence[Fact], use: Use) -> Finding | None:
    """Returns the finding of a use after the holder's death as it was reported of another of his cards."""
    death = next((fact for fact in facts if fact.kind == DIED and fact.occurred_us < use.occurred_us), None)
    return None if death is None else Finding(use.position, death.position, UNVERIFIED)


def _was_refused(later: Sequence[Fact]) -> bool:
    """Whether the issuer refused the loss that was asked for, before any loss was reported."""
    answers = (fact.kind for fact in later if fact.kind in _LOSSES or fact.kind == "loss_request_refused")
    return next(answers, "") == "loss_request_refused"
