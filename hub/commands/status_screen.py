"""How `hub status` looks: Chinese with English beside it; colours and signs only on a terminal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hub.commands.probe import Answer
from hub.commands.wording import folded
from hub.domain.instants import LOCAL
from hub.domain.participant import PREFIX
from hub.monitoring.vitals import DECIDING, LATE_S, StandbyVitals, Vitals

WIDTH = 130
STANDBY_LATE_S = 10.0
GIB, MIB = 1024**3, 1024**2
_NO_ANSWER = "`hub serve` 在运行吗 is it running? 地址不同则用 --target 或 HUB_LISTEN at another address: --target or HUB_LISTEN."


@dataclass(slots=True)
class Status:
    """What was found: the running hub's answer, the database's vitals or why there are none, how long certificates run, who has no role."""

    hub: Answer
    vitals: Vitals | None = None
    database_problem: str = ""
    certificate_days: dict[str, float] = field(default_factory=dict)
    without_roles: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether the hub is ready and its database answers."""
        return self.hub.is_ready and not self.database_problem

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            "ready": self.hub.is_ready,
            "hub": asdict(self.hub),
            "database_problem": self.database_problem,
            "certificate_days": {name: round(days, 1) for name, days in self.certificate_days.items()},
            "participants_without_roles": self.without_roles,
            "vitals": None if self.vitals is None else asdict(self.vitals),
        }


def show(found: Status, *, is_terminal: bool) -> None:
    """Prints the screen."""
    screen = _Screen(is_terminal)
    _show_hub(screen, found)
    if found.database_problem:
        screen.line("数据库 database", found.database_problem, is_good=False)
    if found.vitals is not None:
        _show_vitals(screen, found.vitals)
    if found.certificate_days:
        ends = sorted(found.certificate_days.items(), key=lambda item: item[1])
        text = "，".join(f"{name} {days:.0f} 天 d" for name, days in ends)
        screen.line("证书 certificates", text, is_good=ends[0][1] > 30)
    if found.without_roles:
        screen.line("无角色的参与方 participants without roles", ", ".join(found.without_roles), is_good=False)
    if found.vitals is not None:
        screen.table(_views(screen, found.vitals))
        screen.table(_feeds(found.vitals))


class Line(NamedTuple):
    """A line about a standby."""

    label: str
    text: str
    is_good: bool


def standby_lines(standbys: Sequence[StandbyVitals], follows_s: float | None, *, lacks_standby: bool) -> list[Line]:
    """Says of each standby how it is, and of a database that is one how far it is behind."""
    lines = []
    if follows_s is not None:
        text = f"只读备库，落后 a standby that only reads, {duration(follows_s)} behind its primary"
        lines.append(Line("备库 standby", text, follows_s <= LATE_S))
    if lacks_standby:
        text = "提交在等待同步备库，而它不在 commits wait for a synchronous standby and none is there"
        lines.append(Line("备库 standby", text, is_good=False))
    for standby in standbys:
        waits = "同步 synchronous" if standby.waits else "异步 asynchronous"
        state = {"away": "不在 away", "streaming": "正在接收 streaming"}.get(standby.state, standby.state)
        if standby.is_lost:
            state = "主库已不保留它所缺的日志 lost: the primary no longer keeps what it lacks"
        since = "" if standby.lag_s is None else f"，{duration(standby.lag_s)}"
        text = f"{standby.name}: {state}，{waits}，落后 behind by {standby.behind_bytes / MIB:,.1f} MiB{since}"
        is_good = standby.state == "streaming" and (standby.lag_s or 0) <= STANDBY_LATE_S
        lines.append(Line("备库 standby", text, is_good))
    return lines


class _Screen:
    """Where it is printed."""

    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal = is_terminal
        self._console = Console(highlight=False) if is_terminal else Console(width=WIDTH, no_color=True, highlight=False)

    def line(self, label: str, text: str, *, is_good: bool | None = None) -> None:
        """Prints one line; *is_good* None is neither good nor bad."""
        mark, style = {True: ("✓ ", "green"), False: ("✗ ", "bold red"), None: ("  ", "")}[is_good]
        line = Text(mark if self.is_terminal else "", style=style)
        self._console.print(line.append(f"{label}: ", style="bold").append(text, style=style), soft_wrap=True)

    def table(self, table: Table) -> None:
        """Prints a table."""
        self._console.print(table)

    def late(self, text: str, is_late: bool) -> str:
        """Marks what is late on a terminal."""
        return f"[bold red]{text}[/]" if is_late and self.is_terminal else text


