"""The command `hub logs`: reads the access and the security log, compressed days included."""

import json
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import typer

from hub.config import Config
from hub.domain.instants import LOCAL, with_zone
from hub.telemetry.daily_log import DailyLog


def logs(
    which: Annotated[Literal["access", "security"], typer.Argument(help="哪一份：访问或安全。Which log.")],
    since: Annotated[
        str, typer.Option(help="起始时刻，默认一天前；无时区为北京时间。From when; a day ago if left out; +08:00 without an offset.")
    ] = "",
    participant: Annotated[str, typer.Option(help="只看此参与方，可只写名称。Only this participant, by its name or URN.")] = "",
    code: Annotated[str, typer.Option(help="只看此状态码或原因。Only this status code or reason, such as UNAVAILABLE.")] = "",
    trace: Annotated[str, typer.Option(help="只看此链路，可只写开头几位。Only this trace, by its id or the first digits of it.")] = "",
    most: Annotated[int, typer.Option(min=1, max=1_000_000, help="最多条数，取最新的。How many at most: the newest.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="每条一行 JSON。One line of JSON each.")] = False,
) -> None:
    """查看访问日志、安全日志（含已压缩的各日），最新在后。Read the access or the security log, the newest lines last."""
    config = Config()
    kept = DailyLog(which, config.logs_dir, config.log_keep_days, config.log_max_bytes, json.dumps)
    found = deque(
        (
            line
            for line in kept.lines(_instant(since))
            if (not participant or line.get("participant", "").rpartition(":")[2] == participant.rpartition(":")[2])
            and (not code or code in (line.get("code"), line.get("reason")))
            and line.get("trace_id", "").startswith(trace.lower())
        ),
        maxlen=most + 1,
    )
    if len(found) > most:
        found.popleft()
        typer.echo(f"只列最新 {most:,} 行，更多用 --most。Only the newest {most:,} lines; --most gives more.", err=True)
    for line in found:
        typer.echo(json.dumps(line, ensure_ascii=False) if as_json else _readable(line))
    if not found:
        typer.echo("没有符合的行 no such lines", err=True)


def _instant(since: str) -> datetime:
    if not since:
        return datetime.now(UTC) - timedelta(days=1)
    try:
        instant = datetime.fromisoformat(since)
    except ValueError:
        raise typer.BadParameter("时刻如 2026-03-03T10:05。An instant such as 2026-03-03T10:05.") from None
    return with_zone(instant).astimezone(UTC)


def _readable(line: dict[str, Any]) -> str:
    at = datetime.fromisoformat(line["time"]).astimezone(LOCAL)
    rest = (f"{name}={value}" for name, value in line.items() if name not in ("time", "service", "pid") and value != "")
    return f"{at:%Y-%m-%d %H:%M:%S.%f}+08:00 {' '.join(rest)}"
