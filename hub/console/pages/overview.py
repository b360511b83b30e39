"""The overview: first a sentence that says whether anything is late or silent, then how far all is, and who uses whose cards where."""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from typing import NamedTuple

from hub.admin.accounts.roles import AUDITOR, OPERATOR, POLICY
from hub.console.crossing import DIRECTIONS, Crossing, Sums, place_name
from hub.console.drawing.bars import Stack
from hub.console.drawing.tiles import places
from hub.console.page import Page, Shown
from hub.console.pages.decisions import OUTCOMES
from hub.console.pages.feeds import feed_table, is_silent
from hub.console.pages.views import view_table
from hub.console.tables import Cell, Column, Table, number, table
from hub.domain.instants import MINUTE_US
from hub.domain.small_counts import LEAST, published
from hub.journal.reader import head_position
from hub.monitoring.feeds import Habit
from hub.monitoring.vitals import FeedVitals, ViewVitals, read_feeds, read_views
from hub.projections.views.decision_tally import Window, outcomes, reasons
from hub.projections.views.quarantine import Wanted, counted
from hub.projections.views.usage_counts import Flow, flows
from hub.words.kinds import OUTCOME_WORDS
from hub.words.names import GROUPS, VIEWS

DAYS, MINUTES, MOST_REASONS = 7, 30, 8


class Butterfly(NamedTuple):
    """A row of both directions: Chongqing's cards in Sichuan, Sichuan's in Chongqing; None is not shown."""

    name: str
    left: int | None
    right: int | None


class Instrument(NamedTuple):
    """One figure of the strip: where it leads, whether it is for somebody to do, and what is said then."""

    name: str
    figure: str
    href: str = ""
    mark: str = ""
    said: str = ""
    unit: str = ""
    line: Sequence[float] = ()


class Seen(NamedTuple):
    """All that the overview was made of, read at one time."""

    position: int
    views: tuple[ViewVitals, ...]
    feeds: tuple[FeedVitals, ...]
    habits: dict[str, Habit]
    flows: list[Flow]
    open_quarantined: int
    answers: list[tuple[int, int, int]]
    reasons: list[tuple[str, int]]


def overview(page: Page) -> Shown:
    """Shows it."""
    now_minute = page.now_us // MINUTE_US
    window = Window(now_minute - MINUTES + 1, now_minute + 1, serving=page.province)
    until, since = page.today.isoformat(), (page.today - timedelta(days=DAYS - 1)).isoformat()
    with page.reading() as connection:
        seen = Seen(
            head_position(connection),
            read_views(connection),
            read_feeds(connection),
            page.workings.habits(connection),
            flows(connection, since, until),
            counted(connection, Wanted(only_unsettled=True)),
            outcomes(connection, window),
            reasons(connection, window),
        )
    crossing = Crossing(page, seen.flows).sums()
    rows = _butterfly(page, crossing)
    uses = {place: count for (_, place), count in crossing.places.items()}
    within = [sum(flow.uses for flow in seen.flows if flow.issuer == flow.region[:2] == province) for province in ("51", "50")]
    tables = (
        _flow_table(page, rows),
        _tile_table(page, uses),
        feed_table(page, seen.feeds, seen.habits, is_short=True),
        view_table(page, seen.views),
        _answer_table(page, seen.answers),
        _reason_table(page, seen.reasons),
    )
    verdict, mark = _verdict(page, seen)
    values = {
        "verdict": verdict,
        "mark": mark,
        "facts": _facts(page, seen, crossing, within),
        "strip": _strip(page, seen),
        "rows": rows,
        "most": max((count or 0 for row in rows for count in row[1:]), default=0),
        "sums": [crossing.issuers[issuer] for issuer, _ in DIRECTIONS],
        "within": list(published(dict(enumerate(within)), []).values()),
        "is_whole": crossing.is_whole and min(within, default=0) not in range(1, LEAST),
        "sees_flows": page.account.has(OPERATOR, AUDITOR, POLICY),
        "uses": uses,
        # English names are long: a tile has their first letters, and the whole in its tooltip.
        "names": {tile.code: page.t(tile.name, page.region(tile.code)) for tile in places()},
        "nowhere": {province: uses.get(f"{province}0000", 0) for province in ("51", "50")},
        "stacks": _stacks(page, seen.answers, window),
        "outcomes": _totals(page, seen.answers),
        "days": DAYS,
        "minutes": MINUTES,
    }
    return Shown("overview", page.t("总览", "Overview"), values, tables, seen.position, is_live=True, verdict=verdict)


