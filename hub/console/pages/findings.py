"""The desk of findings: those that rules raised, one with its evidence and steps, what people decide; rules with false positives."""

from datetime import UTC, datetime

from chuanyu.exchange.v1 import findings_pb2 as protos

from hub.admin.accounts.roles import AUDITOR, STAFF
from hub.console.drawing.evidence import Point, evidence
from hub.console.page import CONSOLE, InputUnfit, Moved, Page, Shown
from hub.console.tables import Cell, Column, Table, table
from hub.domain.instants import MINUTE_US, SECOND_US
from hub.domain.looks import Shown as ShownRecord
from hub.domain.unusual_use.finding import CLEARED, CLEARED_FOR, CONFIRMED, CONFIRMED_FOR, DETECTED, STALE, UNDER_REVIEW, Said, match_no
from hub.domain.unusual_use.rule_book import rules as all_rules
from hub.findings.desk import opened
from hub.findings.reading import find, rule_versions
from hub.findings.shown import Evidence, Whole, whole
from hub.journal.reader import head_position
from hub.projections.views.raised_findings import Listed, Tally, Wanted, listed, tallies
from hub.words.findings import EVIDENCE_GONE, REASONS, STATES
from hub.words.further_kinds import kind_words

MOST = 200
# Who sees evidence looks at somebody; who decides is of a province that it concerns. An auditor reads, and the hub's operators do neither.
SEEING, DECIDING = frozenset({AUDITOR, STAFF}), frozenset({STAFF})
_MARKS = {DETECTED: "attention", UNDER_REVIEW: "attention", CONFIRMED: "fault", CLEARED: "fine", STALE: ""}
_STEPS = {"review": protos.FINDING_STEP_REVIEW, "confirm": protos.FINDING_STEP_CONFIRM, "clear": protos.FINDING_STEP_CLEAR}


def findings(page: Page) -> Shown:
    """Lists findings, those that changed last first; ?state= and ?rule= choose some. Nobody is named here."""
    state, rule = page.query.get("state", ""), page.query.get("rule", "")
    if (state and state not in STATES) or (rule and rule not in all_rules()):
        raise InputUnfit
    seen = (page.province,) if page.province else page.account.provinces
    with page.reading() as connection:
        head = head_position(connection)
        found = listed(connection, Wanted(state, rule, seen, page.whole("before"), MOST))
        in_force, counted = rule_versions(connection), tallies(connection, seen)
    columns = (
        Column("finding", "编号", "Code", "code"),
        Column("rule", "规则", "Rule"),
        Column("day", "日", "Day", "time"),
        Column("events", "证据", "Events", "number"),
        Column("measured", "测得", "Measured"),
        Column("provinces", "涉及", "Concerns"),
        Column("state", "状态", "State"),
    )
    more = found[-1].position if len(found) == MOST else 0
    values = {
        "chosen": {"state": state, "rule": rule},
        "states": [(code, page.words.of(STATES, code)) for code in STATES],
        "rules": [(code, page.t(*one.name)) for code, one in all_rules().items()],
        "more": page.link("/findings", state=state, rule=rule, before=more) if more else "",
        "total": len(found),
    }
    rules = _rules(page, {code: some[-1].number for code, some in in_force.items()}, counted)
    return Shown(
        "findings", page.t("异常用卡", "Findings"), values, (table("findings", columns, [_row(page, one) for one in found]), rules), head
    )


def _row(page: Page, one: Listed) -> tuple[Cell | str | int, ...]:
    rule = all_rules()[one.rule_code]
    may_open = page.account.has(*SEEING)
    return (
        Cell(one.code, f"/findings/{one.code}" if may_open else ""),
        Cell(page.t(*rule.name), code=f"{one.rule_code} v{one.rule_version}"),
        one.day,
        one.evidence_count,
        f"{one.measured:,} {rule.unit}",
        "、".join(map(page.of_province, one.provinces.split())) or page.t("枢纽", "the hub"),
        _state(page, one),
    )


def _state(page: Page, one: Listed) -> Cell:
    reason = f"：{page.words.of(REASONS, one.reason_code)}" if one.reason_code else ""
    return Cell(page.words.of(STATES, one.state) + reason, code=one.state, mark=_MARKS[one.state])


def _rules(page: Page, in_force: dict[str, int], counted: dict[str, list[Tally]]) -> Table:
    columns = (
        Column("rule", "规则", "Rule"),
        Column("version", "版本", "Version", "number"),
        Column("open", "未决", "Open", "number"),
        Column("confirmed", "属实", "Confirmed", "number"),
        Column("cleared", "排除（误报）", "Cleared: false positives", "number"),
        Column("stale", "失据", "Stale", "number"),
        Column("meaning", "含义", "Meaning"),
    )
    rows = []
    for code, number in in_force.items():
        rule, known = all_rules()[code], {one.version: one for one in counted.get(code, [])}
        for version in sorted({number, *known}):
            one = known.get(version)
            figures = (one.open, one.confirmed, one.cleared, one.stale) if one is not None else (0, 0, 0, 0)
            rows.append((Cell(page.t(*rule.name), code=code), version, *figures, page.t(*rule.meaning)))
    return table("rules", columns, rows)


