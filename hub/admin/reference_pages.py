"""The reference tables as people read them: the rows of a file that are in force on a day, and what its head says of sources."""

import csv
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

import hub.domain.reference

_DIRECTORY = Path(hub.domain.reference.__file__).parent


class ReferencePage(NamedTuple):
    """A table: what its head says, its columns, and rows."""

    head: str
    columns: list[str]
    rows: list[list[str]]


@cache
def table_names() -> tuple[str, ...]:
    """Returns the names of the tables."""
    return tuple(sorted(path.stem for path in _DIRECTORY.glob("*.csv")))


@cache
def _read(name: str) -> ReferencePage:
    lines = (_DIRECTORY / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    head = " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    columns, *rows = csv.reader(line for line in lines if line and not line.startswith("#"))
    return ReferencePage(head, columns, rows)


def reference_page(name: str, on: date | None) -> ReferencePage | None:
    """Returns a table with the rows of a day, None for all of them; None if there is no such table."""
    if name not in table_names():
        return None
    page = _read(name)
    return page._replace(rows=list(_in_force(page, on)))


def _in_force(page: ReferencePage, on: date | None) -> Iterator[list[str]]:
    dated = [page.columns.index(name) if name in page.columns else -1 for name in ("valid_from", "valid_to")]
    for row in page.rows:
        begins, ends = (row[at] if at >= 0 else "" for at in dated)
        if on is None or ((not begins or begins <= on.isoformat()) and (not ends or on.isoformat() < ends)):
            yield row
