"""The command `hub doctor`: examines the hub and all it needs, running, stopped or broken, and says what to do."""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.text import Text

from hub.commands.address import checked_address
from hub.commands.database import refuse_missing
from hub.commands.examinations import NOT_RUNNING, Diagnosis, Scene, examine_all
from hub.config import Config
from hub.postgres.server import EmbeddedPostgresError, attached, running

_SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "fault": ("✗", "bold red"), "skipped": ("–", "dim")}


def doctor(
    start: Annotated[
        bool,
        typer.Option(
            help="内嵌数据库未运行时启动它来检查，查完停止。Start the embedded database to examine it, if it does not run, and stop it."
        ),
    ] = False,
    target: Annotated[
        str,
        typer.Option(
            help="枢纽地址；默认为此数据目录正在运行的枢纽。Hub to look at; by default the one that runs on this data directory.",
            callback=checked_address,
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="输出一行 JSON。Print one line of JSON.")] = False,
) -> None:
    """体检：环境、密钥、证书、端口、数据库、日志、视图。Examine surroundings, keys, ports, database, journal, views."""
    with _scene(Config(), start) as scene:
        scene.target = target
        found = examine_all(scene)
    is_well = not any(one.examined.level == "fault" for one in found)
    if as_json:
        checks = [{"name": one.name, **one.examined._asdict()} for one in found]
        typer.echo(json.dumps({"well": is_well, "examinations": checks}, ensure_ascii=False))
    else:
        _show(found, sys.stdout.isatty())
    raise typer.Exit(0 if is_well else 1)


@contextlib.contextmanager
def _scene(config: Config, start: bool) -> Iterator[Scene]:
    """Finds the database, and starts the embedded one only if that is wanted."""
    if start:
        refuse_missing(config)
    with contextlib.ExitStack() as stack:
        scene = Scene(config)
        stack.callback(scene.close)
        try:
            dsn = config.dsn or attached(config.data_dir) or (stack.enter_context(running(config.data_dir)) if start else "")
            if dsn:
                scene.dsn = dsn
                scene.connection.execute("SELECT 1")
            else:
                scene.problem = NOT_RUNNING
        except (psycopg.Error, EmbeddedPostgresError, OSError) as error:
            scene.dsn, scene.problem = "", (str(error).strip().splitlines() or [type(error).__name__])[0]
        yield scene


def _show(found: list[Diagnosis], is_terminal: bool) -> None:
    console = Console(highlight=False, soft_wrap=True, no_color=not is_terminal)
    for one in found:
        sign, style = _SIGNS[one.examined.level]
        console.print(Text.assemble((f"{sign} ", style), (one.title, "bold"), ": ", one.examined.text))
        if one.examined.advice:
            console.print(Text(f"    → {one.examined.advice}", style))
    counts = {level: sum(one.examined.level == level for one in found) for level in _SIGNS}
    console.print(
        f"正常 well {counts['ok']}，提醒 warnings {counts['warning']}，故障 faults {counts['fault']}，未查 left out {counts['skipped']}"
    )
