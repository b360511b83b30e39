"""`hub open-data`: figures of the reports for the joint meeting as a folder for anybody, and a check of such a folder."""

import json
from pathlib import Path
from typing import Annotated

import typer

from hub.commands.database import database
from hub.commands.officer_desk import refusals
from hub.commands.options import Json
from hub.config import Config
from hub.journal.sessions import session
from hub.open_data import folder as folders

app = typer.Typer(help="开放数据：写出文件夹、核对。Open data: write the folder, check one.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(file_okay=False, help="文件夹。The folder.")]
LICENCE = "https://creativecommons.org/licenses/by/4.0/"


@app.command("write")
def write(
    folder: Folder,
    licence: Annotated[str, typer.Option(help="许可协议网址，由联席会议决定。Address of the licence.")] = LICENCE,
    as_json: Json = False,
) -> None:
    """写出联席会议报告已公布的数字；再写一次不变。Write what reports for the joint meeting showed; again it is the same."""
    with database(Config()) as dsn, session(dsn, "hub_reader", "hub-open-data") as connection, refusals():
        done = folders.write(connection, folder, _checked(licence))
    if as_json:
        typer.echo(json.dumps({"files": done.files, "withheld": list(done.withheld)}, ensure_ascii=False))
        return
    typer.echo(f"✓ {folder}: {sum(done.files.values())} / {len(done.files)} 个文件已写 files written")
    for one in done.withheld:
        typer.echo(f"  {one}: 不公布，与已公布的一起可推算出少数人 withheld: with what is published a few could be computed")


@app.command("check")
def check(folder: Folder, as_json: Json = False) -> None:
    """按目录核对文件夹，无须数据库。Check a folder by its catalogue, without a database."""
    with refusals():
        wrong = folders.check(folder)
    if as_json:
        typer.echo(json.dumps({"wrong": wrong}))
    else:
        typer.echo("\n".join(f"✗ {path}: 缺失、被改动或目录中没有 missing, altered or not in it" for path in wrong) or f"✓ {folder}")
    if wrong:
        raise typer.Exit(1)


def _checked(licence: str) -> str:
    place = licence.removeprefix("https://")
    if place in ("", licence) or not licence.isascii() or any(one.isspace() or one in '<>"{}|\\^`' for one in licence):
        raise typer.BadParameter(f"不是网址 no address: {licence}；如 such as {LICENCE}", param_hint="--licence")
    return licence
