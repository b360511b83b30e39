"""How sound the journal is: what the last `hub fsck` found, what was recorded since, and what the last rebuild of each view found."""

from hub.audit.verdicts import Verdict, last
from hub.console.page import Page, Shown
from hub.console.tables import Cell, Column, Table, table
from hub.journal.reader import head_position
from hub.projections.rebuild import Verification, verifications
from hub.words.names import VIEWS


def health(page: Page) -> Shown:
    """Shows it."""
    with page.reading() as connection:
        head, found = head_position(connection), verifications(connection)
    verdict = last(page.workings.config.data_dir)
    values = {
        "verdict": verdict,
        "checked": page.at(verdict.at_us) if verdict is not None else "",
        "since": max(0, head - verdict.head) if verdict is not None else 0,
        "holes": page.workings.holes,
        "equal": sum(verdict.views.values()) if verdict is not None else 0,
    }
    return Shown("health", page.t("日志体检", "Journal health"), values, (_problems(page, verdict), _views(page, found)), head)


def _problems(page: Page, verdict: Verdict | None) -> Table:
    found = verdict.problems if verdict is not None else []
    columns = (Column("problem", "问题", "Problem"), Column("code", "代码", "Code", "code"))
    return table("problems", columns, [(page.t(zh, en), code) for code, zh, en in found])


def _views(page: Page, found: list[Verification]) -> Table:
    columns = (
        Column("view", "视图", "View"),
        Column("rebuilt", "与重建", "Against a rebuild"),
        Column("position", "位置", "Position", "number"),
        Column("checked", "何时", "When", "time"),
    )
    rows = []
    for one in found:
        said = Cell(page.t("一致", "equal"), mark="fine") if one.is_equal else Cell(page.t("不同", "differs"), mark="fault")
        rows.append((Cell(page.words.of(VIEWS, one.view), code=one.view), said, one.position, page.at(one.checked_us)))
    return table("rebuilds", columns, rows)
