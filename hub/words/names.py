"""What views, groups of scenarios, states of losses, ways to sign in and parts of a status are called, Chinese and English."""

VIEWS = {
    "card_standing": ("卡状态", "card standing"),
    "card_alias": ("卡别名", "card aliases"),
    "holder_cards": ("持卡人的卡", "cards of holders"),
    "agreement_history": ("约定", "agreements"),
    "holder_record": ("持卡人记录", "record of holders"),
    "institution": ("医疗机构", "medical institutions"),
    "code_shown_again": ("电子码重复出示", "codes shown twice"),
    "claim_tally": ("申报与记录不一致", "claims and records"),
    "item_changes": ("事项变更", "changes of service items"),
    "register": ("登记簿", "registers"),
    "concession": ("优待次数", "concession units"),
    "feed_progress": ("数据流进度", "feed progress"),
    "daily_usage": ("每日用卡", "daily usage"),
    "loss": ("挂失协同", "losses"),
    "card_findings": ("矛盾记录", "card findings"),
    "person_cards": ("一人多卡", "cards of persons"),
    "quarantine": ("隔离", "quarantine"),
    "joint_case": ("办件", "cases"),
    "medical_filing": ("异地就医备案", "medical filings"),
    "medical_settlement": ("医保结算", "medical settlements"),
    "library_loan": ("图书借阅", "loans"),
    "coupon": ("消费券", "coupons"),
    "points": ("积分", "points"),
    "venue_visit": ("入园入馆", "visits"),
    "fund_row": ("发放明细", "rows of payments"),
    "fund_batch": ("发放批次", "batches of payments"),
    "fund_serial": ("银行流水号", "serials of banks"),
    "fund_account": ("账户改绑", "accounts that gave way"),
    "metro_entry": ("轨道进站", "entries at gates of the metro"),
    "refused_trip": ("清分拒绝的行程", "trips that clearing refused"),
    "decision_tally": ("答复计数", "decision tally"),
    "card_answers": ("卡的答复", "answers about cards"),
    "card_index": ("卡索引", "card index"),
    "use_step": ("用卡步骤", "steps of uses"),
    "raised_finding": ("提出的异常用卡", "findings that were raised"),
    "indicator": ("指标计数", "what indicators count"),
    "indicator_answers": ("指标答复计数", "answers that indicators count"),
    "indicator_tap": ("无答复的刷卡", "taps without an answer"),
    "process.loss": ("挂失流程", "loss process"),
    "process.findings": ("异常用卡流程", "findings process"),
}

# What commands announce as their work while it goes on.
WORK = {
    "export": ("导出日志", "export of the journal"),
    "verify": ("核对导出", "verification of an export"),
    "rebuild": ("重建视图", "rebuild of a view"),
    "fsck": ("日志体检", "check of the journal"),
    "backup": ("备份", "backup"),
    "replay": ("重放", "replay"),
}

GROUPS = {
    "MED": ("就医购药", "medical"),
    "TRA": ("交通出行", "transit"),
    "CUL": ("文化体验", "culture"),
    "TOU": ("旅游住宿", "tourism"),
    "GOV": ("政务服务", "government"),
    "HR": ("人社业务", "employment, insurance"),
    "FND": ("资金发放", "payments"),
    "CON": ("消费", "consumption"),
    "CARD": ("卡业务", "card services"),
    "": ("未注明场景", "no scenario given"),
}

AGREEMENTS = {
    "DRAFT": ("草案", "draft"),
    "SIGNED": ("待生效", "signed"),
    "ACTIVE": ("生效", "in force"),
    "SUSPENDED": ("中止", "suspended"),
    "ENDED": ("终止", "ended"),
}

QUARANTINE = {
    "OPEN": ("待处理", "open"),
    "FAILING": ("仍不合规", "still failing"),
    "RELEASED": ("已放行", "released"),
    "CORRECTED": ("本省已更正", "corrected by its province"),
}

