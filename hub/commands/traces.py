"""The command `hub traces`: what the local store kept of the last hours, as a list or one trace as a waterfall."""

import json
import re
import time
from itertools import islice
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict

from hub.commands.database import database
from hub.commands.wording import screen
from hub.config import Config
from hub.journal.sessions import session
from hub.journal.traces import traces_at
from hub.telemetry.setup import store_in
from hub.telemetry.span_store import SpanStore
from hub.telemetry.trace_search import EXAMINED, KEPT, Wanted, summaries
from hub.telemetry.waterfall import listing, waterfall


def traces(
    trace: Annotated[str, typer.Argument(help="链路编号或其开头几位。Trace id or its first digits.")] = "",
    position: Annotated[int, typer.Option(min=0, help="日志中此位置来自的链路。Those this position came from.")] = 0,
    kept: Annotated[str, typer.Option(help=f"保留原因。Only those kept for: {' '.join(KEPT)}.")] = "",
    participant: Annotated[str, typer.Option(help="参与方。Only those of a participant.")] = "",
    slower: Annotated[float, typer.Option(help="至少多少毫秒。Only those that took so many milliseconds.")] = 0.0,
    minutes: Annotated[float, typer.Option(min=0, help="最近多少分钟。Of the last so many minutes.")] = 60.0,
    everything: Annotated[bool, typer.Option("--all", help="也列出折叠、投递等后续工作。List folds and deliveries, too.")] = False,
    most: Annotated[int, typer.Option(min=1, max=EXAMINED, help="最多条数。How many at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="每条一行 JSON。One line of JSON each.")] = False,
) -> None:
    """链路：列出，或画出一条：从省级文件到答复。List traces, or draw one from a province's file to the answer."""
    if kept not in ("", *KEPT):
        raise typer.BadParameter(f"没有这种保留原因。No such reason; there are {' '.join(KEPT)}.", param_hint="--kept")
    config = Config()
    store = store_in(config.data_dir, config.trace_keep_hours, config.trace_max_bytes)
    if trace:
        _show(store, _found(store, trace), as_json)
        return
    if position:
        _show_position(store, _traces_at(config, position), as_json)
        return
    since_ns = int(time.time_ns() - minutes * 60e9)
    found = list(islice(summaries(store, since_ns, Wanted(kept, participant, slower, everything)), most))
    if as_json:
        for one in found:
            typer.echo(json.dumps({**one._asdict(), "began": one.began.isoformat()}, ensure_ascii=False))
        return
    if found:
        screen().print(listing(found))
    else:
        typer.echo(f"没有符合的链路。No such traces in {store.path}; with HUB_OTLP_ENDPOINT set they are at the collector.")


def _traces_at(config: Config, position: int) -> list[str]:
    """Returns the traces that an event may have come from: one of a decision, all of a batch of events."""
    with database(config) as dsn, session(dsn, "hub_reader", "hub-traces") as connection:
        parents = traces_at(connection, position)
    if parents is None:
        raise typer.BadParameter("日志没有这个位置。The journal has no such position.")
    if not parents:
        raise typer.BadParameter("这个位置没有记下链路。No trace is kept with this position.")
    return [parent[3:35] for parent in parents]


def _show_position(store: SpanStore, came_from: list[str], as_json: bool) -> None:
    kept = [trace_id for trace_id in map(bytes.fromhex, came_from) if store.spans(trace_id)]
    for trace_id in kept:
        _show(store, trace_id, as_json)
    if lost := len(came_from) - len(kept):
        typer.echo(f"{len(came_from)} 条链路中 {lost} 条未保留在本机。{lost} of {len(came_from)} traces are not kept here.", err=True)
    if not kept:
        raise typer.Exit(1)


def _found(store: SpanStore, trace: str) -> bytes:
    """Returns the id of the only trace that begins like this."""
    if not re.fullmatch(r"[0-9a-f]{4,32}", trace):
        raise typer.BadParameter("链路编号是 4 至 32 位十六进制数。A trace id is 4 to 32 hexadecimal digits.")
    found = store.with_prefix(trace)
    if len(found) == 1:
        return found[0]
    several = "不止一条链路以此开头，请多给几位。Several traces begin like this; give more digits."
    none = f"本机没有保留这条链路。The trace {trace} is not kept here; was it sampled, and is it recent?"
    typer.echo(several if found else none, err=True)
    raise typer.Exit(1)


def _show(store: SpanStore, trace_id: bytes, as_json: bool) -> None:

    spans = store.spans(trace_id)
    if as_json:
        for one in spans:
            typer.echo(json.dumps({"service": one.service, **MessageToDict(one.span)}, ensure_ascii=False))
        return
    screen().print(waterfall(spans, store.following(trace_id)))
