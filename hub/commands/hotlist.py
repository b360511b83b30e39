"""The commands `hub hotlist`: its public key, and publishing it."""

import json
from typing import Annotated

import typer

from hub.admin.hotlist import publish
from hub.commands.database import database, refuse_missing
from hub.commands.options import Json
from hub.config import Config
from hub.domain import reference
from hub.intake.request_rules import now_us
from hub.trust.hotlist_key import open_hotlist_key
from hub.trust.keyring import open_keyring

app = typer.Typer(help="离线黑名单：供离线闸机。Offline hotlist for gates that cannot ask.")


@app.callback(invoke_without_command=True)
def hotlist_root(
    context: typer.Context,
    public_key: Annotated[bool, typer.Option("--public-key", help="打印验签公钥。Print the key that signatures are checked with.")] = False,
) -> None:
    """离线黑名单：公钥、发布。Offline hotlist: its public key, and publishing it."""
    if public_key:
        refuse_missing(config := Config())
        typer.echo(open_hotlist_key(config.keys_dir).public.hex())
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("build")
def hotlist_build(
    snapshot: Annotated[bool, typer.Option("--snapshot", help="发布全量，不发增量。Publish a snapshot even if a delta would do.")] = False,
    refolds: Annotated[bool, typer.Option("--refold", "--anew", help="从头折叠其视图。Fold its views from the beginning.")] = False,
    stale_after: Annotated[int, typer.Option(min=1, max=2_000_000_000, help="过期秒数。Seconds after which it is stale.")] = 86_400,
    as_json: Json = False,
) -> None:
    """制作并发布下一期离线黑名单。Make and publish the next epoch of the offline hotlist."""
    config = Config()
    with database(config) as dsn:
        keyring, key = open_keyring(config.keys_dir), open_hotlist_key(config.keys_dir)
        entry = publish(dsn, keyring, key, reference.load(), now_us(), as_snapshot=snapshot, refolds=refolds, stale_after_s=stale_after)
    kind = "全量 snapshot" if entry.epoch == entry.base_epoch else f"增量 delta over {entry.base_epoch}"
    typer.echo(
        f"第 {entry.epoch} 期 epoch {entry.epoch}: {kind}, 位置 position {entry.position}, "
        f"列入 listed {entry.listed:,} / {entry.issued:,}, 无法列名 unlistable {entry.unlistable}, {entry.size_bytes:,} bytes"
    )
    if as_json:
        typer.echo(json.dumps({**entry._asdict(), "digest": entry.digest.hex()}))
