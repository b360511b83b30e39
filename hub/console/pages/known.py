"""Looking back (回看): what the hub knew at an instant or a position, without replaying anything; and where to look closer."""

from urllib.parse import urlencode

from hub.admin.accounts.roles import AUDITOR, OPERATOR
from hub.audit.as_of import agreements_at
from hub.console.page import Known, Page, Shown
from hub.console.pages.decisions import OUTCOMES
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, Table, table
from hub.domain.instants import MINUTE_US
from hub.journal.reader import head_position
from hub.monitoring.feeds import Reached, reached_at
from hub.projections.views.decision_tally import Window, outcomes
from hub.projections.views.quarantine import Wanted, counted
from hub.words.kinds import OUTCOME_WORDS

# So many minutes before the instant say what was answered about then.
MINUTES = 30


def known(page: Page) -> Shown:
    """Shows how far the feeds were, what waited, what was in force and what was answered; without an instant it asks for one."""
    with page.reading() as connection:
        head, then = head_position(connection), page.known(connection)
        if then is None:
            return Shown("known", page.t("回看", "Looking back"), {"asked": "", "then": None}, (), head)
        feeds = [one for one in reached_at(connection, then.position) if one.last_sequence]
        waiting = counted(connection, Wanted(known=then.position)) if then.position else 0
        agreements = agreements_at(connection, then.position)
        minute = then.at_us // MINUTE_US
        answers = outcomes(connection, Window(minute - MINUTES + 1, minute + 1), MINUTES * 60)
    values = {
        "asked": page.query.get("known", "")[:40],
        "then": then,
        "day": then.at[:10] if then.at_us else "",
        "waiting": waiting,
        "in_force": sum(1 for one in agreements if one.is_in_force(then.at_us)),
        "minutes": MINUTES,
        "audits": _audits(page, then),
    }
    tables = (_feeds(page, feeds), _answers(page, then, answers))
    return Shown("known", page.t("回看", "Looking back"), values, tables, head, known=then)


def _audits(page: Page, then: Known) -> list[tuple[str, str, str]]:
    """Returns the audits that answer what this page cannot, as kind, filled-in fields and words; cards are an auditor's to ask about."""
    at = {"at": then.at}
    until = {"from": f"{then.at[:10]} 00:00:00", "to": then.at}
    asked = [
        ("answers", until, page.t("当日到此时的答复，重算是否一致", "The day's answers until then: are they the same when decided again")),
        ("rules", until, page.t("换一版规则，当日到此时多少答复会不同", "How many of the day's answers change under another rule")),
        ("views", at, page.t("当时的视图是否与日志一致", "Did the views say what the journal says")),
    ]
    if page.account.has(AUDITOR):
        asked.insert(0, ("card", at, page.t("一张卡当时枢纽知道什么、答复了什么", "What the hub knew of a card then, and answered")))
    return [(kind, urlencode(fields), name) for kind, fields, name in asked]


def _feeds(page: Page, found: list[Reached]) -> Table:
    columns = (
        Column("feed", "数据流", "Feed"),
        Column("last", "当时编号", "Last number then", "number"),
        Column("recorded", "其入账", "Recorded", "time"),
    )
    rows = []
    for one in found:
        number = Cell(f"{one.last_sequence:,}", f"/feeds/{one.feed}/{one.last_sequence}" if page.account.has(AUDITOR, OPERATOR) else "")
        name = Cell(one.feed, f"/feeds/{one.feed}", swatch=SWATCHES.get(page.workings.province_of(one.owner), "hub"))
        rows.append((name, number, page.at(one.recorded_us)))
    return table("feeds", columns, rows)


def _answers(page: Page, then: Known, found: list[tuple[int, int, int]]) -> Table:
    columns = (Column("outcome", "结论", "Outcome"), Column("answers", "次数", "Answers", "number"))
    sums = {outcome: sum(count for _, one, count in found if one == outcome) for _, outcome, _ in found}
    rows = []
    for outcome, count in sorted(sums.items()):
        code = OUTCOMES[outcome - 1]
        href = page.link("/decisions", outcome=code, known=then.position)
        rows.append((Cell(page.words.of(OUTCOME_WORDS, code), href, code=code, swatch=f"outcome-{outcome}"), count))
    return table("answers", columns, rows)