def _verdict(page: Page, seen: Seen) -> tuple[str, str]:
    """Returns what somebody must know first, and how grave it is."""
    late = [view for view in seen.views if view.is_late]
    parked = sum(view.parked for view in seen.views)
    silent = [feed for feed in seen.feeds if is_silent(feed, seen.habits)]
    said = []
    if late:
        names = page.t("、", ", ").join(page.words.of(VIEWS, view.name) for view in late)
        longest = page.words.silence(max(view.lag_s for view in late))
        zh, en = f"{len(late)} 个视图落后：{names}，最久 {longest}。", f"{len(late)} views are late: {names}, {longest} at most. "
        said.append(page.t(zh, en))
    if silent:
        names = page.t("、", ", ").join(f"{feed.name} {page.words.silence(feed.silence_s)}" for feed in silent)
        said.append(page.t(f"{len(silent)} 路数据流静默：{names}。", f"{len(silent)} feeds are silent: {names}. "))
    if page.workings.holes:
        said.append(page.t(f"日志缺 {page.workings.holes:,} 个位置。", f"{page.workings.holes:,} positions are missing. "))
    if parked:
        said.append(page.t(f"{parked:,} 个事件被搁置。", f"{parked:,} events are parked. "))
    if not said:
        return page.t("一切正常。", "All is well. "), "fine"
    return "".join(said), "fault" if parked or page.workings.holes else "attention"


def _facts(page: Page, seen: Seen, crossing: Sums, within: list[int]) -> str:
    # What is made of a count that is not shown is not shown.
    sums = [count for count in crossing.issuers.values() if count is not None]
    uses = sum(sums) if len(sums) == len(crossing.issuers) else None
    answered, accepted = sum(n for *_, n in seen.answers), sum(n for _, outcome, n in seen.answers if outcome == 1)
    share = f"{uses / (uses + sum(within)):.1%}" if uses and min(within) >= LEAST else "—"
    taken = f"{accepted / answered:.1%}" if answered else "—"
    return page.t(
        f"近 {DAYS} 天跨省用卡 {number(uses)} 次，占全部 {share}；近 {MINUTES} 分钟互认询问 {answered:,} 次，{taken} 当场接受。",
        f"In {DAYS} days cards were used {number(uses)} times in the other province, {share} of all; "
        f"in {MINUTES} minutes {answered:,} questions, {taken} accepted at once.",
    )


def _strip(page: Page, seen: Seen) -> list[Instrument]:
    rates, waiting = page.workings.rates, seen.open_quarantined
    slowest = max(seen.views, key=lambda view: (view.is_late, view.lag_s), default=None)
    parked, holes = sum(view.parked for view in seen.views), page.workings.holes
    rate = sum(rates[-5:]) / len(rates[-5:]) if rates else 0.0
    late = "attention" if slowest is not None and slowest.is_late else ""
    lag = page.words.silence(slowest.lag_s if slowest is not None else None)
    return [
        Instrument(page.t("日志位置", "Position"), f"{seen.position:,}", f"/journal/{seen.position}" if seen.position else ""),
        Instrument(page.t("写入", "Recorded"), f"{ceil(rate):,}", unit=page.t("/秒", "/s"), line=rates),
        Instrument(page.t("日志缺口", "Gaps"), f"{holes:,}", "", "fault" if holes else "", page.t("查 hub fsck", "run hub fsck")),
        Instrument(page.t("视图最慢", "Slowest view"), lag, "/views", late, page.t("落后", "late")),
        Instrument(
            page.t("隔离待办", "Quarantined"), f"{waiting:,}", "/quarantine", "attention" if waiting else "", page.t("待处理", "open")
        ),
        Instrument(page.t("搁置", "Parked"), f"{parked:,}", "/parked", "fault" if parked else "", page.t("待修复", "to mend")),
        Instrument(page.t("截至", "As of"), page.at(page.now_us)[11:]),
    ]


