"""The pages: address, view, names, and which roles see it. One table, so that a test can walk it cell by cell."""

from collections.abc import Callable
from typing import NamedTuple

from hub.admin.accounts.roles import ADMINISTRATOR, AUDITOR, OPERATOR, POLICY, STAFF
from hub.console.page import File, Moved, Page, Shown
from hub.console.pages import (
    accounts,
    audit_forms,
    audits,
    breaks,
    cards,
    cases,
    coupons,
    culture,
    decisions,
    documents,
    events,
    feeds,
    find,
    findings,
    flows,
    funds,
    health,
    indicators,
    items,
    jobs,
    journeys,
    known,
    log,
    looks,
    losses,
    me,
    medical,
    meeting,
    overview,
    participants,
    quarantine,
    rules,
    statements,
    terms,
    traces,
    units,
    views,
)

View = Callable[[Page], Shown | Moved | File]
EVERYBODY = frozenset({ADMINISTRATOR, OPERATOR, AUDITOR, POLICY})
WORKING = frozenset({OPERATOR, AUDITOR})
READING = frozenset({AUDITOR, POLICY})
INFORMED = frozenset({OPERATOR, AUDITOR, POLICY})
OF_A_PROVINCE = frozenset({STAFF})
AUDITING = frozenset({AUDITOR, POLICY, ADMINISTRATOR})


class Entry(NamedTuple):
    """A page: *group* is the part of the menu it belongs to, *is_menu* whether the menu leads to it; *method* POST changes something.

    What refreshes itself is made once for all who may see the same, unless it *is_own*: then it has forms, or says who looks.
    """

    path: str
    view: View
    group: str
    roles: frozenset[str]
    method: str = "GET"
    is_menu: bool = False
    is_own: bool = False


GROUPS = {
    "overview": ("总览", "Overview"),
    "feeds": ("数据流", "Feeds"),
    "cards": ("卡与答复", "Cards and answers"),
    "terms": ("约定与规则", "Agreements and rules"),
    "services": ("川渝通办", "Joint services"),
    "audit": ("审计", "Audit"),
    "system": ("系统", "System"),
}

