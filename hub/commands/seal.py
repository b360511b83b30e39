"""The command `hub seal`: seals the log that anybody can verify, says how far it is, and writes it as files."""

import json
import signal
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from hub.admin import log_keys
from hub.audit.keys_here import log_keys_here
from hub.commands.database import database
from hub.commands.options import Json
from hub.commands.progress import progress
from hub.commands.projector import witnessing
from hub.commands.status_screen import duration
from hub.config import Config
from hub.domain.instants import LOCAL
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.monitoring.vitals import LogVitals, read_log
from hub.telemetry.logs import set_up_logs
from hub.tlog import files, runner, store
from hub.tlog.key_book import known_sets, parties, policy_lines
from hub.tlog.note import encode64
from hub.tlog.runner import LogSettings
from hub.tlog.sealer import catch_up
from hub.tlog.site import serving


def seal(
    once: Annotated[bool, typer.Option("--once", help="把现有事件全部封存后退出，显示进度。Seal all that is recorded, then end.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="显示封存到哪里、由哪些密钥签名。How far it is sealed, and by which keys.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--to", help="把已封存部分写成文件；已有则只补新增。Write what is sealed as files, only what is new.")
    ] = None,
    take_up_keys: Annotated[
        bool,
        typer.Option("--take-up-keys", help="另造一组日志密钥，与现有的一同签名。Make further keys of the log; both sign from here on."),
    ] = False,
    retire_keys: Annotated[
        str,
        typer.Option(
            metavar="REASON", help="停用此前各组，原因代码如 ROTATED、STOLEN。End all keys of the log but the newest; the reason."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """封存可验证日志，约每秒一次。Seal the log that anybody can verify, about once a second, until stopped."""
    config = Config()
    if take_up_keys or retire_keys:
        _rotate(config, retire_keys if not take_up_keys else "")
        status = True
    if status or to or once:
        with database(config) as dsn, session(dsn, "hub_reader", "hub-log") as connection:
            if once:
                _seal_once(config, dsn)
            if to is not None:
                with progress() as report:
                    size = files.write_all(connection, files.log_of(connection), to, lambda done, of: report("写出 write", done, of))
                typer.echo(f"✓ 写出至位置 written to position {size - 1:,}: {to}")
            _say(connection, config, as_json=as_json)
        return
    set_up_logs("hub seal", config.logs_dir, config.log_keep_days, config.log_max_bytes)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with database(config, waits=True) as dsn, witnessing(config, dsn), serving(dsn, config.log_listen) as address:
        typer.echo(f"sealing{f', the log on {address}' if address else ''}")
        runner.run(dsn, stop, LogSettings(config.keys_dir, config.log_name))


def _rotate(config: Config, retire_for: str) -> None:
    """Takes up further keys, or ends the former ones for a reason, and says what is to be done next."""
    with database(config) as dsn, closing(AggregateStore(dsn)) as store:
        if retire_for:
            ended = log_keys.retire_former(store, retire_for, datetime.now(UTC))
            typer.echo(f"已停用第 {'、'.join(map(str, ended))} 组 ended: {', '.join(map(str, ended))} ({retire_for})")
            typer.echo("下一步 next: 更新各处策略文件 give everybody the policy lines below")
            return
        made = log_keys.take_up(store, config.keys_dir, datetime.now(UTC))
        typer.echo(f"已启用第 {made.number} 组 taken up: {made.number}；备份其文件 back up its files: log-*-{made.number:04d}.key")
        typer.echo("下一步 next: 更新各处策略文件，见证方 the policy lines below to everybody, each witness: hub witness log-keys;")
        typer.echo("　　　　再 then: hub seal --retire-keys REASON")


def _seal_once(config: Config, dsn: str) -> None:
    with progress() as report, runner.connect(dsn) as connection:
        catch_up(runner.sealer(connection, LogSettings(config.keys_dir, config.log_name)), lambda done, of: report("封存 seal", done, of))


def _say(connection: psycopg.Connection, config: Config, *, as_json: bool) -> None:
    """Prints where the log is, with the lines that a policy file has for its keys where these are on this machine."""
    log = files.log_of(connection)
    head, tail = files.head_of(connection, log), read_log(connection)
    keys = _policy_lines(connection, config, log.origin)
    if as_json:
        typer.echo(json.dumps(_as_json(log, head, tail, keys)))
        return
    at = head.sealed_at.astimezone(LOCAL).isoformat(sep=" ", timespec="seconds")
    typer.echo(f"可验证日志 log: {log.origin}")
    typer.echo(f"已封存至位置 sealed to position {head.size - 1:,}，{at}")
    typer.echo(f"树根 root: {encode64(head.root)}")
    typer.echo(f"未封存 not sealed: {tail.unsealed_events:,}，{duration(tail.unsealed_s)}")
    for line in keys:
        typer.echo(line)


def _policy_lines(connection: psycopg.Connection, config: Config, origin: str) -> list[str]:
    return policy_lines(parties(log_keys_here(config), known_sets(connection), origin))


def _as_json(log: store.Incarnation, head: store.Sealed, tail: LogVitals, keys: list[str]) -> dict[str, Any]:
    return {
        "incarnation": log.number,
        "origin": log.origin,
        "size": head.size,
        "root": encode64(head.root),
        "sealed_at": head.sealed_at.isoformat(),
        "unsealed_events": tail.unsealed_events,
        "unsealed_s": round(tail.unsealed_s, 3),
        "policy": keys,
    }
