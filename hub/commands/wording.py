"""How commands say things: the comparison of views, instants, and a screen that cuts nothing off."""

import sys
from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.table import Column, Table

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
    """A console as wide as the terminal; lines that go into a file are not folded."""
    return Console() if sys.stdout.isatty() else Console(width=220)


def table(*columns: Column) -> Table:
    """A table of rows of several lines."""
    return Table(*columns, box=box.HORIZONTALS, show_edge=False, show_lines=True, pad_edge=False, collapse_padding=True)


def whole(heading: str) -> Column:
    """A column that gives up no character where others can still be folded: for ids, names and instants."""
    return Column(heading, no_wrap=True, overflow="fold")


def folded(heading: str) -> Column:
    """A column whose text goes on in the next line."""
    return Column(heading, overflow="fold")