def _show_hub(screen: _Screen, found: Status) -> None:
    hub = found.hub
    if hub.problem:
        screen.line("枢纽 hub", f"{hub.target} 无应答 does not answer: {hub.problem}", is_good=False)
        screen.line("  →", f"{_NO_ANSWER}", is_good=None)
    for service, is_ready in hub.services.items():
        reason = hub.reasons.get(service, "")
        text = "就绪 ready" if is_ready else f"未就绪 NOT READY {reason}".rstrip()
        screen.line(service.rpartition(".")[2], text, is_good=is_ready)


def _show_vitals(screen: _Screen, vitals: Vitals) -> None:
    at = "—" if vitals.recorded_at is None else vitals.recorded_at.astimezone(LOCAL).isoformat(sep=" ", timespec="seconds")
    screen.line("位置 position", f"{vitals.position:,}，最近提交 last commit {at}，预建分区 partitions ahead {vitals.partitions_ahead}")
    database, clock = vitals.database, vitals.clock
    used = sum(database.connections.values())
    screen.line(
        "数据库 database",
        f"{database.size_bytes / GIB:.2f} GiB，连接 connections {used} / {database.connections_max}，"
        f"最老快照 oldest snapshot {'看不到 not seen' if database.oldest_snapshot_s is None else f'{database.oldest_snapshot_s:.0f} s'}",
    )
    latest = max((view for view in vitals.views if view.name in DECIDING), key=lambda view: view.lag_s, default=None)
    if latest is not None:
        text = f"答复所据视图滞后 those that answers rest on lag {duration(latest.lag_s)}（{latest.name}）"
        screen.line("视图 views", text, is_good=latest.lag_s <= LATE_S)
    for text in sorted({view.waits_for for view in vitals.views if view.waits_for}):
        names = ", ".join(view.name for view in vitals.views if view.waits_for == text)
        screen.line("视图等待归档的分段 views wait for an archived segment", f"{names}: {text}", is_good=False)
    log = vitals.log
    sealed = f"已封存至位置 sealed to position {log.size - 1:,}（{log.origin}）" if log.size else "尚未封存 nothing sealed yet"
    tail = f"，未封存 not sealed {log.unsealed_events:,}，{duration(log.unsealed_s)}" if log.unsealed_events else ""
    screen.line("可验证日志 log", sealed + tail, is_good=not log.is_late)
    for line in standby_lines(vitals.standbys, vitals.follows_s, lacks_standby=vitals.lacks_standby):
        screen.line(line.label, line.text, is_good=line.is_good)
    free = "—" if vitals.disk_free_bytes is None else f"{vitals.disk_free_bytes / GIB:.1f} GiB"
    screen.line("磁盘 disk", f"剩余 free {free}")
    screen.line("时钟 clock", f"本机与数据库之差 this machine's minus the database's {clock.drift_s:+.3f} s ± {clock.uncertainty_s:.3f}")


def _views(screen: _Screen, vitals: Vitals) -> Table:
    headings = ("视图 view", "用于答复 for answers", "位置 position", "落后 events behind", "滞后 lag", "搁置 parked", "重建 rebuild")
    table = Table(*map(folded, headings))
    for view in vitals.views:
        verified = {None: "未比对 not yet", True: "一致 equal", False: "不同 DIFFERS"}[view.is_equal]
        table.add_row(
            view.name,
            "是 yes" if view.name in DECIDING else "",
            f"{view.position:,}",
            f"{view.lag_events:,}",
            screen.late(duration(view.lag_s), view.is_late),
            screen.late(f"{view.parked:,}", view.parked > 0),
            screen.late(verified, view.is_equal is False),
        )
    return table


def _feeds(vitals: Vitals) -> Table:
    table = Table(*map(folded, ("数据流 feed", "归属 owner", "最后编号 last", "静默 silence", "隔离 quarantined")))
    for feed in vitals.feeds:
        silence = "—" if feed.silence_s is None else duration(feed.silence_s)
        table.add_row(feed.name, feed.owner.removeprefix(PREFIX), f"{feed.last_sequence:,}", silence, f"{feed.quarantined:,}")
    return table


def duration(seconds: float) -> str:
    """Says a duration in the largest unit that fits."""
    for size, unit in ((86_400, "天 d"), (3_600, "时 h"), (60, "分 min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} 秒 s"
