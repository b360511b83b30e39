"""Chinese labels of the reference: services, methods, and the event kinds that the scenarios' page has no words for, values of enums."""

from hub.commands.machines import NAMES as STATES
from hub.commands.roles_page import MEANINGS as ROLES
from hub.domain import reference
from hub.words.kinds import KINDS, OUTCOME_WORDS

SERVICES = {
    "FeedService": "数据流服务：各省在此报送事件",
    "CardService": "卡服务：用卡场所与发卡机构在此询问",
    "HotlistService": "名单服务：离线闸机在此取名单",
    "ServiceItemService": "事项服务：在此查询川渝通办事项目录",
    "CaseService": "办件服务：两省在此查询同一办件的同一状态",
    "CultureService": "文旅服务：在此查询读者、借阅和入园入馆",
    "MedicalService": "医保服务：在此查询备案、结算链和参保人的结算",
    "SubscriptionService": "订阅服务：各省在此读取与本省有关的事件",
}
METHODS = {
    "GetFeed": "查询数据流的进度",
    "AppendEvents": "报送一批事件",
    "ValidateEvents": "试验一批事件，不入账",
    "StreamEvents": "以流报送多批事件",
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
    "ListVenueVisits": "查询持卡人的入园入馆与预约",
    "Subscribe": "订阅事件",
}
_FURTHER_KINDS = {
    "medical_clearing_reconciled": "医保清算对账",
    "transit_transfer_discounted": "换乘优惠",
    "transit_trip_disputed": "乘车争议",
    "employment_registered": "就业登记",
    "unemployment_registered": "失业登记",
    "contribution_paid": "缴费",
    "subsidy_approved": "补贴核准",
    "subsidy_rejected": "补贴不予核准",
    "talent_allowance_applied": "申请人才津贴",
    "labour_dispute_filed": "劳动争议立案",
    "skill_certificate_queried": "查询技能证书",
    "pension_transfer_requested": "申请养老关系转移",
    "pension_transfer_completed": "养老关系转移完成",
    "fund_batch_published": "公布发放批次",
    "fund_batch_approved": "核准发放批次",
    "fund_batch_sent": "送出发放批次",
    "fund_batch_closed": "发放批次结束",
    "coupon_granted": "发放消费券",
    "coupon_expired": "消费券到期",
    "points_earned": "积分增加",
    "points_spent": "积分使用",
    "points_adjusted": "积分调整",
    "loss_request_forwarded": "挂失申请转发卡地",
    "provisional_block_placed": "暂停使用",
    "provisional_block_lifted": "恢复使用",
    "hotlist_published": "发布名单",
    "anomaly_detected": "发现异常",
    "anomaly_cleared": "异常解除",
    "file_received": "收到文件",
    "file_accepted": "文件接受",
    "file_rejected": "文件拒收",
    "control_totals_submitted": "报送控制总数",
    "recon_break_opened": "对账差错登记",
    "recon_break_closed": "对账差错处理完毕",
    "participant_registered": "参与方登记",
    "participant_feed_added": "增加数据流",
    "participant_suspended": "参与方暂停",
    "participant_resumed": "参与方恢复",
    "participant_certificate_issued": "签发证书",
    "participant_certificate_withdrawn": "吊销证书",
    "participant_quota_set": "设定配额",
    "participant_role_granted": "授予角色",
    "participant_role_revoked": "收回角色",
    "agreement_drafted": "起草约定",
    "agreement_signed": "签署约定",
    "agreement_activated": "约定生效",
    "agreement_amended": "变更约定",
    "agreement_suspended": "中止约定",
    "agreement_ended": "终止约定",
    "agreement_resumed": "恢复约定",
    "agreement_amendment_drafted": "起草约定的变更",
    "decision_made": "作出互认答复",
    "event_quarantined": "事件被隔离",
    "quarantine_reevaluated": "隔离事件重新评估",
    "quarantine_original_opened": "查看隔离事件原文",
    "card_record_queried": "查看卡的记录",
    "rules_published": "规则版本生效",
    "loss_opened": "挂失办理开始",
    "loss_request_repeated": "重复的挂失申请",
    "loss_closed": "挂失办理结束",
    "erasure_requested": "申请抹除标识",
    "erasure_approved": "核准抹除",
    "erasure_refused": "不予抹除",
    "identifier_erased": "标识已抹除",
    "recorded_time_accepted": "接受超前的日志时间",
    "service_item_drafted": "起草事项版本",
    "service_item_approved": "复核通过事项版本",
}


def kind(name: str) -> str:
    """Returns the Chinese name of an event kind; a kind without one raises KeyError."""
    return KINDS[name][0] if name in KINDS else _FURTHER_KINDS[name]


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
