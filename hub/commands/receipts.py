"""`hub receipts`: the keys that sign receipts, the receipt of a number made again, and digests that the owner of a feed can open."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from hub.admin import receipts as desk
from hub.commands.database import database
from hub.commands.login import acting
from hub.config import Config
from hub.domain.instants import LOCAL
from hub.journal.reader import reading
from hub.journal.receipts import known_keys, log_origin, opened_after, receipt_for
from hub.journal.recorder import AggregateStore
from hub.trust.receipt_keys import open_receipt_keys

app = typer.Typer(
    help="回执：签发密钥、重开回执、摘要可开启。Receipts: keys that sign them, one made again, digests that open.", no_args_is_help=True
)


@app.command("key")
def show_keys(as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。Print JSON.")] = False) -> None:
    """显示回执的公钥及有效期。Show the public keys of receipts, and from when to when each is valid."""
    config = Config()
    with database(config) as dsn, reading(dsn, "hub_reader", "hub-receipts") as connection:
        origin, keys, opened = log_origin(connection, config.log_name), known_keys(connection), opened_after(connection)
    if as_json:
        rows = [
            {
                "key_id": key.key_id,
                "public_key": key.public_key.hex(),
                "valid_from": key.valid_from.isoformat(),
                "valid_until": key.valid_until and key.valid_until.isoformat(),
            }
            for key in keys
        ]
        typer.echo(json.dumps({"log": origin, "keys": rows, "digests_open_after": opened}))
        return
    typer.echo(f"日志 log: {origin}")
    for key in keys:
        until = "" if key.valid_until is None else f" 至 until {_local(key.valid_until)}"
        typer.echo(f"{key.key_id}  Ed25519  {key.public_key.hex()}  自 from {_local(key.valid_from)}{until}")
    typer.echo("摘要不可开启 digests are closed" if opened is None else f"摘要可开启，自位置 digests open after position {opened}")


@app.command()
def rotate() -> None:
    """另造一个回执密钥；各边缘节点重启后用它签发。Make a further key; an edge signs with it once it is started again."""
    config = Config()
    with _store(config) as store:
        key = desk.rotate(store, config.keys_dir, _now())
    typer.echo(f"新密钥 new key {key.id}: {key.public.hex()}")
    typer.echo("下一步 next: 重启各 `hub serve`，再 restart each `hub serve`, then: hub receipts retire OLD --reason ROTATED")


@app.command()
def retire(
    key: Annotated[str, typer.Argument(help="密钥编号。Id of the key.")],
    reason: Annotated[str, typer.Option(help="原因代码，如 ROTATED。Reason code, such as ROTATED.")],
) -> None:
    """停用旧密钥：此后的回执不再有效，先前的仍有效。End a former key: receipts that say a later time are none; earlier ones stay valid."""
    with _store(Config()) as store:
        desk.retire(store, key, reason, _now())
    typer.echo(f"{key}: 已停用 retired ({reason})")


@app.command()
def show(
    feed: Annotated[str, typer.Argument(help="数据流。Feed.")],
    sequence: Annotated[int, typer.Argument(min=1, help="编号。Number in it.")],
) -> None:
    """重开一个编号所在批次的回执。Make the receipt of the batch again in which a number came."""
    config = Config()
    with database(config) as dsn, reading(dsn, "hub_reader", "hub-receipts") as connection:
        given = receipt_for(connection, open_receipt_keys(config.keys_dir), log_origin(connection, config.log_name), feed, sequence)
    typer.echo(f"{given.text}signature {given.signature.hex()}")
    if given.sent.key_id:
        typer.echo(f"报送方签名 signed by its sender: key {given.sent.key_id} signature {given.sent.signature.hex()}")


@app.command("open-digests")
def open_digests() -> None:
    """使摘要可由各数据流所有者开启；先停所有边缘节点。Let owners of feeds open digests from here on; stop every edge first."""
    config = Config()
    with database(config) as dsn:
        desk.open_digests(dsn, open_receipt_keys(config.keys_dir), acting(""), _now())
    typer.echo("摘要自此可开启 digests can be opened from here on")


@contextlib.contextmanager
def _store(config: Config) -> Iterator[AggregateStore]:
    with database(config) as dsn, contextlib.closing(AggregateStore(dsn)) as store:
        yield store


def _now() -> datetime:
    return datetime.now(UTC)


def _local(instant: datetime) -> str:
    return instant.astimezone(LOCAL).isoformat(timespec="seconds")
