"""What states, findings and parts of the money of filings, settlements, loans and visits are called, Chinese and English."""

FILING_KINDS = {
    "RETIREE_RESETTLED": ("异地安置退休", "retired and resettled"),
    "LONG_TERM_RESIDENT": ("长期居住", "long-term resident"),
    "STATIONED_WORKER": ("常驻异地工作", "stationed worker"),
    "REFERRAL": ("异地转诊", "referral"),
    "TEMPORARY_TRAVEL": ("临时外出", "temporary travel"),
}

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
    "ENTRY_WITHOUT_EXIT": ("有进无出", "an entry whose exit nobody reported"),
    "EXIT_WITHOUT_ENTRY": ("有出无进", "an exit whose entry nobody reported"),
    "PASS_BACK": ("一分钟内同卡再次进站", "a second entry on one card within a minute"),
    "DISCOUNT_WITHOUT_JOURNEY": ("换乘优惠无行程", "a transfer discount of a journey that nobody reported"),
    "TRANSFER_WITHOUT_FIRST_LEG": ("换乘无首程", "a transfer whose first leg nobody reported"),
    "TRANSFER_LATE": ("超过换乘时限", "a transfer after its time"),
    "DISCOUNT_BEYOND_FARE": ("优惠加实付超过票价", "discount and paid fare are more than the full fare"),
    "REFUND_NOT_REPORTED": ("争议应退款而退款未报", "a fare that was to be given back after a dispute, and nobody reported it"),
    "TRIP_NOT_REPORTED": ("清分或争议所指行程未上报", "the trip that clearing or a dispute names has not been reported"),
}

TRIP_DISPUTE_OUTCOMES = {
    "UPHELD": ("争议后维持", "upheld after the dispute"),
    "REFUNDED": ("争议后应退款", "to be refunded after the dispute"),
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

VISIT_STATES = {
    "ENTERED": ("已入", "entered"),
    "LEFT": ("已离", "left"),
    "ENTRY_UNKNOWN": ("未见入", "entry not reported"),
}

BOOKING_STATES = {
    "MADE": ("已预约", "made"),
    "USED": ("已使用", "used"),
    "CANCELLED": ("已取消", "cancelled"),
    "MISSED": ("未到", "missed"),
}

MEDICAL_FINDINGS = {
    "FILING_ORDER": ("撤销或到期早于登记", "ended before it was registered"),
    "FILING_DIFFERS": ("同一编号两次登记不同：后者计入", "registered twice, differently; the later one counts"),
    "FILING_PERIOD": ("截止日早于起始日", "its last day is before its first"),
    "FILING_OTHER_PERSON": ("两次上报的证件号不同", "reports name different persons"),
    "FILING_NOT_REGISTERED": ("有撤销或到期，无登记", "an end was reported, and no registration"),
    "REFUND_WITHOUT_SETTLEMENT": ("退费无原结算", "a refund of a settlement that nobody has reported"),
    "REFUND_BEYOND_SETTLEMENT": ("退费超过原结算", "more is given back than was settled, of a part"),
    "REFUND_BEFORE_SETTLEMENT": ("退费早于结算", "a refund dated before the settlement"),
    "REFUND_OTHER_PERSON": ("退费与结算不是同一人", "the refund names another person"),
    "SETTLEMENT_DIFFERS": ("同一结算两次上报不同：后者计入", "reported twice, differently; the later one counts"),
    "VISIT_SETTLED_TWICE": ("同一就诊两笔相同结算均未退费", "two settlements of a visit with the same money, neither given back"),
}

MONEY_PARTS = {
    "total_fen": ("总费用", "total"),
    "fund_total_fen": ("基金", "fund"),
    "personal_account_fen": ("个人账户", "account"),
    "family_account_fen": ("家庭共济", "family account"),
    "cash_fen": ("现金", "cash"),
    "hospital_share_fen": ("医院承担", "hospital"),
}

CULTURE_FINDINGS = {
    "ITEM_LENT_TWICE": ("未还又借出", "lent while it was out"),
    "ITEM_RETURNED_TWICE": ("两次归还", "returned at two libraries, or on two days"),
    "RENEWAL_WITHOUT_LOAN": ("续借无借出", "a renewal of a loan that nobody has reported"),
    "RETURN_WITHOUT_LOAN": ("归还无借出", "a return of a loan that nobody has reported"),
    "CROSS_RETURN_FLAG": ("通还标志与馆不符", "the flag does not fit the branches"),
    "EXIT_WITHOUT_ENTRY": ("有离无入", "an exit without an entry"),
    "ENTRY_ON_CANCELLED_BOOKING": ("预约已取消仍入", "entered on a cancelled booking"),
    "CANCELLATION_WITHOUT_BOOKING": ("取消无预约", "a cancellation of a booking that nobody has reported"),
}

COUPON_STATES = {
    "OPEN": ("可用", "may be redeemed"),
    "REDEEMED": ("已核销", "redeemed"),
    "EXPIRED": ("已过期", "expired"),
    "GRANT_UNKNOWN": ("未见发放", "its grant was not reported"),
}

# By the fields of what a funder's coupons come to.
FUNDING = {
    "granted": ("发放", "granted"),
    "redeemed_in_chongqing": ("在重庆核销", "redeemed in Chongqing"),
    "redeemed_in_sichuan": ("在四川核销", "redeemed in Sichuan"),
    "expired": ("过期", "expired"),
    "open": ("可用", "may be redeemed"),
}

COUPON_FINDINGS = {
    "REDEEMED_TWICE": ("重复核销：先一次计入", "redeemed again while it is used up; the first redemption counts"),
    "REDEEMED_WITHOUT_GRANT": ("核销无发放", "a redemption of a coupon whose grant nobody has reported"),
    "REDEEMED_BEFORE_GRANT": ("核销早于发放", "redeemed before it was granted"),
    "REDEEMED_AFTER_EXPIRY": ("过期后核销：计入", "redeemed after it had expired; it counts"),
    "USED_BEYOND_FACE": ("核销超过面额：出资方只付面额", "more was taken off than its face value, which is what the funder owes"),
    "EXPIRED_AFTER_REDEMPTION": ("已核销又报过期", "reported as expired after it was redeemed"),
    "RETURN_WITHOUT_REDEMPTION": ("退回无核销", "given back, and nobody has reported that it was redeemed"),
    "RETURNED_BEYOND": ("退回超过核销", "more was given back than was taken off"),
    "GRANT_DIFFERS": ("两次发放不同：先一次计入", "granted twice, differently; the first grant counts"),
    "SPENT_BEYOND": ("使用超过余额", "more points were spent than there were"),
    "ADJUSTED_BEYOND": ("调减超过余额", "more points were taken off than there were"),
}


def yuan(fen: int) -> str:
    """Writes an amount in yuan with two decimals."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02}"
