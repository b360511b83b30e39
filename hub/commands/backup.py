"""The commands `hub backup` and `hub restore`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hub.backup.restoring import read_backup
from hub.backup.restoring import restore as restore_into
from hub.backup.writing import NICENESS, back_up
from hub.commands.database import database
from hub.commands.options import Json
from hub.commands.priority import give_way
from hub.commands.progress import announced, progress
from hub.commands.wording import views_in_words
from hub.config import Config


def backup(
    directory: Annotated[Path, typer.Argument(help="备份目录；已有备份则只补新增。Where to; a backup there is brought up to date.")],
    as_json: Json = False,
) -> None:
    """备份：运行中也可备份日志与保险库，不含密钥与视图。Back up journal and vault of a running hub; neither keys nor views."""
    give_way(NICENESS)
    # Not migrated: the backup before an upgrade is of what was there before it.
    with database(Config(), migrated=False) as dsn, announced(dsn, "backup") as report:
        done = back_up(dsn, directory, report)
    manifest = done.manifest
    typer.echo(
        f"✓ 位置 position {manifest.position:,}，新增 new {done.new_positions:,}，写出 written {done.written_bytes:,} bytes，"
        f"分段 segments {len(manifest.segments)}"
    )
    if as_json:
        said = {"position": manifest.position, "recorded_at": manifest.recorded_at.isoformat(), "run": manifest.run}
        counts = {"segments": len(manifest.segments), "new_positions": done.new_positions, "written_bytes": done.written_bytes}
        typer.echo(json.dumps({**said, **counts}))


def restore(
    directory: Annotated[Path, typer.Argument(help="备份目录。The directory of a finished backup.")],
    erasures: Annotated[
        Path | None,
        typer.Option(help="较新备份的 erasures.json：其后删除的也删除。erasures.json of a later backup."),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="已知最新的日志检查点文件，可重复；缺省则日志另起一世。Newest known checkpoint of the log, may be repeated."),
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="只校验备份文件，不恢复。Only read the backup and check every file.")] = False,
    as_json: Json = False,
) -> None:
    """恢复：把备份载入空数据库，重建视图，然后全面检查。Restore into an empty database, fold the views, check everything."""
    config = Config()
    if verify:
        with progress() as report:
            manifest = read_backup(directory, report)
        typer.echo(f"✓ 位置 position {manifest.position:,}，文件 files {len(manifest.files)}")
        return
    with database(config, migrated=False, makes=True) as dsn, progress() as report:
        restored = restore_into(dsn, directory, config.keys_dir, erasures, report, checkpoints=checkpoint or (), policy=config.log_policy)
    found = restored.checked
    for problem in found.problems:
        typer.echo(f"✗ {problem}")
    typer.echo(
        f"{'✓' if restored.is_clean else '✗'} 位置 position {restored.position:,}，{found.events:,} 个事件 events，"
        f"按清单删除 erased {restored.erased:,}，缺口 holes {found.holes}，视图 views {views_in_words(found.views)}"
    )
    for answered in restored.witnesses:
        seen = answered.seen
        unseen = answered.problem or "未见过此日志 never saw this log"
        text = unseen if seen is None else f"联署至位置 cosigned to position {seen.checkpoint.size - 1:,}"
        typer.echo(f"{'✗ ' if answered.problem else ''}见证方 witness {answered.url}: {text}")
    if restored.log_problem:
        typer.echo(f"✗ 可验证日志 log: {restored.log_problem}")
    if (log := restored.log) is not None:
        begins = f"另起一世 begins again, known to be lost 已知丢失 {log.lost:,}" if log.is_new else "接着封存 goes on"
        typer.echo(f"可验证日志 log {log.origin}: {begins}")
    if as_json:
        said = {"position": restored.position, "erased": restored.erased, "log": None if restored.log is None else restored.log._asdict()}
        typer.echo(json.dumps({**said, **asdict(found), "log_problem": restored.log_problem, "clean": restored.is_clean}))
    raise typer.Exit(0 if restored.is_clean else 1)
