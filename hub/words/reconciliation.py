"""What states of comparisons, and classes, states, causes, reasons and cells of breaks are called, in Chinese and English."""

NO_SCENARIO = "未注明场景 no scenario named"
WHOLE_DAY = "全日 the day"

COMPARISONS = {
    "MISSING": ("未报总数", "no totals"),
    "WAITING": ("等数据到齐", "waiting for the feed"),
    "LAGGING": ("等枢纽计入", "waiting for the hub's own count"),
    "COMPARED": ("已比对", "compared"),
}
CLASSES = {
    "LONG": ("长款（枢纽有、对方无）", "surplus: the hub alone has it"),
    "SHORT": ("短款（对方有、枢纽无）", "shortage: the side alone has it"),
    "AMOUNT": ("金额不符", "amounts differ"),
    "STATUS": ("状态或内容不符", "status or content differs"),
    "DUPLICATE": ("重复", "counted twice"),
    "LATE": ("迟到", "late"),
    "MISSING_TOTALS": ("未按时报总数", "no totals in time"),
}
STATES = {
    "OPEN": ("待处理", "open"),
    "ASSIGNED": ("已分派", "assigned"),
    "EXPLAINED": ("已说明", "explained"),
    "CLOSED": ("已了结", "closed"),
    "REOPENED": ("重新打开", "reopened"),
}
CAUSES = {
    "TIMING": ("时间差，已到齐", "timing"),
    "CORRECTED": ("已更正", "corrected"),
    "WRITTEN_OFF": ("核销", "written off"),
    "ACCEPTED": ("接受", "accepted"),
}
# What a side says that a break comes of, beside what the record shows.
EXPLAINED = {
    "ENTERED_WRONG": ("总数填错", "entered wrong in the totals"),
    "NOT_SENT": ("本方没有报送", "this side did not send it"),
    "SENT_LATE": ("本方报送晚了", "this side sent it late"),
    "SENT_TWICE": ("本方重复报送", "this side sent it twice"),
    "NOT_REVERSED": ("本方没有报冲正", "this side did not send the reversal"),
    "OTHER_DAY": ("本方记在另一业务日", "in another business day of this side's book"),
    "OTHER_CELL": ("本方记在另一单元", "in another cell of this side's book"),
    "ROUNDED": ("本方取整", "this side rounded"),
    "TEST_CARD": ("测试卡", "a test card"),
    "OTHER": ("其他", "other"),
}
REASONS = {
    "NO_TOTALS": ("没有报送总数", "no totals were reported"),
    "FEED_BEHIND": ("总数所报的序号还没有到", "the feed has not come as far as the totals say"),
    "RECORDED_LATER": ("总数取数以后才记录", "recorded after the totals were taken"),
    "OTHER_SIDE_ALONE": ("只有对方报过", "the other side alone reported it"),
    "NOT_IN_TOTALS": ("这一方报过，但不在其总数里", "the side reported it and has not in its totals"),
    "COUNTED_TWICE": ("重发的一笔被算了两次", "what was sent twice is counted twice"),
    "QUARANTINED": ("有这一方的使用在隔离中", "uses of the side are in quarantine"),
    "NOT_REPORTED": ("枢纽没有收到", "the hub never got it"),
    "REPORTED_DIFFERENTLY": ("同一笔报过两种金额", "one use was reported with two amounts"),
    "AMOUNT_DIFFERS": ("笔数相同、金额不同", "the same count with other money"),
    "CONTENT_DIFFERS": ("总额相等、内容不同（哈希总数）", "equal sums of other uses, by the hash total"),
    "REVERSALS_DIFFER": ("冲正笔数不同", "another number of reversals"),
}


def cell_words(issuer: str, region: str, scenario: str) -> str:
    """Returns a cell, or the whole day where no province is named."""
    return f"{issuer} {region} {scenario or NO_SCENARIO}" if issuer else WHOLE_DAY
