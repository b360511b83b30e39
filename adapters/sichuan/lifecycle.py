"""Card lifecycle of Sichuan's interface (SBK1101 to SBK1401) as events of feed sc.card-center.

Fields beside those of subjects.py; those the interface leaves open are named here, the way its makers abbreviate:

    slqh 受理区划 · qd 受理渠道 · ywlsh 业务流水号 · yxqz 有效期至 · ggbb 规范版本 · klb 卡类别
    aac003 姓名 · aac006 出生日期 · aae005 手机号 · aae008 服务银行 · aaz503 发卡日期 · kyxq 卡有效期
    jtbz 交通联合标志 · jkkh 旧卡卡号 · jrjh 金融同步激活 · hkyy 换补卡原因 · thhk 同号换卡 · jszk 即时制卡
    dzzt 电子社保卡动作 · qfjb 签发级别 · qfqd 签发渠道 · zzlb 证照类别 · zzqs 证照有效期起 · zzzz 证照有效期止

The interface has no message for documents that the card carries (多证融合). They are shown on the e-card, so SBK1401 reports them: dzzt 11
证照并入, 12 证照注销.

Sichuan speaks for the cards it issued. For Chongqing's, its windows may take an application, an enabling or a
replacement, and a loss, which is then a request to the issuer; all else is refused, because only the issuer can say it.
"""

from collections.abc import Callable

from chuanyu.exchange.v1 import card_accounts_pb2 as accounts
from chuanyu.exchange.v1 import card_lifecycle_pb2 as life
from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1.control_pb2 import LossRequestSubmitted, LossType
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import CardIdentifierKind, CardRef, MobileRef, NameRef

from adapters.kit.values import read_day
from adapters.sichuan.fields import Fields
from adapters.sichuan.replies import ParameterInvalid
from adapters.sichuan.subjects import SICHUAN, event_about, issuing_province

CHANNELS = {
    "01": life.REPORT_CHANNEL_TELEPHONE,
    "02": life.REPORT_CHANNEL_WINDOW,
    "03": life.REPORT_CHANNEL_APP,
    "04": life.REPORT_CHANNEL_ECARD,
    "05": life.REPORT_CHANNEL_BANK,
    "06": life.REPORT_CHANNEL_SYSTEM,
}
# An open, national list: an unknown version passes as unspecified, and the hub quarantines the event.
GENERATIONS = {
    "1.00": life.CARD_GENERATION_FIRST,
    "2.00": life.CARD_GENERATION_SECOND,
    "2.01": life.CARD_GENERATION_SECOND,
    "3.00": life.CARD_GENERATION_THIRD,
}
CARD_KINDS = {"01": life.CARD_KIND_REGULAR, "02": life.CARD_KIND_TEMPORARY}
REISSUE = "06"
REPLACEMENT_REASONS = {
    "01": life.REPLACEMENT_REASON_EXPIRY,
    "02": life.REPLACEMENT_REASON_DAMAGED,
    "03": life.REPLACEMENT_REASON_INFO_CHANGE,
    "04": life.REPLACEMENT_REASON_GEN_UPGRADE,
    "05": life.REPLACEMENT_REASON_BANK_CHANGE,
}

DOCUMENT_FOLDED_IN, DOCUMENT_WITHDRAWN = "11", "12"
# 渝快码 and 人才码 are Chongqing's.
DOCUMENTS = {"01": control.CARD_DOCUMENT_DISABILITY_CERTIFICATE, "02": control.CARD_DOCUMENT_WORK_PERMIT}

# A message may say more than one fact; each is an event with nothing but its kind.
Kinds = list[Event]


def _channel(native: Fields) -> life.ReportChannel.ValueType:
    return native.code("qd", CHANNELS, life.REPORT_CHANNEL_UNSPECIFIED)


def _temporary_loss(native: Fields) -> Kinds:
    loss = life.TemporaryLossReported(channel=_channel(native), effective_until=native.instant("yxqz"))
    return [Event(temporary_loss_reported=loss)]


def _formal_loss(native: Fields) -> Kinds:
    return [Event(formal_loss_reported=life.FormalLossReported(channel=_channel(native)))]


def _release(native: Fields) -> Kinds:
    return [Event(loss_released=life.LossReleased(channel=_channel(native)))]


def _application(native: Fields) -> Kinds:
    name, mobile = native.text("aac003"), native.text("aae005")
    applied = life.CardApplied(
        generation=GENERATIONS.get(native.text("ggbb"), life.CARD_GENERATION_UNSPECIFIED),
        card_kind=native.code("klb", CARD_KINDS, life.CARD_KIND_REGULAR),
        bank_code=native.text("aae008"),
        birth_date=_birth_date(native),
        channel=_channel(native),
        applicant_name=NameRef(clear=name) if name else None,
        mobile=MobileRef(clear=mobile) if mobile else None,
    )
    return [Event(card_applied=applied)]


