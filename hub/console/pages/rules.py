"""The acceptance rules in words, and the reference tables on a day, each with its sources."""

from hub.admin.reference_pages import reference_page, table_names
from hub.console.page import Page, PageUnknown, Shown
from hub.console.tables import Cell, Column, table
from hub.domain.acceptance import rules_digest
from hub.domain.rules import RULES
from hub.domain.rules.rule import BOOK_RETURN
from hub.journal.reader import head_position
from hub.words.reference_tables import COLUMNS, table_words
from hub.words.seen import SEEN


def rules(page: Page) -> Shown:
    """Shows the rules at hand."""
    columns = (
        Column("rule", "规则", "Rule", "code"),
        Column("asks", "问什么", "Asks"),
        Column("scenarios", "场景", "Scenarios", "code"),
        Column("sees", "看什么", "Looks at"),
        Column("reasons", "可能的理由", "Reasons it may give", "code"),
    )
    reasons = page.workings.tables.reasons
    rows = []
    for rule in RULES:
        cross = page.t("（仅跨省）", " (other province only)") if rule.cross_province_only else ""
        # A book is always taken back: that is said once, above the table.
        but = [one for one in rule.unless if one != BOOK_RETURN]
        scenarios = " ".join(rule.scenarios) + (page.t("，除 ", ", but ") + " ".join(but) if but else "")
        sees = page.t("；", "; ").join(page.words.of(SEEN, path) for path in rule.sees)
        codes = " ".join(code for code, reason in reasons.items() if reason.rule == rule.rule_id)
        rows.append((rule.rule_id, page.t(rule.title_zh, rule.title_en) + cross, scenarios, sees, codes))
    with page.reading() as connection:
        head = head_position(connection)
    return Shown("rules", page.t("规则", "Rules"), {"digest": rules_digest().hex()[:16]}, (table("rules", columns, rows),), head)


def reference_tables(page: Page) -> Shown:
    """Lists the tables."""
    rows_today = Column("rows", "今日行数", "Rows today", "number")
    columns = (Column("table", "表", "Table"), rows_today, Column("head", "出处（英文）", "What its head says"))
    rows = []
    for name in table_names():
        found = reference_page(name, page.today)
        assert found is not None
        said = found.head.removeprefix(f"{name}.csv: ")
        said = said[:160] + ("…" if len(said) > 160 else "")
        rows.append((Cell(page.t(*table_words(name)), f"/reference/{name}", code=name), len(found.rows), said))
    return Shown("reference", page.t("参照表", "Reference tables"), {}, (table("tables", columns, rows),))


def reference_table(page: Page) -> Shown:
    """Shows one table on a day."""
    name, on = page.parameters["table"], page.day("on")
    found = reference_page(name, on)
    if found is None:
        raise PageUnknown(name[:40])
    columns = [Column(one, COLUMNS.get(one, one), one, "code" if one == "code" else "text") for one in found.columns]
    title, head = page.t(*table_words(name)), found.head.removeprefix(f"{name}.csv: ")
    return Shown("reference_table", title, {"name": name, "on": on.isoformat(), "head": head}, (table(name, columns, found.rows),))