def finding(page: Page) -> Shown:
    """Shows one finding with its evidence, once the look is recorded; raises FindingUnknown."""
    code = page.parameters["finding"]
    with page.reading() as connection:
        found = whole(connection, code, page.account.provinces)
    looked_at = page.look(f"finding-{found.listed.code}", found.finding.card, ShownRecord.SHOWN_RECORD_FINDINGS, found.listed.position)
    rule = all_rules()[found.listed.rule_code]
    facts = [
        (page.t("规则", "Rule"), f"{page.t(*rule.name)} {found.listed.rule_code} v{found.listed.rule_version}"),
        (page.t("日", "Day"), found.listed.day),
        (page.t("测得", "Measured"), f"{found.listed.measured:,} {rule.unit}"),
        (page.t("涉及", "Concerns"), "、".join(map(page.of_province, found.listed.provinces.split())) or page.t("枢纽", "the hub")),
        (page.t("对碰号", "Match number"), match_no(found.listed.subject)),
    ]
    may_decide = page.account.has(*DECIDING)
    values = {
        "one": found.listed,
        "facts_of": facts,
        "looked_at": looked_at,
        "name": page.t(*rule.name),
        "meaning": page.t(*rule.meaning),
        "state": _state(page, found.listed),
        "drawn": _drawn(page, found.evidence),
        "may_review": may_decide and found.finding.state == DETECTED,
        "may_decide": may_decide and found.finding.state == UNDER_REVIEW,
        "confirmed_for": [(one, page.words.of(REASONS, one)) for one in CONFIRMED_FOR],
        "cleared_for": [(one, page.words.of(REASONS, one)) for one in CLEARED_FOR],
        "token": page.session.token,
    }
    return Shown("finding", found.listed.code, values, (_evidence(page, found), _steps(page, found)), found.position)


def _drawn(page: Page, found: tuple[Evidence, ...]) -> object:
    points = [
        Point(
            page.region(one.region) if one.region else "—", page.t(*kind_words(one.kind)), page.at(one.occurred_us)[5:],
            _since(one.occurred_us - found[number - 1].occurred_us) if number else "", one.is_in_force,
        )
        for number, one in enumerate(found)
    ]  # fmt: skip
    return evidence(points, page.t("证据的时间线", "The evidence over time"))


def _since(us: int) -> str:
    """Writes how long it took: seconds, minutes, hours or days."""
    seconds = us // SECOND_US
    if us < 2 * MINUTE_US:
        return f"+{seconds} s"
    if seconds < 7_200:
        return f"+{seconds // 60} min"
    return f"+{seconds // 3_600} h" if seconds < 172_800 else f"+{seconds // 86_400} d"


def _evidence(page: Page, found: Whole) -> Table:
    columns = (
        Column("occurred", "发生", "Occurred", "time"),
        Column("event", "事件", "Event"),
        Column("region", "地区", "Region"),
        Column("scenario", "场景", "Scenario"),
        Column("position", "位置", "Position", "number"),
    )
    gone = page.t(*EVIDENCE_GONE)
    rows = [
        (
            page.at(one.occurred_us),
            Cell(page.t(*kind_words(one.kind)) + ("" if one.is_in_force else f"（{gone}）"), code=one.kind),
            page.region(one.region) if one.region else "—",
            page.scenario(one.scenario) if one.scenario else "—",
            Cell(f"{one.position:,}", f"/journal/{one.position}"),
        )
        for one in found.evidence
    ]
    return table("evidence", columns, rows)


def _steps(page: Page, found: Whole) -> Table:
    columns = (
        Column("at", "时间", "At", "time"),
        Column("step", "步骤", "Step"),
        Column("who", "谁", "Who"),
        Column("why", "理由", "Why"),
        Column("note", "备注", "Note"),
    )
    hub = page.t("枢纽", "the hub")
    rows = [
        (
            page.at(one.at_us),
            Cell(page.t(*kind_words(one.kind)), code=one.kind),
            one.person or hub,
            page.words.of(REASONS, one.reason_code) if one.reason_code else "—",
            one.note or "—",
        )
        for one in found.steps
    ]
    return table("steps", columns, rows)


def decide(page: Page) -> Moved:
    """Takes what somebody of a province decides; raises as `FindingDesk.decide`."""
    step = str(page.form.get("step", ""))
    if step not in _STEPS:
        raise InputUnfit
    by = protos.FindingOfficer(participant=CONSOLE, person=page.account.name)
    said = Said(_STEPS[step], by, str(page.form.get("reason", ""))[:64], str(page.form.get("note", "")).strip()[:1_000])
    with page.reading() as connection:
        row, _ = find(connection, page.parameters["finding"], page.account.provinces)
        with opened(page.workings.dsn, connection) as desk:
            desk.decide(row.code, said, page.account.provinces, datetime.now(UTC))
    return Moved(f"/findings/{row.code}")
