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
    "FundService": "资金服务：发放机构与银行在此查询批次、明细和账户改绑，发放前核对名单",
    "SubscriptionService": "订阅服务：各省在此读取与本省有关的事件",
    "AuditService": "核验服务：在此取检查点、证明和回执，申请审计",
}
METHODS = {
    "GetFeed": "查询数据流的进度",
    "AppendEvents": "报送一批事件",
    "ValidateEvents": "试验一批事件，不入账",
    "StreamEvents": "以流报送多批事件",
    "GetReceiptKeys": "取回执的公钥",
    "GetBlockKeys": "取本方数据流的分段密钥",
    "GetCheckpoint": "取日志的检查点",
    "GetInclusionProof": "取一个事件在日志中的证明",
    "GetConsistencyProof": "取日志只有追加的证明",
    "GetReceipt": "重取一批的回执",
    "RequestReplay": "申请审计",
    "ApproveReplay": "核准或不予审计",
    "GetReplay": "查询审计到哪一步",
    "ListReplays": "列出审计",
    "CancelReplay": "取消审计",
    "DownloadBundle": "取走审计的结果、报告或证据包",
    "GetCard": "查询一张卡",
    "CheckAcceptance": "询问能否在此用卡",
    "StreamAcceptance": "以流询问能否用卡",
    "ExplainAcceptance": "解释一条答复",
    "JudgeUse": "判断一次用卡是否有效",
    "GetConcessionBalance": "查询持卡人的优待次数",
    "GetHotlist": "取名单全量",
    "StreamHotlistDeltas": "取名单增量",
    "ListServiceItems": "列出事项",
    "GetServiceItem": "查询一个事项及其沿革",
    "ListUsableItems": "查询持卡人此地可办的事项",
    "CompareCatalogue": "比较两日的目录",
    "GetCase": "查询一个办件，现在或某位置所知",
    "ListCases": "列出办件",
    "GetCaseTimeline": "查询一个办件的全部上报",
    "WatchCases": "跟随办件的变化",
    "ListFilings": "查询持卡人的备案",
    "GetSettlementChain": "查询一笔结算的结算链",
    "ListMedicalUses": "查询持卡人的结算，供参保方",
    "GetReader": "查询持卡人作为读者，两省合计",
    "ListLoans": "查询持卡人或一册图书的借阅",
    "CheckGroupService": "查询持卡人是否享有群体服务的额外部分",
    "ListJourneys": "查询持卡人的行程",
    "ListRejectedTrips": "查询清分拒绝的行程",
    "ListVenueVisits": "查询持卡人的入园入馆与预约",
    "ListStatements": "列出结算单",
    "GetStatement": "查询一张结算单",
    "StreamStatementLines": "取结算单的全部明细",
    "AcknowledgeStatement": "确认结算单",
    "DisputeLine": "对一行提出争议，或了结争议",
    "ReportPayment": "报告净额已支付",
    "SubmitControlTotals": "报送一个业务日的总数，并与枢纽比对",
    "GetComparison": "查询一个业务日三本账的差异",
    "ListBreaks": "列出差错",
    "AssignBreak": "指定由哪一方处理差错",
    "ExplainBreak": "说明差错的原因",
    "CloseBreak": "了结差额留下的差错",
    "GetBatch": "查询一个发放批次，到分",
    "ListRows": "列出批次的行及每次送出",
    "CheckPayees": "发放前核对名单",
    "ListAccountChanges": "列出改绑的账户",
    "Subscribe": "订阅事件",
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
