"""`hub bench load`, and how a measurement is given out."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from hub.bench import stock
from hub.commands.options import Json
from hub.config import Config

screen = Console(stderr=True)


def bench_load(
    as_json: Json = False,
    cards: Annotated[int, typer.Option(min=1_000, help="卡数。Cards of the stock.")] = 2_000_000,
    events_per_s: Annotated[int, typer.Option(min=0, help="装入速率；0 由枢纽定速。Pace; 0 leaves it to the hub.")] = 2_000,
    questions_per_s: Annotated[int, typer.Option(min=4, help="每秒询问数。Questions a second.")] = 100,
    before: Annotated[float, typer.Option(min=5, help="装入前询问的秒数。Seconds of questions before the load.")] = 20.0,
) -> None:
    """批量装入：装入卡表的同时作答，p99 与此前之比。A stock is loaded while questions are answered: p99 against before."""
    finish(stock.measure(Config(), cards, events_per_s, questions_per_s, before, screen.print), as_json)


def finish(result: dict[str, Any], as_json: bool) -> None:
    """Prints a result: one line of JSON, or to be read."""
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else json.dumps(result, ensure_ascii=False, indent=2))
