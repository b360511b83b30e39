"""Writes the rows of tables: a page has thousands of cells, and a template took ten times as long over each."""

from markupsafe import Markup, escape

from hub.console.drawing.bars import sparkline
from hub.console.tables import Cell, Table

# What is said in words has a sign before it, so that nobody needs to see colours.
_MARKS = {
    "attention": ('<strong class="attention"><span aria-hidden="true">▲</span> ', "</strong>"),
    "fault": ('<strong class="fault"><span aria-hidden="true">■</span> ', "</strong>"),
    "fine": ('<span class="fine"><span aria-hidden="true">●</span> ', "</span>"),
    "broken": ("<strong>", "</strong>"),
}


def cell(one: Cell) -> Markup:
    """Returns what is in a cell."""
    begin, end = _MARKS.get(one.mark, ("", ""))
    text = escape(one.text)
    said = f'<a href="{escape(one.href)}">{text}</a>' if one.href else text
    swatch = f'<span class="swatch {escape(one.swatch)}" aria-hidden="true"></span> ' if one.swatch else ""
    code = f' <code class="code">{escape(one.code)}</code>' if one.code and one.code != one.text else ""
    line = Markup(" ") + sparkline(one.line) if one.line else ""
    return Markup(f"{swatch}{begin}{said}{end}{code}{line}")  # noqa: S704 (what is not our own is escaped)


def rows(table: Table) -> Markup:
    """Returns the rows of a table."""
    kinds = [(column.kind, column.kind in ("text", "code")) for column in table.columns]
    written = []
    for row in table.rows:
        broken = ' class="broken"' if any(one.mark == "broken" for one in row) else ""
        cells = (
            f'<td class="{kind}{one.width if is_text else ""}">{cell(one)}</td>' for (kind, is_text), one in zip(kinds, row, strict=True)
        )
        written.append(f"<tr{broken}>{''.join(cells)}</tr>")
    return Markup("\n".join(written))  # noqa: S704 (what is not our own is escaped)
