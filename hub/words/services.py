"""What states, modes and departments of service items and cases are called, Chinese and English."""

ITEM_STATES = {
    "DRAFT": ("拟办", "planned"),
    "LIVE": ("在办", "live"),
    "SUSPENDED": ("暂停", "suspended"),
    "WITHDRAWN": ("停办", "withdrawn"),
    "NOT_YET": ("未办", "not yet"),
    "NOT_KNOWN": ("当日不详", "not known"),
}

MODES = {
    "FULL_ONLINE": ("全程网办", "full online"),
    "COLLECT_FORWARD": ("异地代收代办", "collect and forward"),
    "JOINT": ("多地联办", "joint"),
    "UNSPECIFIED": ("不详", "not known"),
    "MIXED": ("双方不同", "mixed"),
}

# Where it comes from that a side offers an item, or handles it so.
BASES = {
    "UNSPECIFIED": ("不详", "not known"),
    "PUBLISHED": ("公开文字", "a public text"),
    "NATIONAL_LIST": ("国家跨省通办清单", "the national lists"),
    "ASSUMED": ("推定", "assumed"),
    "APPROVED": ("本方复核", "approved by the side"),
    "ARITHMETIC": ("由公布数推算", "arithmetic"),
}

# What published figures count.
MEASURES = {
    "ITEMS": ("事项", "items"),
    "LIVE": ("在办", "live"),
    "FULL_ONLINE": ("全程网办", "full online"),
    "COLLECT_FORWARD": ("代收代办", "collect and forward"),
    "JOINT": ("多地联办", "joint"),
    "PACKAGES": ("一件事", "packages"),
    "EVIDENCE_WAIVED": ("免证办", "evidence waived"),
}

CHANNELS = {
    "ONLINE": ("网上", "online"),
    "MOBILE": ("移动端", "mobile"),
    "SELF_SERVICE": ("自助机", "self-service machine"),
    "WINDOW": ("窗口", "window"),
}

WAIVERS = {
    "SHARED_DATA": ("共享数据", "shared data"),
    "E_LICENCE": ("电子证照", "electronic licence"),
    "COMMITMENT": ("告知承诺", "a declaration"),
}

CASE_FINDINGS = {
    "CASE_ORDER": ("上报次序不合：后一条计入", "reports out of order; the later one counts"),
    "CASE_UNKNOWN_ITEM": ("事项目录中没有该编码", "the catalogue has no such item"),
    "CASE_SIDE_MISMATCH": ("各方或事项与提交时不符", "other sides or another item than submitted"),
}

CASE_STATES = {
    "UNSPECIFIED": ("无有效上报", "no report in force"),
    "SUBMITTED": ("已提交", "submitted"),
    "RECEIVED": ("已收件", "received"),
    "SUPPLEMENT_REQUESTED": ("待补正", "supplement requested"),
    "SUPPLEMENTED": ("已补正", "supplemented"),
    "ACCEPTED": ("已受理", "accepted"),
    "NOT_ACCEPTED": ("不予受理", "not accepted"),
    "TRANSFERRED": ("已转办", "transferred"),
    "DECIDED": ("已办结", "decided"),
    "DELIVERED": ("已送达", "delivered"),
    "RATED": ("已评价", "rated"),
    "WITHDRAWN": ("已撤回", "withdrawn"),
    "CLOSED_NO_RESPONSE": ("逾期未补正终止", "closed without a supplement"),
}

ACTORS = {
    "HANDLING": ("办理方", "handling side"),
    "DECIDING": ("决定方", "deciding side"),
    "APPLICANT": ("申请人", "applicant"),
}

# The departments of the catalogue, which names them in Chinese.
DEPARTMENTS = {
    "交通": "transport",
    "交通海事": "maritime affairs",
    "人社": "human resources and social security",
    "住建": "housing",
    "公安": "public security",
    "公安交管": "traffic police",
    "农业农村": "agriculture",
    "出入境": "exit and entry",
    "医保": "medical insurance",
    "卫健": "health",
    "司法": "justice",
    "市监": "market regulation",
    "政务": "government services",
    "教育": "education",
    "文旅": "culture and tourism",
    "林草": "forestry",
    "残联": "disabled persons' federation",
    "民政": "civil affairs",
    "税务": "taxation",
    "自然资源": "natural resources",
    "药监": "drug administration",
    "退役军人": "veterans",
}
