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

JOURNEY_STATES = {
    "OPEN": ("待另一端", "waits for its other tap"),
    "COMPLETED": ("已完成", "completed"),
    "INCOMPLETE": ("不完整", "incomplete"),
    "CLEARED": ("已清分", "cleared"),
    "REJECTED": ("清分拒绝", "refused by clearing"),
    "DISPUTED": ("有争议", "disputed"),
    "UPHELD": ("争议后维持", "upheld"),
    "REFUNDED": ("已退款", "refunded"),
}

JOURNEY_FINDINGS = {
    "ENTRY_WITHOUT_EXIT": "有进无出 an entry whose exit nobody reported",
    "EXIT_WITHOUT_ENTRY": "有出无进 an exit whose entry nobody reported",
    "PASS_BACK": "一分钟内同卡再次进站 a second entry on one card within a minute",
    "DISCOUNT_WITHOUT_JOURNEY": "换乘优惠无行程 a transfer discount of a journey that nobody reported",
    "TRANSFER_WITHOUT_FIRST_LEG": "换乘无首程 a transfer whose first leg nobody reported",
    "TRANSFER_LATE": "超过换乘时限 a transfer after its time",
    "DISCOUNT_BEYOND_FARE": "优惠加实付超过票价 discount and paid fare are more than the full fare",
    "TRIP_NOT_REPORTED": "清分或争议所指行程未上报 the trip that clearing or a dispute names has not been reported",
}

REJECTIONS = {
    "TAC_BAD": ("交易认证码错", "wrong TAC"),
    "DUPLICATE": ("重复", "seen before"),
    "HOTLISTED": ("黑名单卡", "card on the hotlist"),
    "EXPIRED": ("卡已过期", "card expired"),
}

LOAN_STATES = {
    "OUT": ("借出", "out"),
    "RENEWED": ("已续借", "renewed"),
    "RETURNED": ("已还", "returned"),
    "LOST": ("丢失", "lost"),
    "RETURN_UNKNOWN": ("归还未报", "return not reported"),
}
