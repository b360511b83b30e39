"""The commands of the views that both provinces share: what 川渝通办 asks, and the money between the provinces."""

from hub.commands.audit_list import POLICY
from hub.commands.lazy import Entry

SHARED_VIEWS = (
    Entry(
        "items",
        "hub.commands.items:app",
        POLICY,
        "川渝通办事项目录：查询、检索、可办、比较、变更。The catalogue of service items, on any day.",
    ),
    Entry(
        "cases",
        "hub.commands.cases:app",
        POLICY,
        "川渝通办办件：列表、单个办件、时间线。Cases of both sides: a list, one case, its timeline.",
    ),
    Entry(
        "card-count",
        "hub.commands.card_count:card_count",
        POLICY,
        "清点一省的卡，按登记时的状态。How many cards of a province the hub knows, by the status they were registered with.",
    ),
    Entry(
        "concession",
        "hub.commands.concession:concession",
        POLICY,
        "查询某人在某城市的乘车优待次数；优待属于人，换卡不影响；查看本身入账。A person's units of a city's concession; itself a look.",
    ),
    Entry(
        "group-service",
        "hub.commands.group:group_service",
        POLICY,
        "查询某人是否享有某项群体服务的额外部分；不回答属于何群体；查看本身入账。Whether a person has the extra; itself a look.",
    ),
    Entry(
        "documents",
        "hub.commands.documents:documents",
        POLICY,
        "列出某人卡上的证照与码及其期限；属于人，换卡不影响；查看本身入账。List the documents that cards carry; itself a look.",
    ),
    Entry("journeys", "hub.commands.transit:app", POLICY, "行程：某人的行程、清分拒绝的。Journeys of a person; refused trips."),
    Entry(
        "filings",
        "hub.commands.medical:filings",
        POLICY,
        "列出某人的异地就医备案；备案属于人，换卡不影响；查看本身入账。List a person's medical filings; itself a look.",
    ),
    Entry(
        "settlements",
        "hub.commands.medical:app",
        POLICY,
        "医保结算：结算链、某人的结算。Chains of settlements to the fen; settlements of a person.",
    ),
    Entry(
        "reader",
        "hub.commands.culture:reader",
        POLICY,
        "查看某人作为读者：两省合计的在借、逾期、停借；查看本身入账。Show a person as a reader of both networks; itself a look.",
    ),
    Entry(
        "loans",
        "hub.commands.culture:loans",
        POLICY,
        "列出某人的或一册图书的借阅；按人查看本身入账。List the loans of a person, itself a look, or of an item.",
    ),
    Entry(
        "visits",
        "hub.commands.culture:visits",
        POLICY,
        "列出某人的入园入馆与预约；查看本身入账。List a person's visits and bookings; itself a look.",
    ),
    Entry(
        "coupons",
        "hub.commands.coupons:app",
        POLICY,
        "消费券与积分：一张券、某人的券与积分、出资方应付。Coupons and points.",
    ),
    Entry(
        "settle",
        "hub.commands.settle:app",
        POLICY,
        "两省结算：按业务日出账、确认、争议、支付、复核。Statements between the provinces.",
    ),
    Entry(
        "kpi",
        "hub.commands.kpi:kpi",
        POLICY,
        "指标 K1 至 K20：截至某业务日、按某时刻所知；报告固定后不变。Indicators, and reports that never change.",
    ),
    Entry(
        "meeting",
        "hub.commands.meeting:app",
        POLICY,
        "联席会议报告：固定、列出、成文件、重做核对。Reports for the joint meeting.",
    ),
    Entry(
        "open-data",
        "hub.commands.open_data:app",
        POLICY,
        "开放数据：写出文件夹、核对。Open data: write the folder, check one.",
    ),
    Entry("reconcile", "hub.commands.reconcile:app", POLICY, "对账：三本账比对、差错处理。Reconciliation: three books, and breaks."),
    Entry(
        "funds",
        "hub.commands.funds:app",
        POLICY,
        "资金发放：批次、明细、发前核对、账户改绑。Payments into cards.",
    ),
    Entry("audit", "hub.commands.audit:app", POLICY, "审计：申请、核准、查看、取走。Audits: ask, approve, look, fetch."),
    Entry("erasure", "hub.commands.erasure:app", POLICY, "抹除个人标识：申请、审批、查看。Erasure of identifiers: request, decide, list."),
)
