"""What states and reasons of findings are called, in Chinese and English, and what is refused of them, in Chinese."""

STATES = {
    "DETECTED": ("待核查", "to be looked into"),
    "UNDER_REVIEW": ("核查中", "under review"),
    "CONFIRMED": ("属实", "confirmed"),
    "CLEARED": ("已排除", "cleared"),
    "STALE": ("失据", "stale: its evidence was corrected away"),
}
REASONS = {
    "CARD_LENT": ("出借", "the card was lent"),
    "CARD_STOLEN": ("盗用", "the card was stolen"),
    "CARD_COPIED": ("伪造复制", "the card was copied"),
    "PAID_TWICE": ("重复发放", "paid twice"),
    "AFTER_DEATH": ("身故后使用或发放", "used or paid after death"),
    "PROBING": ("试探卡号", "cards were tried"),
    "LAWFUL_USE": ("正当使用", "lawful use"),
    "CLOCK_WRONG": ("设备时钟有误", "a clock was wrong"),
    "WRONG_DATA": ("数据有误", "the data were wrong"),
    "TRAINING": ("经办培训", "training of staff"),
    "FAMILY_MANAGED": ("亲属代管", "managed by a relative"),
    "BOTH_ENTITLED": ("两地均应享受", "entitled in both places"),
    "TEST_CARD": ("测试卡", "a test card"),
    "OTHER": ("其他", "other"),
}
EVIDENCE_GONE = ("已被更正或冲正", "corrected or reversed since")
# What refusals of findings and their rules mean, by the name of the error.
REFUSALS = {
    "FindingUnknown": "没有这项与您有关的异常用卡；见 `hub findings raised`。",
    "FindingStep": "还不能这样做：先受理核查，再判定属实或排除。",
    "FindingReasonUnknown": "没有这个理由；属实或排除请用已有的理由代码。",
    "FindingChanged": "有人同时改动了这项异常用卡或规则；请查看后再试。",
    "FindingRuleUnknown": "没有这条规则；见 `hub findings rules`。",
    "FindingRuleParameter": "规则没有这个参数，或其值超出上下限；见 `hub findings rules`。",
    "FindingRuleFloods": "在既往日期上，该规则每万次用卡提出不止一项，会淹没核查人员；请收紧。",
    "FindingDays": "末日早于首日，或这些日期没有用卡。",
    "FindingDaysTooLong": "这些日期的用卡太多，枢纽在答复他人的同时无法试算；请缩短日期，或请运维试算。",
}
