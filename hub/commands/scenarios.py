"""The command `hub scenarios`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hub.commands.options import Json
from hub.commands.progress import progress
from hub.scenarios.command import run_scenarios, write_page


def scenarios(
    as_json: Json = False,
    directory: Annotated[Path, typer.Option("--dir", help="情景文件目录。Directory of scenario files.")] = Path("tests/scenarios"),
    write_docs: Annotated[bool, typer.Option("--write-docs", help="重写 docs/scenarios.md。Write docs/scenarios.md again.")] = False,
) -> None:
    """情景：政策人员写的规则，在真实枢纽上逐一运行。Run the scenarios that policy officers write on a real hub."""
    if write_docs:
        typer.echo(write_page(directory))
        return
    with progress() as report:
        code = run_scenarios(directory, report, Console(stderr=as_json))
    raise typer.Exit(code)
