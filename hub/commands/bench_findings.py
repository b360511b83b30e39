"""`hub bench findings`: what the rules find in a simulated month with planted abuse."""

import json
from typing import Annotated

import typer
from rich.console import Console

from hub.bench.filling import SEED
from hub.bench.findings import measure
from hub.commands.options import Json
from hub.config import Config


def bench_findings(
    as_json: Json = False,
    events: Annotated[int, typer.Option(min=1_000, help="一个月的模拟事件数。Simulated events of the month.")] = 100_000,
    each: Annotated[int, typer.Option(min=1, max=500, help="每条规则植入的滥用数。Planted cases of abuse, of each rule.")] = 20,
    seed: Annotated[int, typer.Option(min=1, help="随机种子。What is drawn by.")] = SEED,
) -> None:
    """异常用卡：模拟一个月并植入滥用；各规则的查准、查全，每万次误报，速率。Precision and recall by rule of a month with planted abuse."""
    result = measure(Config(), events, each, Console(stderr=True).print, seed)
    typer.echo(json.dumps(result, indent=None if as_json else 2))
    raise typer.Exit(0 if result["is_as_asked"] else 1)
