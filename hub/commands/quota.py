"""The command `hub participants quota`: what a participant may ask of each edge, shown and changed without a restart."""

import contextlib
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hub.admin.registry import change_quota
from hub.commands.database import database
from hub.commands.wording import folded
from hub.config import Config
from hub.domain.participant import PREFIX
from hub.domain.quota import Quota
from hub.journal.recorder import AggregateStore

MOST = 10_000_000
MEANINGS = {
    "calls_per_s": "每秒调用数 calls a second",
    "events_per_s": "每秒事件数 events a second",
    "calls_at_once": "同时处理的调用 calls under way at once",
    "streams_at_once": "同时打开的流 streams open at once",
    "misses_per_min": "每分钟问及未知卡 questions a minute about unknown cards",
}


def quota(
    name: Annotated[str, typer.Argument(help="参与方名称，如 sc.card-center。Name, such as sc.card-center.")],
    calls_per_s: Annotated[
        int | None, typer.Option(min=0, max=MOST, help="每秒调用数，0 为默认。Calls a second, 0 for the default.")
    ] = None,
    events_per_s: Annotated[
        int | None, typer.Option(min=0, max=MOST, help="每秒事件数，0 为默认。Events a second, 0 for the default.")
    ] = None,
    calls_at_once: Annotated[
        int | None, typer.Option(min=0, max=MOST, help="同时处理的调用数，0 为默认。Calls under way at once, 0 for the default.")
    ] = None,
    streams_at_once: Annotated[
        int | None, typer.Option(min=0, max=MOST, help="同时打开的流数，0 为默认。Streams open at once, 0 for the default.")
    ] = None,
    misses_per_min: Annotated[
        int | None, typer.Option(min=0, max=MOST, help="每分钟问及未知卡，0 为默认。Unknown cards asked about a minute, 0 for the default.")
    ] = None,
) -> None:
    """配额：查看或修改参与方的配额，两秒内生效。Show or change a participant's quota; every edge follows within two seconds."""
    given = {
        "calls_per_s": calls_per_s,
        "events_per_s": events_per_s,
        "calls_at_once": calls_at_once,
        "streams_at_once": streams_at_once,
        "misses_per_min": misses_per_min,
    }
    changes = {limit: value for limit, value in given.items() if value is not None}
    config = Config()
    with database(config) as dsn, contextlib.closing(AggregateStore(dsn)) as store:
        own = change_quota(store, PREFIX + name.removeprefix(PREFIX), changes, datetime.now(UTC))
    table = Table(*map(folded, ("限额 limit", "现值 value", "")))
    for limit, value in own.over(Quota(**config.quota))._asdict().items():
        table.add_row(MEANINGS[limit], f"{value:,}", "" if getattr(own, limit) else "默认 default")
    Console().print(table)
