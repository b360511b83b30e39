"""What states of statements, ends of disputes and routes of schemes are called, in Chinese and English."""

STATES = {
    "ISSUED": ("已出账，待双方确认", "issued"),
    "DISPUTED": ("有争议", "disputed"),
    "ACKNOWLEDGED": ("双方已确认", "acknowledged"),
    "PAID": ("已支付", "paid"),
}
OUTCOMES = {"OPEN": ("未了结", "open"), "WITHDRAWN": ("撤回", "withdrawn"), "UPHELD": ("成立", "upheld")}
ROUTES = {"BILATERAL": ("双边结算", "bilateral"), "NATIONAL": ("国家平台清算，备查", "national platform, memo")}


def acknowledged_words(side: str, other: str) -> tuple[str, str]:
    """Says which side has acknowledged a statement that the other has not."""
    return f"{side} 已确认，待 {other} 确认", f"acknowledged by {side}, waits for {other}"
