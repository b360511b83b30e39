"""The command `hub demo`."""

from typing import Annotated

import typer

from hub.commands.options import Json
from hub.commands.progress import progress
from hub.config import Config
from hub.demo.run import DemoSettings, run_demo


def demo(
    events: Annotated[int, typer.Option(help="事件总数，0 为不限。Events in all, 0 for no end.")] = 0,
    rate: Annotated[int, typer.Option(help="每秒事件数，0 为尽快。Events a second, 0 for as fast as it goes.")] = 300,
    leave: Annotated[bool, typer.Option("--exit", help="跑完即退出。Leave when done.")] = False,
    as_json: Json = False,
    seed: Annotated[int, typer.Option(help="模拟随机种子。Seed of the simulation.")] = 20250101,
) -> None:
    """演示：两省原生报文 → 适配器 → 枢纽 → 互认答复。The whole main job, live, on the embedded database."""
    settings = DemoSettings(Config(), events, 0 if leave and events else rate, leave, as_json, seed)
    raise typer.Exit(run_demo(settings, progress))
