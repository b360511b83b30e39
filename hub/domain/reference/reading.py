"""Reads CSV tables into rows and refuses what breaks a rule of one table: shape, cells, dates, overlap and gap.

A table starts with `#` lines that give its sources, then a line of column names (those of its row class), then rows.
What a row may hold is said beside its class; rules that hold between tables are checked where the tables meet.
"""

import csv
import re
from collections.abc import Callable, Collection, Iterable
from datetime import date
from itertools import pairwise
from typing import Protocol, TypeVar


class InvalidReferenceTable(ValueError):
    """A reference table breaks a rule of its own; the hub must not start on it.

    `row` is the line in the file, counted from 1; 0 means the whole file.
    """

    def __init__(self, table: str, row: int, field: str, reason: str) -> None:
        super().__init__(f"{table} line {row}, {field}: {reason}")
        self.table = table
        self.row = row
        self.field = field
        self.reason = reason


class Dated(Protocol):
    """A row that holds from its first day until the day before `valid_to`, or for good where that is None."""

    @property
    def valid_from(self) -> date:
        """The first day."""

    @property
    def valid_to(self) -> date | None:
        """The day from which the row no longer holds, None where it is open."""


Row = TypeVar("Row")
DatedRow = TypeVar("DatedRow", bound=Dated)
Key = TypeVar("Key")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Cells:
    """The cells of one row, read by column name; a reader that finds a cell wrong raises InvalidReferenceTable."""

    __slots__ = ("_cells", "row", "table")

    def __init__(self, table: str, row: int, cells: dict[str, str]) -> None:
        self.table = table
        self.row = row
        self._cells = cells

    def refuse(self, field: str, reason: str) -> InvalidReferenceTable:
        """Returns the error that refuses this row for the field."""
        return InvalidReferenceTable(self.table, self.row, field, reason)

    def text(self, field: str) -> str:
        """Returns the cell as it is, possibly empty."""
        return self._cells[field]

    def name(self, field: str) -> str:
        """Returns the cell, which must not be empty."""
        if not self._cells[field]:
            raise self.refuse(field, "EMPTY")
        return self._cells[field]

    def matching(self, field: str, pattern: re.Pattern[str]) -> str:
        """Returns the cell, which the pattern must match in full."""
        if not pattern.fullmatch(self._cells[field]):
            raise self.refuse(field, "SHAPE")
        return self._cells[field]

    def one_of(self, field: str, known: Collection[str]) -> str:
        """Returns the cell, which must be one of the known values."""
        if self._cells[field] not in known:
            raise self.refuse(field, "UNKNOWN")
        return self._cells[field]

    def items(self, field: str, known: Collection[str] | None = None) -> tuple[str, ...]:
        """Returns the parts between semicolons, none of them empty and each known where `known` is given."""
        parts = tuple(self._cells[field].split(";")) if self._cells[field] else ()
        if "" in parts:
            raise self.refuse(field, "EMPTY_ITEM")
        if known is not None and not all(part in known for part in parts):
            raise self.refuse(field, "UNKNOWN")
        return parts

    def day(self, field: str) -> date:
        """Returns the cell as a day written YYYY-MM-DD."""
        written = self.matching(field, _DAY)
        try:
            return date.fromisoformat(written)
        except ValueError:
            raise self.refuse(field, "NO_SUCH_DAY") from None

    def valid_to(self) -> date | None:
        """Returns the day from which the row no longer holds, after `valid_from`, or None where it is open."""
        if not self._cells["valid_to"]:
            return None
        ends_on = self.day("valid_to")
        if ends_on <= self.day("valid_from"):
            raise self.refuse("valid_to", "NOT_AFTER_VALID_FROM")
        return ends_on


def read_table(table: str, content: bytes, columns: tuple[str, ...], read_row: Callable[[Cells], Row]) -> list[tuple[Cells, Row]]:
    """Reads a table's bytes into rows in file order, each with its cells so that later checks can name them."""
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise InvalidReferenceTable(table, 0, "file", "NOT_UTF_8") from None
    parsed = [(number, next(csv.reader([line]))) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not parsed or tuple(parsed[0][1]) != columns:
        raise InvalidReferenceTable(table, parsed[0][0] if parsed else 0, "header", "COLUMNS")
    rows = []
    for number, values in parsed[1:]:
        if len(values) != len(columns):
            raise InvalidReferenceTable(table, number, "row", "CELLS")
        cells = Cells(table, number, dict(zip(columns, values, strict=True)))
        rows.append((cells, read_row(cells)))
    return rows


def is_named(pattern: str, scenario: str) -> bool:
    """Whether a scenario, or a group such as MED.*, names a scenario or a smaller group."""
    return scenario == pattern or (pattern.endswith(".*") and scenario.startswith(pattern[:-1]))


def versions_by_key(rows: Iterable[tuple[Cells, DatedRow]], key: Callable[[DatedRow], Key]) -> dict[Key, tuple[DatedRow, ...]]:
    """Groups dated rows by key, earliest first; refuses a row that overlaps the one before it or leaves a gap."""
    grouped: dict[Key, list[tuple[Cells, DatedRow]]] = {}
    for cells, row in rows:
        grouped.setdefault(key(row), []).append((cells, row))
    for versions in grouped.values():
        versions.sort(key=lambda version: version[1].valid_from)
        for (_, earlier), (cells, later) in pairwise(versions):
            if earlier.valid_to is None or earlier.valid_to > later.valid_from:
                raise cells.refuse("valid_from", "OVERLAP")
            if earlier.valid_to < later.valid_from:
                raise cells.refuse("valid_from", "GAP")
    return {name: tuple(row for _, row in versions) for name, versions in grouped.items()}


def in_force(versions: Iterable[DatedRow], on: date) -> DatedRow | None:
    """Returns the version that holds on the day, or None."""
    for row in versions:
        if row.valid_from <= on and (row.valid_to is None or on < row.valid_to):
            return row
    return None
