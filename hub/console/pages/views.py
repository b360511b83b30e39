"""Views: how late each is against the limit of its class, what its last rebuild found, and which events are parked."""

from collections.abc import Iterable

from hub.console.page import Page, Shown
from hub.console.tables import Cell, Column, Table, table
from hub.journal.reader import head_position
from hub.monitoring.vitals import DECIDING, LATE_S, OTHERS_LATE_S, ViewVitals, read_views
from hub.projections.engine import parked_events
from hub.words.names import VIEWS

MOST_PARKED = 500


def views(page: Page) -> Shown:
    """Shows all views."""
    with page.reading() as connection:
        position, found = head_position(connection), read_views(connection)
    values = {"late_s": LATE_S, "others_late_s": OTHERS_LATE_S}
    return Shown("views", page.t("视图", "Views"), values, (full_table(page, found),), position, is_live=True)


def view_table(page: Page, found: Iterable[ViewVitals]) -> Table:
    """Makes the short table of views, for the overview: those that answers rest on, and of the others those with something to do."""
    columns = (Column("view", "视图", "View"), Column("lag", "落后", "Behind", "end"), Column("parked", "搁置", "Parked", "number"))
    ordered = sorted(found, key=lambda view: (not view.is_late and not view.parked, view.name not in DECIDING))
    shown = [view for view in ordered if view.name in DECIDING or view.is_late or view.parked]
    rows = [(_name(page, view), _lag(page, view), _parked(view)) for view in shown]
    if others := [view for view in ordered if view not in shown]:
        name = page.t(f"后台视图 {len(others)} 个", f"{len(others)} background views")
        rows.append((Cell(name, "/views"), Cell(page.words.silence(max(view.lag_s for view in others))), Cell("0")))
    return table("views", columns, rows)


def full_table(page: Page, found: Iterable[ViewVitals]) -> Table:
    """Makes the table of views with all that is known of them."""
    columns = (
        Column("view", "视图", "View"),
        Column("class", "类别", "Class"),
        Column("position", "位置", "Position", "number"),
        Column("behind", "差", "Events behind", "number"),
        Column("lag", "落后", "Behind", "end"),
        Column("limit", "限", "Limit", "end"),
        Column("parked", "搁置", "Parked", "number"),
        Column("rebuilt", "最近重建", "Last rebuild"),
    )
    rows = []
    for view in found:
        decides = view.name in DECIDING
        rebuilt = {None: Cell("—"), True: Cell(page.t("一致", "equal"), mark="fine"), False: Cell(page.t("不同", "differs"), mark="fault")}
        rows.append(
            (
                _name(page, view),
                page.t("答复所据", "answers rest on it") if decides else page.t("后台", "background"),
                view.position,
                view.lag_events,
                _lag(page, view),
                page.words.silence(LATE_S if decides else OTHERS_LATE_S),
                _parked(view),
                rebuilt[view.is_equal],
            )
        )
    return table("views", columns, rows)


def _name(page: Page, view: ViewVitals) -> Cell:
    return Cell(page.words.of(VIEWS, view.name), code=view.name)


def _lag(page: Page, view: ViewVitals) -> Cell:
    return Cell(page.words.silence(view.lag_s), mark="attention" if view.is_late else "")


def _parked(view: ViewVitals) -> Cell:
    return Cell(f"{view.parked:,}", "/parked" if view.parked else "", mark="fault" if view.parked else "")


def parked(page: Page) -> Shown:
    """Shows the events that a view could not fold."""
    with page.reading() as connection:
        position, found = head_position(connection), parked_events(connection, MOST_PARKED)
    columns = (
        Column("view", "视图", "View"),
        Column("position", "位置", "Position", "number"),
        Column("error", "错误", "Error", "code"),
    )
    rows = [(Cell(page.words.of(VIEWS, view), code=view), Cell(f"{at:,}", f"/journal/{at}"), error) for view, at, error in found]
    return Shown("parked", page.t("搁置", "Parked"), {}, (table("parked", columns, rows),), position)
