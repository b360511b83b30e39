"""Chinese labels of the reference: services, methods, and the event kinds that the scenarios' page has no words for, values of enums."""

from hub.commands.machines import NAMES as STATES
from hub.commands.roles_page import MEANINGS as ROLES
from hub.domain import reference
from hub.words.further_kinds import FURTHER_KINDS
from hub.words.kinds import KINDS, OUTCOME_WORDS

SERVICES = {
    "FeedService": "数据流服务：各省在此报送事件",
    "CardService": "卡服务：用卡场所与发卡机构在此询问",
    "HotlistService": "名单服务：离线闸机在此取名单",
    "ServiceItemService": "事项服务：在此查询川渝通办事项目录",
    "CaseService": "办件服务：两省在此查询同一办件的同一状态",
    "TransitService": "行程服务：在此查询持卡人的行程和清分拒绝的行程",
    "CultureService": "文旅服务：在此查询读者、借阅和入园入馆",
    "MedicalService": "医保服务：在此查询备案、结算链和参保人的结算",
    "SettlementService": "结算服务：两省在此查询、确认、争议结算单，报告支付",
    "ReconciliationService": "对账服务：两省在此报送总数、比对三本账、处理差错",
    "IndicatorService": "指标服务：两省在此查询指标、固定报告、与报告相比",
    "ConsumptionService": "消费服务：在此查询消费券、积分和出资方应付",
    "FindingService": "异常用卡服务：两省在此查看与本省有关的异常用卡、核查、试算规则",
    "FundService": "资金服务：发放机构与银行在此查询批次、明细和账户改绑，发放前核对名单",
    "SubscriptionService": "订阅服务：各省在此读取与本省有关的事件",
    "AuditService": "核验服务：在此取检查点、证明和回执，申请审计",
}


def kind(name: str) -> str:
    """Returns the Chinese name of an event kind; a kind without one raises KeyError."""
    return KINDS[name][0] if name in KINDS else FURTHER_KINDS[name]


def value(enum: str, name: str) -> str:
    """Returns the Chinese name of a value, named without the prefix of its enum, or "" where no table of the hub has one."""
    if enum.endswith("Status"):
        return STATES.get(name, "")
    if enum == "AcceptanceOutcome" and name in OUTCOME_WORDS:
        return OUTCOME_WORDS[name][0]
    if enum == "ParticipantRole" and name in ROLES:
        return ROLES[name][0]
    media = reference.load().media.get(name, ()) if enum == "Medium" else ()
    return media[-1].name_zh if media else ""
