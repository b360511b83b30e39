"""The command `hub fsck`."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from hub.audit.fsck import check as check_all
from hub.commands.database import database
from hub.commands.options import Json
from hub.commands.progress import progress
from hub.commands.wording import views_in_words
from hub.config import Config
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views


def fsck(
    as_json: Json = False,
    views: Annotated[bool, typer.Option(help="把视图与重建结果比对。Compare the views with a rebuild.")] = True,
    identifiers: Annotated[bool, typer.Option(help="逐条查找明文标识。Look for identifiers in clear in every event.")] = False,
) -> None:
    """检查：日志无缺口、各来源编号连续、视图等于重建。Check journal, feeds and views."""
    with database(Config()) as dsn, progress() as report:
        with runner.connect(dsn) as connection:
            create_views(connection, PROJECTIONS)
        checked = check_all(dsn, report, with_views=views, with_identifiers=identifiers)
    for problem in checked.problems:
        typer.echo(f"✗ {problem}")
    if identifiers:
        typer.echo(
            f"{'✗' if checked.clear_identifiers else '✓'} 逐条查找了明文标识 looked into every event for identifiers in clear, "
            f"发现 found {checked.clear_identifiers}: 标识字段 their own fields; 文本中 in texts "
            "ID numbers 证号 (18, check digit), bank accounts 账号 (62…, 16-19 digits, check digit), "
            "mobile numbers 手机号 (11 digits), card numbers 卡号 (a letter and 8 digits that are no day)"
        )
    typer.echo(
        f"{'✓' if checked.is_clean else '✗'} {checked.events:,} 个事件 events, 缺口 holes {checked.holes}, "
        f"视图 views {views_in_words(checked.views)}"
    )
    if as_json:
        typer.echo(json.dumps({**asdict(checked), "clean": checked.is_clean}))
    raise typer.Exit(0 if checked.is_clean else 1)