# What a participant may be, by the names of the table of roles.
PARTICIPANT_ROLES = {
    "ISSUER": ("发卡机构", "card issuer"),
    "SERVICE_POINT": ("用卡场所", "service point"),
    "SERVICE_WINDOW": ("经办窗口", "service window"),
    "BANK": ("合作银行", "bank"),
    "FUND_PAYER": ("资金发放平台", "fund payer"),
    "TRANSIT_OPERATOR": ("交通一卡通运营方", "transit operator"),
    "ECARD_PLATFORM": ("电子社保卡平台", "e-card platform"),
    "MEDICAL_INSURER": ("医保经办机构", "medical insurer"),
    "CLEARING": ("清分对账方", "clearing"),
    "READER": ("订阅方", "reader"),
}

PROVINCES = {"50": ("重庆", "Chongqing"), "51": ("四川", "Sichuan")}

PURPOSES = {
    "COMPLAINT": ("投诉核查", "complaint"),
    "HOLDER_ASKS": ("本人询问", "the holder asks"),
    "AUDIT": ("审计", "audit"),
    "FAULT": ("故障排查", "fault"),
    "DISPUTE": ("两地争议", "dispute between sides"),
    "INVESTIGATION": ("异常核查", "review of a finding"),
}

SHOWN = {
    "LIVES": ("五种状态", "five lives"),
    "USABILITY": ("可用范围", "usability"),
    "NOTHING": ("无记录", "nothing"),
    "EXPLANATION": ("答复解释", "explanation"),
    "DECISIONS": ("答复列表", "decisions"),
    "QUARANTINED": ("隔离原文", "quarantined event"),
    "FINDINGS": ("发现", "findings"),
    "LOANS": ("借阅", "loans"),
    "VISITS": ("入园入馆", "visits"),
    "JOURNEYS": ("行程", "journeys"),
    "GROUP_SERVICE": ("群体服务", "a group's service"),
    "COUPONS": ("消费券与积分", "coupons and points"),
    "DOCUMENTS": ("卡上证照", "documents that cards carry"),
    "PERSON": ("某人的全部记录", "all of a person"),
    "LOOKS": ("查看记录", "looks"),
    "FILINGS": ("备案", "filings"),
    "MEDICAL_USES": ("就医用卡", "medical uses"),
    "UNITS": ("优待次数", "concession units"),
}

KEPT_FOR = {
    "refused": ("被拒绝", "refused"),
    "quarantined": ("有隔离", "quarantined"),
    "parked": ("有搁置", "parked"),
    "slow": ("慢", "slow"),
    "audit": ("审计", "audit"),
    "sampled": ("抽样", "sampled"),
}

WAYS = {
    "LINK": ("一次性链接", "one-time link"),
    "PASSWORD": ("密码与验证码", "password and code"),
    "PROVIDER": ("统一身份认证", "provider of identities"),
}

# What a card carries beside itself.
CARD_DOCUMENTS = {
    "DISABILITY_CERTIFICATE": ("残疾人证", "disability certificate"),
    "WORK_PERMIT": ("外国人工作许可证", "work permit"),
    "YUKUAI_CODE": ("渝快码", "Yukuai code"),
    "TALENT_CODE": ("人才码", "talent code"),
}

BINDINGS = {
    "UNSPECIFIED": ("未报", "not reported"),
    "NONE": ("未绑定", "none"),
    "ELDER_CARD": ("敬老卡", "senior card"),
    "SOCIAL_CARD": ("社保卡", "social card"),
    "YUKUAI_CODE": ("渝快码", "Yukuai code"),
}

LOSS_TYPES = {"TEMPORARY": ("临时挂失", "temporary"), "FORMAL": ("正式挂失", "formal")}

LOSSES = {
    "OPEN": ("待发卡地确认", "waits for the issuer"),
    "CONFIRMED": ("已确认", "confirmed"),
    "REFUSED": ("未予确认", "refused"),
    "EXPIRED": ("逾期未确认", "ran out"),
    "WITHDRAWN": ("已撤回", "withdrawn"),
}
