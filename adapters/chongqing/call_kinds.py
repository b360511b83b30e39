"""What each B1 operation says happened: one builder an operation, from its fields to the kinds of events.

The words are those of the card-management system (§5.1). Some are this adapter's own: 卡信息登记, by which the card
centre reports cards it issued before it spoke to the hub; 应用锁定/应用解锁/注销, which that system must have but whose
calls are not published; 证照并入/证照注销, of documents that the card carries (多证融合). 获取批次号, 交费登记 and the
queries change no card and have no event.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from chuanyu.exchange.v1 import card_lifecycle_pb2 as life
from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1.control_pb2 import LossType
from chuanyu.exchange.v1.event_pb2 import Event
from chuanyu.exchange.v1.references_pb2 import BankAccountRef, CardIdentifierKind, MobileRef, NameRef

from adapters.chongqing.call_fields import TIMESTAMP, Fields, channel, choice, is_yes, iso_date, local_time, need
from adapters.chongqing.case_kinds import CASES
from adapters.chongqing.case_kinds import SCENARIO as CASE
from adapters.chongqing.consumption_kinds import CONSUMPTION
from adapters.chongqing.culture_kinds import CULTURE
from adapters.chongqing.medical_kinds import MEDICAL
from adapters.chongqing.references import CHONGQING, birth_date, card_ref, instant
from adapters.chongqing.register_kinds import BASES, OF_ANYBODY, OUTLETS
from adapters.chongqing.standing import STATUS_OF_LETTERS

# §1.8b: seven days are assumed for Chongqing. Said in the event, so that hub and native reply cannot disagree.
TEMPORARY_LOSS: Final = timedelta(days=7)

# Events with nothing but their kind.
Kinds = list[Event]

_GENERATIONS: Final = {
    "1.00": life.CARD_GENERATION_FIRST, "2.00": life.CARD_GENERATION_SECOND, "2.01": life.CARD_GENERATION_SECOND,
    "3.00": life.CARD_GENERATION_THIRD,
}  # fmt: skip
_CARD_KINDS: Final = {"正式卡": life.CARD_KIND_REGULAR, "临时卡": life.CARD_KIND_TEMPORARY}
_REPLACEMENTS: Final = {
    "到期": life.REPLACEMENT_REASON_EXPIRY, "损坏": life.REPLACEMENT_REASON_DAMAGED,
    "信息变更": life.REPLACEMENT_REASON_INFO_CHANGE, "升级换代": life.REPLACEMENT_REASON_GEN_UPGRADE,
    "更换银行": life.REPLACEMENT_REASON_BANK_CHANGE,
}  # fmt: skip
_CANCELLATIONS: Final = {
    "死亡": life.CANCELLATION_REASON_DEATH, "出国定居": life.CANCELLATION_REASON_EMIGRATION,
    "重复": life.CANCELLATION_REASON_DUPLICATE, "迁出": life.CANCELLATION_REASON_MOVED_OUT,
    "差错": life.CANCELLATION_REASON_ERROR, "本人申请": life.CANCELLATION_REASON_HOLDER_REQUEST,
}  # fmt: skip
_DOCUMENTS: Final = {
    "残疾人证": control.CARD_DOCUMENT_DISABILITY_CERTIFICATE, "外国人工作许可证": control.CARD_DOCUMENT_WORK_PERMIT,
    "渝快码": control.CARD_DOCUMENT_YUKUAI_CODE, "人才码": control.CARD_DOCUMENT_TALENT_CODE,
}  # fmt: skip
# Reasons are codes in the exchange: free text may name a person, and the journal may not.
_LOCKS: Final = {"风险": "RISK", "法院": "COURT", "数据争议": "DATA_DISPUTE", "密码锁定": "PIN_EXHAUSTED"}
_REASON_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_FAILED_STEPS: Final = {
    "": life.PRODUCTION_STEP_UNSPECIFIED, "银行": life.PRODUCTION_STEP_BANK, "卡": life.PRODUCTION_STEP_CARD,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """How one operation is translated; `rows` means that its cards are in the CSV block, one event or more a row.

    A *use* changes no card: it may be of either province's, and the card's standing has no say in the reply. What is of a *place* is about
    no card at all.
    """

    build: Callable[[Fields], Kinds]
    scenario: str
    loss_type: LossType.ValueType = LossType.LOSS_TYPE_UNSPECIFIED
    rows: bool = False
    use: bool = False
    place: bool = False


def _temporary_loss(fields: Fields) -> Kinds:
    until = instant(local_time(fields, "时间戳", TIMESTAMP) + TEMPORARY_LOSS)
    return [Event(temporary_loss_reported=life.TemporaryLossReported(channel=channel(fields), effective_until=until))]


def _formal_loss(fields: Fields) -> Kinds:
    return [Event(formal_loss_reported=life.FormalLossReported(channel=channel(fields)))]


def _release(fields: Fields) -> Kinds:
    return [Event(loss_released=life.LossReleased(channel=channel(fields)))]


def _application(fields: Fields) -> Kinds:
    mobile = fields.get("手机号", "")
    applied = life.CardApplied(
        generation=choice(fields, "规范版本", _GENERATIONS, "3.00"),
        card_kind=choice(fields, "卡类别", _CARD_KINDS, "正式卡"),
        bank_code=need(fields, "服务银行"),
        birth_date=birth_date(need(fields, "社会保障号码")),
        channel=channel(fields),
        applicant_name=NameRef(clear=need(fields, "姓名")),
        mobile=MobileRef(clear=mobile) if mobile else None,
    )
    return [Event(card_applied=applied)]


def _production_row(fields: Fields) -> Kinds:
    batched = life.ProductionBatched(
        batch_no=need(fields, "批次号"), card_maker=fields.get("制卡商", ""), bank_code=fields.get("服务银行", "")
    )
    return [Event(production_batched=batched)]


def _production_return_row(fields: Fields) -> Kinds:
    account = fields.get("银行卡号", "")
    failed_step = choice(fields, "失败环节", _FAILED_STEPS, "")
    returned = life.ProductionReturned(
        succeeded=failed_step == life.PRODUCTION_STEP_UNSPECIFIED,
        batch_no=need(fields, "批次号"),
        failed_step=failed_step,
        reason_code=_failure_reason(fields.get("失败原因", "")),
        issued_on=iso_date(fields, "发卡日期"),
        expires_on=iso_date(fields, "卡有效期"),
        generation=choice(fields, "规范版本", _GENERATIONS, "3.00"),
        transit_enabled=bool(fields.get("交通联合卡号")),
        bank_code=fields.get("服务银行", ""),
        bank_account=BankAccountRef(clear=account) if account else None,
    )
    return [Event(production_returned=returned)]


def _failure_reason(text: str) -> str:
    return text if not text or _REASON_CODE.fullmatch(text) else "OTHER"


def _activation(fields: Fields) -> Kinds:
    old = fields.get("旧卡号", "").upper()
    handed_over = life.CardHandedOver(channel=channel(fields), by_proxy=is_yes(fields, "代领"))
    activated = life.SocialFunctionActivated(
        channel=channel(fields),
        supersedes=card_ref(CHONGQING, CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_NO, old) if old else None,
        bank_activated=is_yes(fields, "银行同步激活"),
    )
    return [Event(card_handed_over=handed_over), Event(social_function_activated=activated)]


def _reissue(fields: Fields) -> Kinds:
    return [Event(reissue_applied=life.ReissueApplied(channel=channel(fields), instant_issue=is_yes(fields, "即时制卡")))]


def _replacement(fields: Fields) -> Kinds:
    applied = life.ReplacementApplied(
        reason=choice(fields, "换卡原因", _REPLACEMENTS),
        channel=channel(fields),
        keeps_bank_account=is_yes(fields, "同号换卡"),
    )
    return [Event(replacement_applied=applied)]


def _cancellation(fields: Fields) -> Kinds:
    return [Event(card_cancelled=life.CardCancelled(reason=choice(fields, "注销原因", _CANCELLATIONS)))]


def _lock(fields: Fields) -> Kinds:
    return [Event(app_locked=life.AppLocked(reason_code=choice(fields, "锁定原因", _LOCKS)))]


def _unlock(_fields: Fields) -> Kinds:
    return [Event(app_unlocked=life.AppUnlocked())]


def _registration(fields: Fields) -> Kinds:
    until = fields.get("有效期至") and instant(local_time(fields, "有效期至", "%Y%m%d%H%M%S"))
    registered = life.CardRegistered(
        status=choice(fields, "卡状态", STATUS_OF_LETTERS),
        generation=choice(fields, "规范版本", _GENERATIONS),
        card_kind=choice(fields, "卡类别", _CARD_KINDS, "正式卡"),
        issued_on=iso_date(fields, "发卡日期"),
        expires_on=iso_date(fields, "卡有效期"),
        birth_date=birth_date(need(fields, "社会保障号码")),
        transit_enabled=bool(fields.get("交通联合卡号")),
        bank_code=fields.get("服务银行", ""),
        status_until=until or None,
    )
    return [Event(card_registered=registered)]


def _document_folded_in(fields: Fields) -> Kinds:
    need(fields, "生效日期")
    document = choice(fields, "证照类别", _DOCUMENTS)
    valid_from, valid_to = iso_date(fields, "生效日期"), iso_date(fields, "截止日期")
    return [Event(document_folded_in=control.DocumentFoldedIn(document=document, valid_from=valid_from, valid_to=valid_to))]


def _document_withdrawn(fields: Fields) -> Kinds:
    return [Event(document_withdrawn=control.DocumentWithdrawn(document=choice(fields, "证照类别", _DOCUMENTS)))]


OPERATIONS: Final[Mapping[str, Operation]] = {
    "临时挂失": Operation(_temporary_loss, "CARD.LOSS", LossType.LOSS_TYPE_TEMPORARY),
    "正式挂失": Operation(_formal_loss, "CARD.LOSS", LossType.LOSS_TYPE_FORMAL),
    "解除挂失": Operation(_release, "CARD.LOSS"),
    "申请社保卡": Operation(_application, "CARD.APPLY"),
    "即时制卡标注": Operation(_production_row, "CARD.APPLY"),
    "即制卡批次": Operation(_production_row, "CARD.APPLY", rows=True),
    "即制卡数据": Operation(_production_row, "CARD.APPLY", rows=True),
    "即制卡回盘": Operation(_production_return_row, "CARD.APPLY", rows=True),
    "领卡启用": Operation(_activation, "CARD.ACT"),
    "补卡": Operation(_reissue, "CARD.REPL"),
    "换卡": Operation(_replacement, "CARD.REPL"),
    "注销": Operation(_cancellation, ""),
    "应用锁定": Operation(_lock, ""),
    "应用解锁": Operation(_unlock, ""),
    "卡信息登记": Operation(_registration, ""),
    "证照并入": Operation(_document_folded_in, ""),
    "证照注销": Operation(_document_withdrawn, ""),
    **{name: Operation(build, CASE, use=True) for name, build in CASES.items()},
    **{name: Operation(build, "", place=True) for name, build in OUTLETS.items()},
    **{name: Operation(build, "") for name, build in BASES.items()},
    **{name: Operation(build, scenario, use=True) for name, (build, scenario) in OF_ANYBODY.items()},
    # What these are used for is in the call.
    **{name: Operation(build, "", use=True) for name, build in {**MEDICAL, **CULTURE, **CONSUMPTION}.items()},
}
