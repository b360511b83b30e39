"""The command `hub seal`: seals the log that anybody can verify, says how far it is, and writes it as files."""

import json
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from hub.commands.database import database
from hub.commands.options import Json
from hub.commands.progress import progress
from hub.commands.projector import witnessing
from hub.commands.status_screen import duration
from hub.config import Config
from hub.domain.instants import LOCAL
from hub.journal.sessions import session
from hub.monitoring.vitals import LogVitals, read_log
from hub.telemetry.logs import set_up_logs
from hub.tlog import files, runner, store
from hub.tlog.note import encode64
from hub.tlog.runner import LogSettings
from hub.tlog.sealer import catch_up, signers
from hub.tlog.site import serving
from hub.trust.log_keys import FILES, open_log_keys


def seal(
    once: Annotated[bool, typer.Option("--once", help="把现有事件全部封存后退出，显示进度。Seal all that is recorded, then end.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="显示封存到哪里、由哪些密钥签名。How far it is sealed, and by which keys.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--to", help="把已封存部分写成文件；已有则只补新增。Write what is sealed as files, only what is new.")
    ] = None,
    as_json: Json = False,
) -> None:
    """封存可验证日志，约每秒一次。Seal the log that anybody can verify, about once a second, until stopped."""
    config = Config()
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


def _seal_once(config: Config, dsn: str) -> None:
    with progress() as report, runner.connect(dsn) as connection:
        catch_up(runner.sealer(connection, LogSettings(config.keys_dir, config.log_name)), lambda done, of: report("封存 seal", done, of))


def _say(connection: psycopg.Connection, config: Config, *, as_json: bool) -> None:
    """Prints where the log is, with the lines that a policy file has for its keys where these are on this machine."""
    log = files.log_of(connection)
    head, tail = files.head_of(connection, log), read_log(connection)
    keys = _policy_lines(config, log.origin)
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


def _policy_lines(config: Config, origin: str) -> list[str]:
    if not all((config.keys_dir / name).exists() for name in FILES):
        return []
    return [f"log {key.verifier.text}" for key in signers(open_log_keys(config.keys_dir), origin)]


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
