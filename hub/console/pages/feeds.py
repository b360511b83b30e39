"""Feeds: how far each is, how long it has been silent against its own habit, its batches, and what of it is quarantined, by rule."""

from collections import Counter
from collections.abc import Iterable

from hub.console.page import Page, PageForbidden, PageUnknown, Shown
from hub.console.tables import Cell, Column, Table, table
from hub.domain.instants import MINUTE_US
from hub.domain.participant import HUB, PREFIX
from hub.domain.quarantine import meaning_of
from hub.journal.reader import head_position
from hub.monitoring.feeds import Habit, Sent, batches
from hub.monitoring.vitals import FeedVitals, read_feeds
from hub.projections.views.quarantine import Listed, Wanted, counted, listed

SWATCHES = {"50": "cq", "51": "sc", "": "hub"}
MOST_BATCHES, MOST_RULES = 40, 500


def is_silent(feed: FeedVitals, known: dict[str, Habit]) -> bool:
    """Whether a province's feed is silent for longer than it ever was of late."""
    habit = known.get(feed.name)
    after_s = habit.silent_after_s if habit is not None else None
    return feed.owner != HUB and after_s is not None and feed.silence_s is not None and feed.silence_s > after_s


def feeds(page: Page) -> Shown:
    """Shows all feeds."""
    with page.reading() as connection:
        position, found, known = head_position(connection), read_feeds(connection), page.workings.habits(connection)
    shown = feed_table(page, [one for one in found if page.may_see_feed(one.owner)], known)
    return Shown("feeds", page.t("数据流", "Feeds"), {}, (shown,), position, is_live=True)


def feed_table(page: Page, found: Iterable[FeedVitals], known: dict[str, Habit], *, is_short: bool = False) -> Table:
    """Makes the table of feeds; a short one leaves out what is usual."""
    columns: tuple[Column, ...] = (
        Column("feed", "数据流", "Feed"),
        Column("last", "编号", "Last", "number"),
        Column("silence", "静默", "Silent", "end"),
        Column("usual", "惯常间隔", "Usual gap", "end"),
        Column("quarantined", "隔离", "Quarantined", "number"),
    )
    rows: list[tuple[Cell | str | int, ...]] = []
    for feed in found:
        habit = known.get(feed.name)
        usual = page.words.silence(habit.usual_gap_s) if habit is not None and habit.usual_gap_s is not None else "—"
        mark = "attention" if is_silent(feed, known) else ""
        swatch = SWATCHES.get(page.workings.province_of(feed.owner), "hub")
        rows.append(
            (
                Cell(feed.name, f"/feeds/{feed.name}", swatch=swatch),
                feed.last_sequence,
                Cell(page.words.silence(feed.silence_s), mark=mark),
                usual,
                Cell(f"{feed.quarantined:,}", page.link("/quarantine", feed=feed.name) if feed.quarantined else ""),
            )
        )
    if is_short:
        columns, rows = (*columns[:3], *columns[4:]), [(*row[:3], *row[4:]) for row in rows]
    return table("feeds", columns, rows)


def feed(page: Page) -> Shown:
    """Shows one feed."""
    name = page.parameters["feed"]
    with page.reading() as connection:
        position, known = head_position(connection), page.workings.habits(connection)
        found = next((one for one in read_feeds(connection) if one.name == name), None)
        if found is None:
            raise PageUnknown(name[:63])
        if not page.may_see_feed(found.owner):
            raise PageForbidden
        sent = batches(connection, name, MOST_BATCHES)
        wanted = Wanted(name, only_unsettled=True, most=MOST_RULES)
        waiting, count = listed(connection, wanted), counted(connection, wanted)
    habit = known.get(name)
    values = {
        "feed": found,
        "owner": found.owner.removeprefix(PREFIX),
        "silent_after": page.words.silence(habit.silent_after_s if habit is not None else None),
        "usual": page.words.silence(habit.usual_gap_s if habit is not None else None),
        "is_silent": is_silent(found, known),
        "silence": page.words.silence(found.silence_s),
        "waiting": count,
        "rate": _per_minute([(one.recorded_us, one.last_sequence - one.first_sequence + 1) for one in sent]),
        "province": page.workings.province_of(found.owner),
        "sees_owner": not page.is_confined,
    }
    tables = (_rule_table(page, name, waiting), _batch_table(page, sent))
    return Shown("feed", name, values, tables, position, is_live=True)


def _per_minute(sent: list[tuple[int, int]]) -> str:
    """Returns how many events a minute its newest batches carry."""
    if len(sent) < 2:
        return "—"
    minutes = max(1.0, (sent[0][0] - sent[-1][0]) / MINUTE_US)
    return f"{sum(count for _, count in sent) / minutes:,.0f}"


def _rule_table(page: Page, name: str, waiting: list[Listed]) -> Table:
    columns = (Column("rule", "违反", "Breaks"), Column("send", "怎么改", "What to send"), Column("count", "件数", "Events", "number"))
    counts = Counter((path, rule) for one in waiting for path, rule in one.violations)
    rows = []
    for (path, rule), count in counts.most_common(20):
        meaning = meaning_of(rule, path)
        said = page.t(meaning.text_zh, meaning.text_en)
        rows.append((Cell(path or "—", page.link("/quarantine", feed=name, rule=rule), code=rule), said, count))
    return table("rules", columns, rows)


def _batch_table(page: Page, sent: list[Sent]) -> Table:
    columns = (
        Column("numbers", "编号", "Numbers", "code"),
        Column("events", "事件", "Events", "number"),
        Column("position", "位置", "Position", "number"),
        Column("recorded", "入账", "Recorded", "time"),
    )
    rows = []
    for one in sent:
        numbers = f"{one.first_sequence}–{one.last_sequence}" if one.last_sequence > one.first_sequence else str(one.first_sequence)
        position = Cell(f"{one.first_position:,}", f"/journal/{one.first_position}")
        rows.append((numbers, one.last_sequence - one.first_sequence + 1, position, page.at(one.recorded_us)))
    return table("batches", columns, rows)
