"""How commands say things: the comparison of views, instants, and a screen that cuts nothing off."""

import os
import sys
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Column, Table
from rich.text import Text

from hub.domain.instants import in_local


def views_in_words(views: Mapping[str, bool]) -> str:
    """Says whether each view is equal to its rebuild."""
    differing = [name for name, is_equal in views.items() if not is_equal]
    if differing:
        return f"不同 differ: {', '.join(differing)}"
    return f"全部一致 all {len(views)} equal" if views else "未比对 not compared"


def local(at_us: int) -> str:
    """Writes an instant in +08:00."""
    return in_local(at_us).isoformat(timespec="seconds")


def in_two_lines(at_us: int) -> str:
    """Writes an instant for a narrow column whose heading says +08:00."""
    return local(at_us)[:19].replace("T", "\n")


def screen() -> Console:
    """A console as wide as the terminal, or as COLUMNS says; lines that go into a file are long."""
    return Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=220)


class _Table(Table):
    """A table that cuts nothing off: where even its whole columns do not fit, their cells go on in the next line."""

    def add_row(self, *cells: RenderableType | None, **settings: Any) -> None:
        """Adds a row. A column that is not to be wrapped would be cut; what its cells say of themselves comes before that."""
        super().add_row(*map(_foldable, cells), **settings)


def _foldable(cell: RenderableType | None) -> RenderableType | None:
    if not isinstance(cell, str):
        return cell
    text = Text.from_markup(cell)
    text.no_wrap = False
    return text


def table(*columns: Column) -> Table:
    """A table of rows of several lines."""
    return _Table(*columns, box=box.HORIZONTALS, show_edge=False, show_lines=True, pad_edge=False, collapse_padding=True)


def whole(heading: str) -> Column:
    """A column that gives up no character where others can still be folded: for ids, names and instants."""
    return Column(Text(heading, no_wrap=False), no_wrap=True, overflow="fold")


def folded(heading: str) -> Column:
    """A column whose text goes on in the next line."""
    return Column(heading, overflow="fold")
