"""The command `hub rebuild`."""

from typing import Annotated

import typer

from hub.commands.database import database
from hub.commands.progress import progress
from hub.config import Config
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.projections.rebuild import rebuild as build_beside


def rebuild(
    view: Annotated[str, typer.Argument(help="视图名，all 为全部。Name of the view, or all.")],
    even_if_different: Annotated[bool, typer.Option(help="与现有不同也切换（改过投影时）。Switch even if it differs.")] = False,
) -> None:
    """旁路重建视图，比对摘要后切换。Rebuild a view beside the live one, compare digests, switch."""
    chosen = [p for p in PROJECTIONS if view in (p.name, "all")]
    if not chosen:
        raise typer.BadParameter(f"没有这个视图，可用 no such view; one of: {', '.join(p.name for p in PROJECTIONS)}, all")
    with database(Config()) as dsn, runner.connect(dsn) as connection, progress() as report:
        create_views(connection, PROJECTIONS)
        for projection in chosen:
            result = build_beside(connection, projection, even_if_different=even_if_different, report=report)
            verdict = "一致 equal" if result.is_equal else "不同 different"
            typer.echo(f"{projection.name}: 位置 position {result.position}, {verdict}, 已切换 switched, {result.fresh_digest[:16]}…")
