"""What breakdowns, cells and further figures of indicators are called, in Chinese and English; and what their refusals mean."""

BREAKDOWNS = {
    "": ("合计", "total"),
    "province": ("发卡省或办理方", "province"),
    "region": ("地区（发卡或办理时）", "region as it was said"),
    "region_as_of": ("地区（按截止日区划）", "region as of the day"),
    "mode": ("办理方式", "mode"),
    "scenario": ("场景", "scenario"),
    "group": ("场景类别", "group of scenarios"),
    "direction": ("方向（发卡>用卡）", "direction, issuer>serving"),
    "state": ("状态", "state"),
    "reason": ("原因", "reason"),
    "outcome": ("答复", "outcome"),
    "city": ("城市", "city"),
    "operator": ("经办方", "who runs it"),
    "priority_group": ("重点群体", "priority group"),
}
BESIDE = {
    "cards": ("电子社保卡张数", "e-cards"),
    "cards_of_nobody": ("不知持卡人的卡", "cards whose holder nobody said"),
    "persons": ("持卡人数", "persons who have them"),
    "bank_first": ("银行时刻早于社保", "accounts that seem activated first"),
    "offline_taps": ("脱机用卡（没有答复）", "taps without an answer"),
    "p50_s": ("中位秒数", "median, seconds"),
    "p95_s": ("95% 秒数", "95 of 100, seconds"),
    "max_s": ("最长秒数", "longest, seconds"),
    "confirmed_first": ("确认早于请求", "confirmed before asked, by the clocks"),
    "volumes": ("还到他馆的册数", "items that moved"),
    "cases": ("当年办件", "cases of the year"),
    "for_million": ("每百万人网点（除以一百为每万人）", "outlets for a million people (a hundredth of it: for ten thousand)"),
    "for_million_50": ("重庆每百万人网点", "outlets for a million people of Chongqing"),
    "for_million_51": ("四川每百万人网点", "outlets for a million people of Sichuan"),
    "cleared": ("核查后排除的", "findings that were cleared"),
}
HOW = {"LATE": ("迟到", "late"), "CORRECTS": ("更正", "corrections"), "REVERSES": ("冲正", "reversals")}
HIDDEN = ("少于 5，不显示", "a few, not shown")
NOT_RECORDED = ("未记录", "not recorded")
UNKNOWN_POPULATION = ("人口未知，不计比率", "population unknown, no share")

REFUSALS = {
    "IndicatorUnknown": "没有这个指标；见 `hub kpi`。",
    "IndicatorBreakdownUnknown": "该指标不这样分列；其定义写明可按什么分列。",
    "IndicatorOutOfRange": "该日早于当时所知的该指标首个事件，或晚于该位置的日期。",
    "PopulationUnknown": "没有这种人口；见人口表。",
    "DefinitionInvalid": "指标定义有误；已指明文件与字段。",
    "ReportUnknown": "没有这份指标报告；见 `hub kpi K1 --reports`。",
    "ReportDefinitionChanged": "该报告按另一版定义计数；它保持原样，不与现行定义的计数相比。",
    "ReportChanged": "有人同时固定了该指标的报告；请查看后再试。",
    "IndicatorTooLong": "枢纽在答复他人的同时要为此读取过多事件；请运维以 `hub kpi` 计数，那里没有这一上限。",
    "IndicatorNotRecorded": "记录中没有该指标的来源，因此没有可固定的报告；其定义写明原因。",
    "MeetingReportUnknown": "没有这份联席会议报告；见 `hub meeting list`。",
}


def breakdown_words(by: str) -> tuple[str, str]:
    """Returns what a breakdown is called, of several joined."""
    names = [BREAKDOWNS[name] for name in by.split(",")]
    return "、".join(zh for zh, _ in names), ", ".join(en for _, en in names)
