"""`hub scenarios`: an embedded hub in a directory that goes away again, every scenario over gRPC, a table, one line of JSON."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hub.child import Child, python
from hub.domain.errors import HubError
from hub.journal.logins import app_login
from hub.journal.migrate import migrate
from hub.postgres.server import discard, running
from hub.scenarios.on_postgres import register
from hub.scenarios.over_grpc import OverGrpc
from hub.scenarios.page import page_of
from hub.scenarios.reading import ScenariosMissing, read_directory
from hub.scenarios.running import Result, run_all

PAGE = Path("docs/scenarios.md")


class HubNotStarted(HubError):
    """The hub for the scenarios did not start; run `hub serve` to see why."""


def run_scenarios(directory: Path, report: Callable[[str, int, int], None], screen: Console) -> int:
    """Runs the scenarios of a directory and returns the exit code: 0 if all passed; its last line of output is JSON."""
    scenarios = read_directory(directory)
    with _hub(screen) as way:
        results = run_all(way, scenarios, lambda done: report("情景 scenarios", done, len(scenarios)))
    return tell(results, screen)


def tell(results: list[Result], screen: Console) -> int:
    """Prints what became of the scenarios and returns the exit code."""
    failed = [result for result in results if result.problems]
    screen.print(_table(results))
    answer = {
        "passed": len(results) - len(failed),
        "failed": len(failed),
        "failures": [{"file": result.scenario.file, "problems": result.problems} for result in failed],
    }
    print(json.dumps(answer, ensure_ascii=False), flush=True)  # noqa: T201 (the answer of the command)
    return 1 if failed else 0


def write_page(directory: Path) -> Path:
    """Writes the page of the scenarios of a directory and returns its path; raises ScenarioInvalid or ScenariosMissing."""
    if not PAGE.parent.is_dir():
        raise ScenariosMissing(f"{PAGE.parent}; 请在源代码目录中运行 run in a source tree")
    PAGE.write_text(page_of(read_directory(directory)), encoding="utf-8")
    return PAGE


@contextlib.contextmanager
def _hub(screen: Console) -> Iterator[OverGrpc]:
    """Starts a hub with its projections on an embedded database of its own and removes both at the end."""
    screen.print("启动内置数据库与枢纽 … starting an embedded database and a hub")
    data_dir = Path(tempfile.mkdtemp(prefix="hub-scenarios-"))
    try:
        with running(data_dir) as owner:
            migrate(owner)
            dsn = app_login(owner)
            register(dsn)
            with _served(dsn, data_dir) as target:
                way = OverGrpc(target, dsn, data_dir)
                try:
                    yield way
                finally:
                    way.close()
    finally:
        discard(data_dir)
        shutil.rmtree(data_dir, ignore_errors=True)


@contextlib.contextmanager
def _served(dsn: str, data_dir: Path) -> Iterator[str]:
    """Runs `hub serve` with the projections beside it and yields its address."""
    command = python("hub.cli", "serve", "--listen", "127.0.0.1:0", "--project")
    with (data_dir / "serve.log").open("wb") as log:
        child = Child(command, {**os.environ, "HUB_DSN": dsn, "HUB_DATA_DIR": str(data_dir)}, stderr=log)
    try:
        line = child.first_line()
        if not line.startswith("listening on"):
            raise HubNotStarted
        yield line.split()[-1]
    finally:
        child.stop()


def _table(results: list[Result]) -> Table:
    table = Table("", "情景 scenario", "标题 title", "问 asked")
    for scenario, problems in results:
        mark = "✗" if problems else "✓"
        table.add_row(mark, scenario.id, f"{scenario.title_zh}\n{scenario.title_en}", str(len(scenario.when)))
        for problem in problems:
            table.add_row("", "", f"[red]{problem}[/red]", "")
    return table
