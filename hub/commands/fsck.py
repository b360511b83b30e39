"""The command `hub fsck`."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.audit.fsck import MOST, Checked
from hub.audit.fsck import check as check_all
from hub.audit.keys_here import keyring_here, log_keys_here, trusted
from hub.audit.verdicts import keep
from hub.commands.database import database
from hub.commands.options import Json
from hub.commands.progress import announced
from hub.commands.wording import views_in_words
from hub.config import Config
from hub.domain.instants import microseconds_of
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.tlog.note import parse as parse_note


def fsck(
    as_json: Json = False,
    views: Annotated[bool, typer.Option(help="把视图与重建结果比对。Compare the views with a rebuild.")] = True,
    identifiers: Annotated[bool, typer.Option(help="逐条查找明文标识。Look for identifiers in clear in every event.")] = False,
    tlog: Annotated[bool, typer.Option("--tlog", help="重算日志树并核对签名。Build the log's tree again, check signatures.")] = False,
    policy: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="谁的签名算数（策略文件）。Whose signatures count: a policy file.")
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="他处所存检查点，可重复。A checkpoint kept elsewhere, may be repeated."),
    ] = None,
) -> None:
    """检查：日志无缺口、各来源编号连续、旁表与事件一致、视图等于重建。Check the journal, what is derived from it, and views."""
    config = Config()
    rules = trusted(config, policy)
    others = [parse_note(file.read_bytes()) for file in against or []]
    with database(config) as dsn, announced(dsn, "fsck") as report:
        with runner.connect(dsn) as connection:
            create_views(connection, PROJECTIONS)
        checked = check_all(
            dsn, report, with_views=views, with_identifiers=identifiers, with_log=tlog or policy is not None or bool(others),
            keyring=keyring_here(config), log_keys=log_keys_here(config), policy=rules, others=others,
        )  # fmt: skip
    # The console shows it; a check on a disk that is full is still a check.
    with suppress(OSError):
        keep(config.data_dir, checked, microseconds_of(datetime.now(UTC)), looked_for_identifiers=identifiers)
    for difference in checked.differences:
        typer.echo(f"✗ {difference.chinese} {difference.english} [{difference.code}]")
    for code, count in checked.codes.items():
        if count > MOST:
            typer.echo(f"✗ [{code}] 另有 and {count - MOST:,} more")
    for left_out in checked.left_out:
        typer.echo(f"– 未查 not checked: {left_out}")
    if identifiers:
        typer.echo(
            f"{'✗' if checked.clear_identifiers else '✓'} 逐条查找了明文标识 looked into every event for identifiers in clear, "
            f"发现 found {checked.clear_identifiers}: 标识字段 their own fields; 文本中 in texts "
            "ID numbers 证号 (18, check digit), bank accounts 账号 (62…, 16-19 digits, check digit), "
            "mobile numbers 手机号 (11 digits), card numbers 卡号 (a letter and 8 digits that are no day)"
        )
    typer.echo(
        f"{'✓' if checked.is_clean else '✗'} {checked.events:,} 个事件 events, 缺口 holes {checked.holes}, "
        f"视图 views {views_in_words(checked.views)}{f', 已封存 sealed {checked.sealed:,}' if checked.sealed else ''}"
    )
    if as_json:
        typer.echo(json.dumps(_as_json(checked), ensure_ascii=False))
    raise typer.Exit(0 if checked.is_clean else 1)


def _as_json(checked: Checked) -> dict[str, Any]:
    named = ("head", "events", "holes", "clear_identifiers", "views", "parked", "sealed", "problems", "codes", "left_out")
    differences = [difference.as_json() for difference in checked.differences]
    return {**{name: getattr(checked, name) for name in named}, "differences": differences, "clean": checked.is_clean}
