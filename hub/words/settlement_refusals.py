"""What refusals of statements between the provinces mean in Chinese, by the name of the error."""

SETTLEMENT = {
    "SchemeUnknown": "那一天没有这个结算方案；见 `hub settle schemes`。",
    "WindowNotEnded": "这个业务日的账还没有到切账时刻；次日才切，现在切账请用 `--early`。",
    "WindowAlreadyStated": "这个业务日已出账，结算单不再改变；之后到的计入下一张。",
    "WindowBefore": "到这个业务日结束时还没有任何记录。",
    "StatementUnknown": "没有这张结算单；见 `hub settle list`。",
    "StatementAcknowledgedAlready": "这一方已确认过这张结算单。",
    "StatementDiffers": "所确认的不是这张结算单：摘要不同。",
    "StatementStep": "结算单目前的状态不允许这一步；见 `hub settle show`。",
    "StatementDisputeOpen": "有未了结的争议；请先用 `hub settle resolve` 了结。",
    "StatementNotAcknowledged": "双方都用 `hub settle acknowledge` 确认之后才能支付。",
    "StatementNotPayable": "无需支付：仅备查，或净额为零，或已支付。",
    "StatementNotDisputable": "这一方已确认、或已支付的结算单不再受理争议；更正计入以后的结算单。",
    "StatementLineUnknown": "结算单没有这一行；见 `hub settle show`。",
    "DisputeReasonUnknown": "没有这个争议原因；请用已有的原因代码。",
    "LineDisputedAlready": "这一行已有未了结的争议。",
    "LineNotDisputed": "这一行没有未了结的争议；见 `hub settle show`。",
    "DisputeEndsOtherwise": "提出方用 `--withdrawn` 撤回，对方用 `--upheld` 承认成立。",
    "PaymentDiffers": "支付额不是结算单的净额，或由应收方报告。",
    "StatementChanged": "有人同时改动了这张结算单；请查看后再试。",
}
