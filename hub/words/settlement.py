"""What states of statements and routes of schemes are called, in Chinese and English."""

STATES = {
    "ISSUED": ("已出账，待双方确认", "issued"),
    "DISPUTED": ("有争议", "disputed"),
    "ACKNOWLEDGED": ("双方已确认", "acknowledged"),
    "PAID": ("已支付", "paid"),
}
ROUTES = {"BILATERAL": ("双边结算", "bilateral"), "NATIONAL": ("国家平台清算，备查", "national platform, memo")}