def _replacement(native: Fields) -> Kinds:
    if native.required("hkyy") == REISSUE:
        reissue = life.ReissueApplied(channel=_channel(native), instant_issue=native.flag("jszk"))
        return [Event(reissue_applied=reissue)]
    reason = native.code("hkyy", REPLACEMENT_REASONS, life.REPLACEMENT_REASON_UNSPECIFIED)
    replacement = life.ReplacementApplied(reason=reason, channel=_channel(native), keeps_bank_account=native.flag("thhk"))
    return [Event(replacement_applied=replacement)]


def _activation(native: Fields) -> Kinds:
    old = native.text("jkkh").upper()
    kind = CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_NO
    activated = life.SocialFunctionActivated(
        channel=_channel(native),
        supersedes=CardRef(issuing_province=issuing_province(native), kind=kind, clear=old) if old else None,
        bank_activated=native.flag("jrjh"),
    )
    # The interface has no message for production, so enabling is where the hub first learns what card this is.
    return [*_registration(native), Event(social_function_activated=activated)]


def _registration(native: Fields) -> Kinds:
    version = native.text("ggbb")
    if not version or issuing_province(native) != SICHUAN:
        return []
    registered = life.CardRegistered(
        status=life.SOCIAL_STATUS_SEALED,
        generation=GENERATIONS.get(version, life.CARD_GENERATION_UNSPECIFIED),
        card_kind=native.code("klb", CARD_KINDS, life.CARD_KIND_REGULAR),
        issued_on=native.day("aaz503"),
        expires_on=native.day("kyxq"),
        birth_date=_birth_date(native),
        transit_enabled=native.flag("jtbz"),
        bank_code=native.text("aae008"),
    )
    return [Event(card_registered=registered)]


def _birth_date(native: Fields) -> str:
    number = native.text("aac002")
    try:
        return native.day("aac006") or read_day(number[6:14]).isoformat()
    except ValueError:
        return ""  # the number of a foreigner carries no date at this place


def _ecard(native: Fields) -> Kinds:
    signed = accounts.EcardSigned(issue_level=native.count("qfjb"), channel=native.text("qfqd"), valid_until=native.instant("yxqz"))
    actions = {
        "01": Event(ecard_signed=signed),
        "02": Event(ecard_suspended=accounts.EcardSuspended()),
        "03": Event(ecard_resumed=accounts.EcardResumed()),
        "04": Event(ecard_reauthorized=accounts.EcardReauthorized()),
        "05": Event(ecard_made_unavailable=accounts.EcardMadeUnavailable()),
        "06": Event(ecard_released=accounts.EcardReleased()),
    }
    action = native.required("dzzt")
    if action in (DOCUMENT_FOLDED_IN, DOCUMENT_WITHDRAWN):
        return [_document(native, action)]
    return [native.code("dzzt", actions, Event())]


def _document(native: Fields, action: str) -> Event:
    native.required("zzlb")
    document = native.code("zzlb", DOCUMENTS, control.CARD_DOCUMENT_UNSPECIFIED)
    if action == DOCUMENT_WITHDRAWN:
        return Event(document_withdrawn=control.DocumentWithdrawn(document=document))
    native.required("zzqs")
    return Event(document_folded_in=control.DocumentFoldedIn(document=document, valid_from=native.day("zzqs"), valid_to=native.day("zzzz")))


OPERATIONS: dict[str, tuple[Callable[[Fields], Kinds], str]] = {
    "SBK1101": (_temporary_loss, "CARD.LOSS"),
    "SBK1102": (_formal_loss, "CARD.LOSS"),
    "SBK1103": (_release, "CARD.LOSS"),
    "SBK1201": (_application, "CARD.APPLY"),
    "SBK1202": (_replacement, "CARD.REPL"),
    "SBK1301": (_activation, "CARD.ACT"),
    "SBK1401": (_ecard, ""),
}
# Taken by either side for the other (the standard's L1, L6, L13, L14).
FROM_EITHER_SIDE = {"SBK1201", "SBK1202", "SBK1301"}
LOSS_TYPES = {"SBK1101": LossType.LOSS_TYPE_TEMPORARY, "SBK1102": LossType.LOSS_TYPE_FORMAL}


def translate_lifecycle(trans_code: str, native: Fields, source: Source) -> list[Event]:
    """Returns the facts of one lifecycle message in order; raises ParameterInvalid."""
    # A number is assigned with the application or after it.
    about = event_about(native, source, region_field="slqh", needs_card=trans_code != "SBK1201")
    build, about.scenario = OPERATIONS[trans_code]
    may_say = issuing_province(native) == SICHUAN or trans_code in FROM_EITHER_SIDE
    kinds = build(native) if may_say else [_request_to_issuer(trans_code, native)]
    for kind in kinds:
        kind.MergeFrom(about)
    return kinds


def _request_to_issuer(trans_code: str, native: Fields) -> Event:
    if trans_code not in LOSS_TYPES:
        raise ParameterInvalid("非四川发卡，须由发卡地办理")
    request = LossRequestSubmitted(
        loss_type=LOSS_TYPES[trans_code],
        accepted_at_region=native.text("slqh"),
        channel=_channel(native),
        native_serial_no=native.text("ywlsh"),
    )
    return Event(loss_request_submitted=request)
