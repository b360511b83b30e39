"""The commands `hub export`: the journal as Parquet segments, and their verification."""

import json
from pathlib import Path
from typing import Annotated

import typer

from hub.commands.database import database
from hub.commands.options import Json
from hub.commands.priority import give_way
from hub.commands.progress import announced, progress
from hub.config import Config
from hub.export.verifying import verify
from hub.export.writing import NICENESS
from hub.export.writing import export as export_to
from hub.journal.sessions import session
from hub.lanes import columns

app = typer.Typer()


@app.callback(invoke_without_command=True)
def export(
    context: typer.Context,
    to: Annotated[Path | None, typer.Option("--to", help="目录；已有则接着写。Directory; an export there goes on.")] = None,
    upto: Annotated[int | None, typer.Option(min=1, help="导出到此位置，默认日志末尾。Up to this position, the head if absent.")] = None,
    as_json: Json = False,
) -> None:
    """导出：把日志写成 Parquet 分段；运行中也可，只补新增，中断后接着写。Write the journal as Parquet segments, only what is new."""
    if context.invoked_subcommand is not None:
        return
    if to is None:
        typer.echo(context.get_help())
        return
    give_way(NICENESS)
    with database(Config()) as dsn, announced(dsn, "export") as report:
        done = export_to(dsn, to, upto, report)
        columns_bytes = columns.bring(to, report)
    said = {
        "position": done.manifest.position,
        "new_positions": done.new_positions,
        "written_bytes": done.written_bytes,
        "columns_bytes": columns_bytes,
    }
    typer.echo(
        f"✓ 位置 position {done.manifest.position:,}，新增 new {done.new_positions:,}，写出 written {done.written_bytes:,} bytes，"
        f"列 columns {columns_bytes:,} bytes，"
        f"分段 segments {len(done.manifest.segments)}"
    )
    if as_json:
        typer.echo(json.dumps({**said, "segments": len(done.manifest.segments)}))


@app.command("verify")
def export_verify(
    directory: Annotated[Path, typer.Argument(help="导出的目录。The directory of the export.")],
    journal: Annotated[bool, typer.Option(help="也与日志比对。Compare with the journal, too.")] = True,
    as_json: Json = False,
) -> None:
    """核对：分段与其摘要、与日志逐行比对。Compare the segments with their digests and, row by row, with the journal."""
    give_way(NICENESS)
    if journal:
        with database(Config()) as dsn, announced(dsn, "verify") as report, session(dsn, "hub_reader", "hub-export") as connection:
            verified = verify(directory, connection, report)
    else:
        with progress() as report:
            verified = verify(directory, report=report)
    columns.check(directory)
    typer.echo(
        f"✓ 位置 position {verified.position:,}，分段 segments {verified.segments}，"
        f"与日志比对 compared with the journal {verified.with_journal}"
    )
    if as_json:
        typer.echo(json.dumps(verified._asdict()))
