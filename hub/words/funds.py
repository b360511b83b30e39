"""What states of fund batches and their rows are called, and what their findings mean, in Chinese and English."""

BATCH_STATES = {
    "NOT_REPORTED": ("批次未上报", "batch not reported"),
    "PUBLISHED": ("公示中", "published"),
    "APPROVED": ("已核准", "approved"),
    "SENT": ("已送出", "sent"),
    "ANSWERED": ("已回盘", "answered"),
    "CLOSED": ("已结束", "closed"),
}
ROW_STATES = {
    "WAITING": ("待发放上报", "waits for a payment"),
    "SENT": ("已送出", "sent"),
    "PAID": ("已发放", "paid"),
    "RETURNED": ("退票", "returned"),
    "RESENT": ("已重发", "sent again"),
    "LATE_RETURNED": ("迟到退票", "returned late"),
    "PARTLY_RECOVERED": ("部分追回", "partly recovered"),
    "RECOVERED": ("已追回", "recovered"),
    "PAID_TWICE": ("重复发放", "paid twice"),
    "FINAL_UNPAID": ("最终未发", "finally unpaid"),
}
OUTCOMES = {
    "UNANSWERED": ("未回盘", "not answered"),
    "PAID": ("已发放", "paid"),
    "RETURNED": ("退票", "returned"),
    "LATE_RETURNED": ("迟到退票", "returned late"),
}
FINDINGS = {
    "PAID_TWICE": ("同一行有两笔发放", "two payments of one row"),
    "REPAID_WITHOUT_RETURN": (
        "补发而未见退票：前一笔不再计入",
        "paid again, and nobody reported its return; the payment before counts no more",
    ),
    "AMOUNT_DIFFERS": ("回盘金额与送出不同", "the bank answered for another amount than was sent"),
    "ACCOUNT_DIFFERS": ("回盘账号与送出不同", "the bank answered for another account than was sent"),
    "SENT_DIFFERS": ("同一次送出上报两次且不同：先者计入", "one attempt reported twice, differently; the first one counts"),
    "SENT_WHILE_PAID": ("已发放仍再次送出", "sent again while it is paid"),
    "RETURN_OF_NO_PAYMENT": ("退票的流水号没有对应的发放", "returned under a serial that paid nothing"),
    "RESULT_DIFFERS": ("同一流水号先退票后发放", "one serial returned and paid"),
    "REASON_DIFFERS": ("同一退票两个原因：先者计入", "one return with two reasons; the first one counts"),
    "SERIAL_OF_ANOTHER_ROW": ("另一行或另一批次有同一银行流水号", "another row or batch has the same serial of the bank"),
    "RECOVERED_BEYOND": ("追回超过发放", "more recovered than is paid"),
    "ROW_UNKNOWN": ("批次中没有这一行", "no such row was sent"),
    "RETURN_WITHOUT_SEND": ("批次未送出而有回盘", "answered, and nobody reported the batch as sent"),
    "ROWS_DIFFER": ("行数与申报不符", "rows are not those declared"),
    "TOTAL_DIFFERS": ("合计与申报不符", "the rows do not make the total declared"),
    "PUBLISHED_DIFFERS": ("送出合计与公示不符", "sent for another total than published"),
    "BATCH_DIFFERS": ("同一步上报两次且不同：后者计入", "one step reported twice, differently; the last one counts"),
    "NOTICE_TOO_SHORT": ("公示不足七个工作日", "published for less than seven working days"),
    "APPROVED_BEFORE_PUBLISHED": ("未公示即核准", "approved before it was published"),
    "SENT_BEFORE_APPROVED": ("未核准即送出", "sent before it was approved"),
    "CLOSED_BEFORE_SENT": ("未送出即结束", "closed before it was sent"),
    "CLOSED_UNANSWERED": ("结束时仍有未回盘", "closed with rows that the bank has not answered"),
    "CLOSED_PAID_DIFFERS": ("结束时已发金额不符", "closed for another amount than is paid"),
    "CLOSED_RETURNED_DIFFERS": ("结束时退票金额不符", "closed for another amount than came back"),
}
