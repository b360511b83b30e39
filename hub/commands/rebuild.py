"""The command `hub rebuild`."""

from pathlib import Path
from typing import Annotated

import typer

from hub.commands.database import database
from hub.commands.progress import announced
from hub.config import Config
from hub.lanes.rebuild import rebuild_from
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.projections.rebuild import Rebuilt
from hub.projections.rebuild import rebuild as build_beside


def rebuild(
    view: Annotated[str, typer.Argument(help="视图名，all 为全部。Name of the view, or all.")],
    even_if_different: Annotated[
        bool, typer.Option("--even-if-different", help="与现有不同也切换（改过投影时）。Switch even if it differs.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--from", help="`hub export` 的目录：读分段，多进程折叠。Read the segments of an export, in processes.")
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="进程数，默认每核一个。With --from; one a core if absent.")] = None,
    spark: Annotated[str, typer.Option(help="与 --from 一起：在 Spark 上折叠。With --from: a Spark master that folds.")] = "",
) -> None:
    """旁路重建视图，比对摘要后切换。Rebuild a view beside the live one, compare digests, switch."""
    chosen = [p for p in PROJECTIONS if view in (p.name, "all")]
    if not chosen:
        raise typer.BadParameter(f"没有这个视图，可用 no such view; one of: {', '.join(p.name for p in PROJECTIONS)}, all")
    if spark and export is None:
        raise typer.BadParameter("--spark 读分段，须与 --from 一起 Spark reads segments: name the export with --from")
    with database(Config()) as dsn, runner.connect(dsn) as connection, announced(dsn, "rebuild") as report:
        create_views(connection, PROJECTIONS)
        if export is None:
            for projection in chosen:
                _say(build_beside(connection, projection, even_if_different=even_if_different, report=report))
            return
        results = rebuild_from(
            dsn, export, chosen, processes=processes, spark=spark, even_if_different=even_if_different, report=report
        )  # fmt: skip
        for result in results:
            _say(result)


def _say(result: Rebuilt) -> None:
    verdict = "一致 equal" if result.is_equal else "不同 different"
    typer.echo(f"{result.view}: 位置 position {result.position}, {verdict}, 已切换 switched, {result.fresh_digest[:16]}…")
