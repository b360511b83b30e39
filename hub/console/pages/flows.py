"""Who uses whose cards where: by place and group over a period, and one place by scenario and by day, without small counts."""

from collections import Counter
from datetime import date, timedelta

from hub.console.crossing import ALL, DIRECTIONS, Crossing, cell, place_name
from hub.console.drawing.bars import Stack
from hub.console.drawing.tiles import places
from hub.console.page import InputUnfit, Page, PageUnknown, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, Table, table
from hub.domain.small_counts import Sum, published
from hub.journal.reader import head_position
from hub.projections.views.usage_counts import Use, uses_in
from hub.projections.views.usage_counts import flows as read_flows
from hub.words.names import GROUPS

DAYS, MOST_DAYS = 7, 400
Uses = dict[object, int | None]


def flows(page: Page) -> Shown:
    """Shows the other side's cards by place and group."""
    since, until = _period(page)
    with page.reading() as connection:
        head, found = head_position(connection), read_flows(connection, since.isoformat(), until.isoformat())
    crossing = Crossing(page, found)
    sums = crossing.sums()
    query = f"from={since}&to={until}"
    tables, is_whole = [], sums.is_whole
    for name, issuer in (("cq_in_sc", "50"), ("sc_in_cq", "51")):
        rows, columns, shown = crossing.cells(issuer)
        is_whole = is_whole and None not in shown.values()
        tables.append(_cells(page, name, rows, columns, shown, query))
    values = {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "uses": {place: count for (_, place), count in sums.places.items()},
        "names": {tile.code: page.t(tile.name, page.region(tile.code)) for tile in places()},
        "query": query,
        "is_whole": is_whole,
        "sides": [(tables[at], *_direction(page, issuer, serving)) for at, (issuer, serving) in enumerate(DIRECTIONS)],
    }
    return Shown("flows", page.t("用卡流向", "Uses by place"), values, tuple(tables), head)


def _period(page: Page) -> tuple[date, date]:
    """Returns the first and the last day that are asked for; raises InputUnfit."""
    until = page.day("to")
    since = page.day("from") if page.query.get("from") else until - timedelta(days=min(DAYS - 1, (until - date.min).days))
    if not 0 <= (until - since).days < MOST_DAYS:
        raise InputUnfit(page.t(f"一次至多 {MOST_DAYS} 天", f"{MOST_DAYS} days at most"))
    return since, until


def _direction(page: Page, issuer: str, serving: str) -> tuple[str, str]:
    zh = f"{page.of_province(issuer)}卡在{page.of_province(serving)}"
    return page.t(zh, f"{page.of_province(issuer)} cards in {page.of_province(serving)}"), SWATCHES[issuer]


def _cells(page: Page, name: str, rows: list[str], groups: list[str], shown: Uses, query: str) -> Table:
    columns = [Column("place", "地区", "Place"), *(Column(one or "NONE", *GROUPS.get(one, (one, one)), "number") for one in groups)]
    columns.append(Column("sum", "合计", "Sum", "number"))
    listed: list[list[Cell | int | None]] = []
    # What is not shown is not betrayed by its place in the list.
    for place in sorted(rows, key=lambda place: (-(shown["place", place] or 0), place)):
        href = f"/regions/{place}?{query}" if len(place) == 6 else ""
        cells = [shown.get(cell(place, group), 0) for group in groups]
        listed.append([Cell(place_name(page, place), href, code=place), *cells, shown["place", place]])
    if listed:
        listed.append([Cell(page.t("合计", "Sum")), *(shown["group", group] for group in groups), shown[ALL]])
    return table(name, columns, listed)


def region(page: Page) -> Shown:
    """Shows one place: whose cards, for which scenarios, on which days."""
    code = page.parameters["region"]
    known = page.workings.tables.regions
    if code not in known:
        raise PageUnknown(code[:20])
    since, until = _period(page)
    within = [code, *_districts(page, code, until)]
    with page.reading() as connection:
        head, found_uses = head_position(connection), uses_in(connection, within, since.isoformat(), until.isoformat())
    shown = _sums_of(found_uses)
    scenarios = sorted({use.scenario for use in found_uses})
    days = [(since + timedelta(days=at)).isoformat() for at in range((until - since).days + 1)]
    name = place_name(page, code)
    values = {
        "code": code,
        "name": name,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "province": code[:2],
        "query": f"from={since}&to={until}",
        "is_whole": None not in shown.values(),
        "stacks": _stacks(days, shown),
        "districts": len(within) - 1,
    }
    by_day = [day for day in reversed(days) if any(shown.get((issuer, "day", day), 0) != 0 for issuer, _ in DIRECTIONS)]
    tables = (_by_issuer(page, scenarios, "scenario", shown), _by_issuer(page, by_day, "day", shown))
    return Shown("region", name, values, tables, head)


def _districts(page: Page, code: str, on: date) -> list[str]:
    """Returns the districts of a prefecture; what named a province alone is in none of them."""
    if code.endswith("0000"):
        return []
    return [one.code for one in page.workings.tables.regions_in_force(on) if one.parent == code]


def _sums_of(found: list[Use]) -> Uses:
    """Divides the uses of each issuer twice, by scenario and by day; no sum of both issuers is shown."""
    counts: Counter[object] = Counter({issuer: 0 for issuer, _ in DIRECTIONS})
    for use in found:
        for name in (use.issuer, (use.issuer, "scenario", use.scenario), (use.issuer, "day", use.day)):
            counts[name] += use.uses
    named = [name for name in counts if isinstance(name, tuple)]
    sums = [
        Sum(issuer, [name for name in named if name[:2] == (issuer, kind)])
        for issuer in {use.issuer for use in found}
        for kind in ("scenario", "day")
    ]
    return published(counts, sums)


def _by_issuer(page: Page, names: list[str], kind: str, shown: Uses) -> Table:
    heading = Column("scenario", "场景", "Scenario") if kind == "scenario" else Column("day", "业务日", "Business day", "time")
    columns = (heading, Column("cq", "重庆卡", "Chongqing cards", "number"), Column("sc", "四川卡", "Sichuan cards", "number"))
    rows: list[tuple[Cell | str | int | None, ...]] = []
    for name in names:
        said = Cell(page.scenario(name) if name else page.t(*GROUPS[""]), code=name) if kind == "scenario" else Cell(name)
        rows.append((said, *(shown.get((issuer, kind, name), 0) for issuer, _ in DIRECTIONS)))
    if rows:
        rows.append((page.t("合计", "Sum"), *(shown.get(issuer, 0) for issuer, _ in DIRECTIONS)))
    return table(f"by_{kind}", columns, rows)


def _stacks(days: list[str], shown: Uses) -> list[Stack]:
    every = max(1, len(days) // 6)
    return [
        Stack(
            day[5:] if at % every == 0 else "",
            [(SWATCHES[issuer], shown.get((issuer, "day", day)) or 0) for issuer, _ in DIRECTIONS],
        )
        for at, day in enumerate(days)
    ]
