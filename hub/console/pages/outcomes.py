"""What a page shows of an outcome: its tables and figures in the console's own frame, each a file too."""

from collections.abc import Iterator

from hub.audit.outcome import Bars, Outcome, Text
from hub.console.page import Page
from hub.console.tables import Column, Table, table


def figure(page: Page, one: Bars) -> tuple[str, list[tuple[str, int | None]], int]:
    """Returns the title of a figure, its bars, and the longest."""
    bars = [(in_words(page, label), count) for label, count in one.bars]
    return in_words(page, one.title), bars, max((count or 0 for _, count in bars), default=0)


def tables(page: Page, result: Outcome) -> Iterator[Table]:
    """Yields the tables of an outcome."""
    for number, one in enumerate(result.tables, 1):
        named = [Column(f"c{place}", text.zh, text.en) for place, text in enumerate(one.columns, 1)]
        yield table(f"table-{number}", named, [[_cell(page, cell) for cell in row] for row in one.rows])


def _cell(page: Page, cell: str | int | Text) -> str | int:
    return in_words(page, cell) if isinstance(cell, Text) else cell


def in_words(page: Page, text: Text) -> str:
    """Returns a text in the language of the page."""
    return page.t(text.zh, text.en)
