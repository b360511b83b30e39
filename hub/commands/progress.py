"""The progress of the commands that take a while: bars on a terminal, and the console's page of jobs."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from hub.commands.login import login
from hub.journal.announcing import Announced


@contextlib.contextmanager
def progress() -> Iterator[Any]:
    """Yields a report function (what, done, of) that draws a bar on a terminal and is silent elsewhere."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as bars:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=of)
            bars.update(tasks[what], completed=done, total=of)

        yield report


@contextlib.contextmanager
def announced(dsn: str, kind: str) -> Iterator[Any]:
    """Yields a report function as `progress` does, whose work the console lists meanwhile as one of *kind*."""
    with progress() as draw, Announced(dsn, kind, login()) as say:

        def report(what: str, done: int, of: int) -> None:
            draw(what, done, of)
            say(what, done, of)

        yield report
