"""What states of filings, settlements and loans are called, Chinese and English."""

FILING_STATES = {
    "NOT_YET": ("未生效", "not yet"),
    "ACTIVE": ("有效", "in force"),
    "EXPIRED": ("已到期", "ran out"),
    "CANCELLED": ("已撤销", "cancelled"),
    "NOT_REGISTERED": ("未见登记", "not registered"),
}

SETTLEMENT_STATES = {
    "COMPLETED": ("已结算", "settled"),
    "PARTLY_REVERSED": ("部分退费", "partly refunded"),
    "REVERSED": ("已退费", "refunded"),
    "WAITING": ("待结算上报", "waits for the settlement"),
}

LOAN_STATES = {
    "OUT": ("借出", "out"),
    "RENEWED": ("已续借", "renewed"),
    "RETURNED": ("已还", "returned"),
    "LOST": ("丢失", "lost"),
    "RETURN_UNKNOWN": ("归还未报", "return not reported"),
}
