"""What a B1 caller is answered: the code that a card's standing gives to an operation, and the status letters of §5.3.

The reply judges, the record does not: whatever is answered here, the fact was said and is recorded. The caller gets
`01` when the card is already in the state that the operation gives, `21` when its state does not allow the operation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chuanyu.exchange.v1.card_lifecycle_pb2 import SocialStatus
from chuanyu.exchange.v1.card_service_pb2 import CardLives

from adapters.chongqing.errors import ReplyCode

PRODUCED: Final = SocialStatus.SOCIAL_STATUS_PRODUCED
SEALED: Final = SocialStatus.SOCIAL_STATUS_SEALED
ACTIVE: Final = SocialStatus.SOCIAL_STATUS_ACTIVE
APP_LOCKED: Final = SocialStatus.SOCIAL_STATUS_APP_LOCKED
TEMP_LOST: Final = SocialStatus.SOCIAL_STATUS_TEMP_LOST
FORMALLY_LOST: Final = SocialStatus.SOCIAL_STATUS_FORMALLY_LOST
CANCELLED: Final = SocialStatus.SOCIAL_STATUS_CANCELLED

STATUS_OF_LETTERS: Final[Mapping[str, SocialStatus.ValueType]] = {
    "FC": SEALED, "ZC": ACTIVE, "LG": TEMP_LOST, "ZG": FORMALLY_LOST, "SD": APP_LOCKED, "ZX": CANCELLED,
}  # fmt: skip
LETTERS_OF_STATUS: Final = {status: letters for letters, status in STATUS_OF_LETTERS.items()}


@dataclass(frozen=True, slots=True)
class Judgement:
    """The reply code, and the standing after the operation; the standing is None where no card is known."""

    code: ReplyCode
    status: SocialStatus.ValueType | None

    @property
    def letters(self) -> str:
        """Returns the status letters, empty for a standing that has none (before personalisation)."""
        return LETTERS_OF_STATUS.get(self.status, "") if self.status is not None else ""


@dataclass(frozen=True, slots=True)
class _Transition:
    sources: frozenset[SocialStatus.ValueType]
    target: SocialStatus.ValueType


_TRANSITIONS: Final[Mapping[str, _Transition]] = {
    "临时挂失": _Transition(frozenset((ACTIVE, APP_LOCKED)), TEMP_LOST),
    "正式挂失": _Transition(frozenset((ACTIVE, TEMP_LOST, APP_LOCKED, SEALED)), FORMALLY_LOST),
    "解除挂失": _Transition(frozenset((TEMP_LOST, FORMALLY_LOST)), ACTIVE),
    "领卡启用": _Transition(frozenset((PRODUCED, SEALED)), ACTIVE),
    "应用锁定": _Transition(frozenset((ACTIVE,)), APP_LOCKED),
    "应用解锁": _Transition(frozenset((APP_LOCKED,)), ACTIVE),
    "注销": _Transition(frozenset((SEALED, ACTIVE, APP_LOCKED, TEMP_LOST, FORMALLY_LOST)), CANCELLED),
}
# Operations that only need the card to have some standing, and the mark that says they were done before.
_MARKED: Final[Mapping[str, tuple[SocialStatus.ValueType, str]]] = {
    "补卡": (FORMALLY_LOST, "reissue_pending"),
    "换卡": (ACTIVE, "replacement_pending"),
}
# A document, or a basis, belongs to the person: any card carries it but one that has ended.
_CARRYING: Final = frozenset(("证照并入", "证照注销", "群体依据登记"))
# Operations that bring a card into the hub's sight: not to be known is their normal case.
_INTRODUCING: Final = frozenset(("申请社保卡", "卡信息登记", "即时制卡标注", "即制卡批次", "即制卡数据", "即制卡回盘"))


def judge(operation: str, lives: CardLives | None) -> Judgement:
    """Returns what to answer to *operation* on a card with these *lives*, None for one the hub does not know."""
    if operation in _INTRODUCING:
        known = operation == "申请社保卡" and lives is not None
        return Judgement(ReplyCode.ALREADY if known else ReplyCode.DONE, lives.social_status if lives else None)
    if lives is None:
        return Judgement(ReplyCode.CARD_UNKNOWN, None)
    if operation in _CARRYING:
        is_over = operation == "证照并入" and lives.social_status == CANCELLED
        return Judgement(ReplyCode.STATE_NOT_ALLOWED if is_over else ReplyCode.DONE, lives.social_status)
    if operation in _MARKED:
        status, mark = _MARKED[operation]
        if getattr(lives, mark):
            return Judgement(ReplyCode.ALREADY, lives.social_status)
        code = ReplyCode.DONE if lives.social_status == status else ReplyCode.STATE_NOT_ALLOWED
        return Judgement(code, lives.social_status)
    return _judge_transition(_TRANSITIONS[operation], lives)


def _judge_transition(transition: _Transition, lives: CardLives) -> Judgement:
    if lives.social_status == transition.target:
        return Judgement(ReplyCode.ALREADY, lives.social_status)
    # §1.8 L10: once a re-issue has been applied for, a loss is released no more.
    blocked = transition.target == ACTIVE and lives.reissue_pending
    if lives.social_status not in transition.sources or blocked:
        return Judgement(ReplyCode.STATE_NOT_ALLOWED, lives.social_status)
    return Judgement(ReplyCode.DONE, transition.target)
