"""What a page shows as a table, and gives as a file: columns with names in both languages, rows of cells, and CSV that no sheet obeys."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Chinese is three bytes and twice as wide as Latin.
_SHORT_BYTES, _LONG_WORD = 26, 60
# In place of a count that is not shown.
HIDDEN = "※"


class Cell(NamedTuple):
    """A cell: its text, where it leads, *mark* "attention" or "fault" or "fine", a code small and grey, a province's colour, a tooltip.

    *line* are values that are drawn beside it.
    """

    text: str
    href: str = ""
    mark: str = ""
    code: str = ""
    swatch: str = ""
    title: str = ""
    line: tuple[float, ...] = ()

    @property
    def width(self) -> str:
        """Returns the class of a cell that stays on one line as it is short, or is broken anywhere as a word of it is long."""
        if not self.code and len(self.text.encode()) <= _SHORT_BYTES:
            return " whole"
        return " long" if any(len(word) > _LONG_WORD for word in self.text.split()) else ""


class Column(NamedTuple):
    """A column: its name in a file, its headings, and whether its cells are numbers or codes."""

    name: str
    zh: str
    en: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A table under a name; *note* says what it leaves out."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def table(name: str, columns: Iterable[Column], rows: Iterable[Sequence[Cell | str | int | None]], note: str = "") -> Table:
    """Makes a table of cells, texts, numbers and None for counts that are not shown."""
    return Table(name, tuple(columns), tuple(tuple(_cell(one) for one in row) for row in rows), note)


def number(value: int | None) -> str:
    """Writes a number as commands do, None as what is not shown."""
    return HIDDEN if value is None else f"{value:,}"


def csv_bytes(shown: Table, as_of: int) -> bytes:
    """Writes a table as a file that says where it ends: one that was cut off does not look whole."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\r\n")
    write.writerow([column.name for column in shown.columns])
    for row in shown.rows:
        write.writerow([_in_file(column, cell) for column, cell in zip(shown.columns, row, strict=True)])
    out.write(f"# END rows={len(shown.rows)} as_of={as_of}\r\n")
    return "\ufeff".encode() + out.getvalue().encode()


def _cell(value: Cell | str | int | None) -> Cell:
    if isinstance(value, Cell):
        return value
    return Cell(value if isinstance(value, str) else number(value))


def _in_file(column: Column, cell: Cell) -> str:
    text = cell.code or cell.text
    if column.kind == "number":
        return cell.text.replace(",", "")
    return f"'{text}" if text.startswith(_FORMULA) else text
