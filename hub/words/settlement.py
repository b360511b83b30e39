"""What states of statements, reasons and ends of disputes and routes of schemes are called, in Chinese and English."""

STATES = {
    "ISSUED": ("已出账，待双方确认", "issued"),
    "DISPUTED": ("有争议", "disputed"),
    "ACKNOWLEDGED": ("双方已确认", "acknowledged"),
    "PAID": ("已支付", "paid"),
}
DISPUTES = {
    "AMOUNT_DIFFERS": ("金额不同", "other money"),
    "USES_DIFFER": ("次数不同", "another number of uses"),
    "COUNTED_TWICE": ("重复计入", "counted twice"),
    "NOT_OURS": ("不属本方", "not of this side"),
    "WRONG_DAY": ("业务日不对", "another business day"),
    "WRONG_SCENARIO": ("场景不对", "another scenario"),
    "OTHER": ("其他", "other"),
}
OUTCOMES = {"OPEN": ("未了结", "open"), "WITHDRAWN": ("撤回", "withdrawn"), "UPHELD": ("成立", "upheld")}
ROUTES = {"BILATERAL": ("双边结算", "bilateral"), "NATIONAL": ("国家平台清算，备查", "national platform, memo")}


def acknowledged_words(side: str, other: str) -> tuple[str, str]:
    """Says which side has acknowledged a statement that the other has not."""
    return f"{side} 已确认，待 {other} 确认", f"acknowledged by {side}, waits for {other}"