ENTRIES = (
    Entry("/", overview.overview, "overview", EVERYBODY, is_menu=True),
    Entry("/feeds", feeds.feeds, "feeds", EVERYBODY | OF_A_PROVINCE, is_menu=True),
    Entry("/feeds/{feed}", feeds.feed, "feeds", EVERYBODY | OF_A_PROVINCE),
    Entry("/feeds/{feed}/{sequence}", events.event_of_feed, "feeds", WORKING | OF_A_PROVINCE),
    Entry("/journal/{position}", events.event, "feeds", WORKING | OF_A_PROVINCE),
    Entry("/journal/{position}/proof", log.proof, "feeds", WORKING),
    Entry("/participants", participants.participants, "feeds", EVERYBODY, is_menu=True),
    Entry("/participants/{name}", participants.participant, "feeds", EVERYBODY),
    Entry("/quarantine", quarantine.quarantine, "feeds", WORKING | OF_A_PROVINCE, is_menu=True),
    Entry("/quarantine/{position}", quarantine.quarantined, "feeds", WORKING | OF_A_PROVINCE),
    Entry("/quarantine/{position}/evaluate", quarantine.evaluate, "feeds", frozenset({OPERATOR}), "POST"),
    Entry("/find", find.form, "cards", INFORMED | OF_A_PROVINCE),
    Entry("/find", find.find, "cards", INFORMED | OF_A_PROVINCE, "POST"),
    Entry("/purpose", find.purpose, "cards", READING | WORKING | OF_A_PROVINCE, "POST"),
    Entry("/decisions", decisions.decisions, "cards", INFORMED | OF_A_PROVINCE, is_menu=True),
    Entry("/decisions/{position}", decisions.decision, "cards", READING | OF_A_PROVINCE),
    Entry("/decisions/{position}/bundle", log.bundle, "cards", frozenset({AUDITOR}), "POST"),
    Entry("/cards/{handle}", cards.card, "cards", frozenset({AUDITOR}) | OF_A_PROVINCE),
    Entry("/cards/{handle}/units", units.units, "cards", frozenset({AUDITOR}) | OF_A_PROVINCE),
    Entry("/cards/{handle}/medical", medical.uses, "cards", frozenset({AUDITOR}) | OF_A_PROVINCE),
    Entry("/cards/{handle}/journeys", journeys.journeys, "cards", frozenset({AUDITOR}) | OF_A_PROVINCE),
    Entry("/cards/{handle}/documents", documents.documents, "cards", frozenset({AUDITOR}) | OF_A_PROVINCE),
    Entry("/cards/{handle}/coupons", coupons.coupons, "cards", frozenset({AUDITOR}) | OF_A_PROVINCE),
    Entry("/cards/{handle}/culture", culture.culture, "cards", frozenset({AUDITOR}) | OF_A_PROVINCE),
    Entry("/known", known.known, "overview", INFORMED, is_menu=True),
    Entry("/flows", flows.flows, "overview", INFORMED, is_menu=True),
    Entry("/regions/{region}", flows.region, "overview", INFORMED),
    Entry("/losses", losses.losses, "cards", WORKING | OF_A_PROVINCE, is_menu=True),
    Entry("/hotlist", losses.hotlist, "cards", INFORMED, is_menu=True),
    Entry("/terms", terms.terms, "terms", INFORMED, is_menu=True),
    Entry("/terms/{code:path}", terms.agreement, "terms", INFORMED),
    Entry("/rules", rules.rules, "terms", INFORMED, is_menu=True),
    Entry("/reference", rules.reference_tables, "terms", INFORMED, is_menu=True),
    Entry("/reference/{table}", rules.reference_table, "terms", INFORMED),
    Entry("/indicators", indicators.indicators, "services", INFORMED, is_menu=True),
    Entry("/indicators/{indicator}", indicators.indicator, "services", INFORMED),
    Entry("/indicators/reports/{report}", indicators.frozen, "services", INFORMED),
    Entry("/items", items.items, "services", INFORMED, is_menu=True),
    Entry("/items/{item}", items.one_item, "services", INFORMED),
    Entry("/cases", cases.cases, "services", WORKING | OF_A_PROVINCE, is_menu=True),
    Entry("/cases/{side}/{case_no}", cases.one_case, "services", WORKING | OF_A_PROVINCE),
    Entry("/medical", medical.chain, "services", frozenset({AUDITOR}) | OF_A_PROVINCE, is_menu=True),
    Entry("/statements", statements.statements, "services", INFORMED | OF_A_PROVINCE, is_menu=True),
    Entry("/statements/{statement}", statements.statement, "services", INFORMED | OF_A_PROVINCE),
    Entry("/statements/{statement}/{row}", statements.line, "services", WORKING | OF_A_PROVINCE),
    Entry("/funds", funds.batches, "services", INFORMED | OF_A_PROVINCE, is_menu=True),
    Entry("/funds/{side}/{batch_no:path}", funds.batch, "services", WORKING | OF_A_PROVINCE),
    Entry("/breaks", breaks.breaks, "services", INFORMED | OF_A_PROVINCE, is_menu=True),
    Entry("/breaks/{broken}", breaks.one_break, "services", INFORMED | OF_A_PROVINCE),
    Entry("/meeting", meeting.reports, "services", INFORMED, is_menu=True),
    Entry("/meeting/{report}", meeting.one_report, "services", INFORMED),
    Entry("/meeting/{report}/{file}", meeting.file, "services", INFORMED),
    Entry("/findings", findings.findings, "services", INFORMED | OF_A_PROVINCE, is_menu=True),
    Entry("/findings/{finding}", findings.finding, "services", findings.SEEING),
    Entry("/findings/{finding}/decide", findings.decide, "services", findings.DECIDING, "POST"),
    Entry("/audit/requests", audits.audits, "audit", AUDITING, is_menu=True),
    Entry("/audit/requests/ask", audit_forms.form, "audit", audits.ASKING),
    Entry("/audit/requests/ask", audit_forms.ask, "audit", audits.ASKING, "POST"),
    Entry("/audit/requests/{audit}", audits.audit, "audit", AUDITING, is_own=True),
    Entry("/audit/requests/{audit}/decide", audits.decide, "audit", audits.DECIDING, "POST"),
    Entry("/audit/requests/{audit}/cancel", audits.cancel, "audit", AUDITING, "POST"),
    Entry("/audit/requests/{audit}/outcome", audits.outcome, "audit", audits.SEEING),
    Entry("/audit/requests/{audit}/files", audits.file, "audit", audits.SEEING, "POST"),
    Entry("/audit/requests/{audit}/bundle", audits.bundle, "audit", audits.SEEING, "POST"),
    Entry("/audit/looks", looks.looks, "audit", frozenset({AUDITOR}), is_menu=True),
    Entry("/audit/health", health.health, "audit", INFORMED, is_menu=True),
    Entry("/audit/log", log.log, "audit", INFORMED, is_menu=True),
    Entry("/audit/log/checkpoint", log.checkpoint, "audit", INFORMED),
    Entry("/audit/log/verify", log.verifier, "audit", INFORMED),
    Entry("/views", views.views, "system", EVERYBODY, is_menu=True),
    Entry("/jobs", jobs.jobs, "system", EVERYBODY, is_menu=True),
    Entry("/parked", views.parked, "system", WORKING, is_menu=True),
    Entry("/traces", traces.traces, "system", WORKING, is_menu=True),
    Entry("/traces/{trace}", traces.trace, "system", WORKING),
    Entry("/me", me.me, "system", EVERYBODY | OF_A_PROVINCE),
    Entry("/admin/users", accounts.users, "system", frozenset({ADMINISTRATOR}), is_menu=True),
    Entry("/admin/users", accounts.put, "system", frozenset({ADMINISTRATOR}), "POST"),
    Entry("/admin/users/{name}/link", accounts.link, "system", frozenset({ADMINISTRATOR}), "POST"),
    Entry("/admin/users/{name}/end", accounts.end, "system", frozenset({ADMINISTRATOR}), "POST"),
    Entry("/me/recovery", me.recovery, "system", EVERYBODY | OF_A_PROVINCE, "POST"),
    Entry("/sign-out", me.sign_out, "system", EVERYBODY | OF_A_PROVINCE, "POST"),
    Entry("/sign-out-everywhere", me.sign_out_everywhere, "system", EVERYBODY | OF_A_PROVINCE, "POST"),
)
NAMES = {
    "/": ("总览", "Overview"),
    "/flows": ("用卡流向", "Uses by place"),
    "/feeds": ("数据流", "Feeds"),
    "/participants": ("参与方", "Participants"),
    "/quarantine": ("隔离", "Quarantine"),
    "/decisions": ("互认答复", "Decisions"),
    "/losses": ("挂失协同", "Losses"),
    "/hotlist": ("挂失名单", "Hotlist"),
    "/terms": ("约定", "Agreements"),
    "/rules": ("规则", "Rules"),
    "/reference": ("参照表", "Reference tables"),
    "/indicators": ("指标", "Indicators"),
    "/items": ("事项", "Service items"),
    "/cases": ("办件", "Cases"),
    "/medical": ("医保结算", "Medical settlements"),
    "/statements": ("结算单", "Statements"),
    "/funds": ("资金发放", "Funds"),
    "/breaks": ("差错", "Breaks"),
    "/meeting": ("会议报告", "Meeting reports"),
    "/findings": ("异常用卡", "Findings"),
    "/audit/requests": ("审计申请", "Audits"),
    "/audit/looks": ("查看记录", "Looks"),
    "/known": ("回看", "Looking back"),
    "/audit/health": ("日志体检", "Journal health"),
    "/audit/log": ("可验证日志", "Verifiable log"),
    "/views": ("视图", "Views"),
    "/jobs": ("作业", "Jobs"),
    "/parked": ("搁置", "Parked"),
    "/traces": ("链路", "Traces"),
    "/admin/users": ("用户", "Users"),
}
