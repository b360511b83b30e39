"""The command that drives both adapters with made-up traffic: progress on a terminal, a tally at the end."""

import asyncio
import json
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from adapters.kit import AdapterError, data_home, in_words
from adapters.kit.values import LOCAL
from adapters.simulator.run import SimulationSettings, simulate
from adapters.simulator.tally import Tally


def simulation(
    inbox: Annotated[
        Path | None,
        typer.Option(show_default="HUB_DATA_DIR/chongqing/inbox", help="重庆用卡文件收件目录。Inbox of the Chongqing adapter."),
    ] = None,
    sichuan: Annotated[str, typer.Option(help="四川侧适配器地址。Address of the Sichuan adapter.")] = "http://127.0.0.1:8051",
    chongqing: Annotated[str, typer.Option(help="重庆侧适配器地址。Address of the Chongqing adapter.")] = "http://127.0.0.1:8050",
    sichuan_keys: Annotated[
        Path | None,
        typer.Option(
            show_default="HUB_DATA_DIR/sichuan/keys",
            help="四川侧密钥目录，含省平台私钥。Sichuan's keys, the province's private key among them.",
        ),
    ] = None,
    chongqing_secret: Annotated[
        Path | None,
        typer.Option(
            show_default="HUB_DATA_DIR/chongqing/keys/card-service.secret",
            help="重庆侧校验码密钥文件。File with the secret of Chongqing's 校验码.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="随机种子：同种子同起点，内容相同。Same seed and start, same content.")] = 1,
    events: Annotated[int, typer.Option(min=0, help="事件总数，0 为不限。Events in total, 0 for no end.")] = 20_000,
    rate: Annotated[float, typer.Option(min=0, help="每秒事件数，0 为尽快。Events a second, 0 for no limit.")] = 0.0,
    start: Annotated[datetime | None, typer.Option(help="起点（本地时间），默认 25 小时前。Local start, 25 hours ago by default.")] = None,
    told: Annotated[Path | None, typer.Option(help="逐行记录两省所得答复的文件。File for the answers that the provinces got.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="以 JSON 输出结果。Print the tally as JSON.")] = False,
) -> None:
    """模拟两省用卡与卡管业务，驱动两侧适配器。Drives both adapters with made-up traffic of both provinces."""
    begin = start.replace(tzinfo=LOCAL) if start and start.tzinfo is None else start
    homes = data_home("sichuan"), data_home("chongqing")
    keys, secret = sichuan_keys or homes[0] / "keys", chongqing_secret or homes[1] / "keys" / "card-service.secret"
    settings = SimulationSettings(
        inbox or homes[1] / "inbox", keys, secret, sichuan, chongqing, seed=seed, events=events, rate=rate, start=begin, told=told
    )
    shown = sys.stderr.isatty()
    try:
        tally = asyncio.run(_until_signal(settings, shown=shown))
    except AdapterError as error:
        typer.echo(in_words(error), err=True)
        raise typer.Exit(1) from error
    if shown:
        typer.echo("", err=True)
    typer.echo(json.dumps(tally.as_json(), ensure_ascii=False) if as_json else report(tally))
    if tally.surprises or not tally.settled:
        raise typer.Exit(1)


async def _until_signal(settings: SimulationSettings, *, shown: bool) -> Tally:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await simulate(settings, stop, _show if shown else lambda _: None)


def _show(tally: Tally) -> None:
    rate = tally.events_total / tally.seconds if tally.seconds else 0.0
    line = f"事件 events {tally.events_total:,} / {tally.planned_events:,}  {rate:,.0f}/s"
    typer.echo(f"\r{line}  隔离 quarantined {tally.quarantined}   ", nl=False, err=True)


def report(tally: Tally) -> str:
    """Returns the tally for people."""

    def listed(counter: dict[str, int]) -> str:
        return "、".join(f"{name} {number:,}" for name, number in sorted(counter.items())) or "—"

    rate = tally.events_total / tally.seconds if tally.seconds else 0.0
    return "\n".join((
        f"起点 start            {tally.start}（种子 seed {tally.seed}）",
        f"报送记录 records       {sum(tally.records.values()):,}，报文 messages {sum(tally.messages.values()):,}",
        f"事件 events           {tally.events_total:,}（{listed(tally.events)}）",
        f"用时 seconds          {tally.seconds:.1f}（{rate:,.0f} 事件/秒 events/s）",
        f"适配器拒收 refused      {listed(tally.refused)}",
        f"文件拒收 refused files   {tally.files_refused}，拒收行 refused lines {tally.lines_refused}",
        f"枢纽隔离 quarantined    {tally.quarantined}（计划 planned {tally.planned_quarantined}）",
        f"植入差错 planted       {listed(tally.planted)}",
        f"全部确认 all in hub    {'是 yes' if tally.settled else '否 no'}",
        *(f"意外 unexpected        {text}" for text in tally.surprises),
    ))  # fmt: skip