def _butterfly(page: Page, crossing: Sums) -> list[Butterfly]:
    found = crossing.groups
    groups = [group for group in GROUPS if group != "CARD" or any((issuer, group) in found for issuer, _ in DIRECTIONS)]
    rows = [Butterfly(page.words.of(GROUPS, group), *(found.get((issuer, group), 0) for issuer, _ in DIRECTIONS)) for group in groups]
    # The place of a row says nothing of what is not shown.
    return sorted(rows, key=lambda row: -((row.left or 0) + (row.right or 0)))


def _stacks(page: Page, answers: list[tuple[int, int, int]], window: Window) -> list[Stack]:
    by_minute: dict[int, dict[int, int]] = {}
    for minute, outcome, count in answers:
        by_minute.setdefault(minute, {})[outcome] = count
    stacks = []
    for minute in range(window.from_minute, window.to_minute):
        label = page.at(minute * MINUTE_US)[11:16] if minute % 5 == 0 else ""
        found = by_minute.get(minute, {})
        stacks.append(Stack(label, [(f"outcome-{number}", found.get(number, 0)) for number in range(1, 6)]))
    return stacks


def _totals(page: Page, answers: list[tuple[int, int, int]]) -> list[tuple[int, str, int, str]]:
    total = sum(count for *_, count in answers)
    found = []
    for at, name in enumerate(OUTCOMES, start=1):
        count = sum(one for _, outcome, one in answers if outcome == at)
        found.append((at, page.words.of(OUTCOME_WORDS, name), count, f"{count / total:.1%}" if total else "—"))
    return found


def _flow_table(page: Page, rows: list[Butterfly]) -> Table:
    columns = (
        Column("group", "场景", "Group"),
        Column("cq_in_sc", "重庆卡在四川", "Chongqing cards in Sichuan", "number"),
        Column("sc_in_cq", "四川卡在重庆", "Sichuan cards in Chongqing", "number"),
    )
    return table("flows", columns, [(row.name, row.left, row.right) for row in rows])


def _tile_table(page: Page, uses: dict[str, int | None]) -> Table:
    columns = (Column("region", "地区", "Region"), Column("uses", "外省卡使用", "Uses of the other side's cards", "number"))
    ordered = sorted(uses.items(), key=lambda item: (-(item[1] or 0), item[0]))
    return table("regions", columns, [(Cell(place_name(page, code), code=code), count) for code, count in ordered if count != 0])


def _answer_table(page: Page, answers: list[tuple[int, int, int]]) -> Table:
    minute, count = Column("minute", "分钟", "Minute", "time"), Column("answers", "次数", "Answers", "number")
    columns = (minute, Column("outcome", "结论", "Outcome"), count)
    rows = [
        (page.at(at * MINUTE_US)[:16], Cell(page.words.of(OUTCOME_WORDS, OUTCOMES[outcome - 1]), code=OUTCOMES[outcome - 1]), answered)
        for at, outcome, answered in answers
    ]
    return table("answers", columns, rows)


def _reason_table(page: Page, found: list[tuple[str, int]]) -> Table:
    columns = (Column("reason", "理由", "Reason"), Column("answers", "次数", "Answers", "number"))
    known = page.workings.tables.reasons
    rows = []
    for code, count in found:
        reason = known.get(code)
        if reason is not None and reason.outcome == OUTCOMES[0]:
            continue
        said = page.t(reason.text_zh, reason.text_en) if reason is not None else code
        swatch = f"outcome-{OUTCOMES.index(reason.outcome) + 1}" if reason is not None else ""
        rows.append((Cell(said, page.link("/decisions", reason=code), code=code, swatch=swatch), count))
    rows = rows[:MOST_REASONS]
    return table("reasons", columns, rows)
