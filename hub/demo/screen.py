"""The demo's running picture in the terminal, and its last words."""

import time
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Column, Table

from hub.demo.questions import Questions
from hub.monitoring.vitals import LogVitals
from hub.stage import Stage


@dataclass(slots=True)
class Picture:
    """What is shown; `update` takes the newest figures. *day* is the business day of the uses, *fund_batch* the batch that is paid."""

    target: str
    metrics: str
    data_dir: str
    console: str = ""
    links: list[str] = field(default_factory=list)
    log: str = ""
    day: str = ""
    fund_batch: str = ""
    feeds: dict[str, dict[str, Any]] = field(default_factory=dict)
    head: int = 0
    behind: int = 0
    others_behind: int = 0
    rate: float = 0.0
    questions: Questions | None = None
    _last: tuple[float, int] = (0.0, 0)

    def update(self, statuses: dict[str, dict[str, Any]], positions: tuple[int, int, int], questions: Questions) -> None:
        """Takes the adapters' status, (head, what answers rest on, slowest other view) and the questions asked so far."""
        for status in statuses.values():
            self.feeds.update(status.get("feeds", {}))
        now, (head, decided, others) = time.monotonic(), positions
        if self._last[0]:
            rate = (head - self._last[1]) / (now - self._last[0])
            self.rate = 0.7 * self.rate + 0.3 * rate
        self._last, self.head, self.questions = (now, head), head, questions
        self.behind, self.others_behind = head - decided, head - others


def draw(picture: Picture) -> RenderableType:
    """Draws the picture."""
    headings = ("数据流\nfeed", "发送\nsent", "入账\nrecorded", "隔离\nquarantined", "重复\nduplicates", "待发\npending", "状态\nstate")
    feeds = Table(*(Column(heading, no_wrap=True) for heading in headings), expand=True)
    for name, feed in sorted(picture.feeds.items()):
        feeds.add_row(
            name,
            f"{feed['sent']:,}",
            f"{feed['recorded'] + feed['quarantined']:,}",
            f"{feed['quarantined']:,}",
            f"{feed['duplicates']:,}",
            f"{feed['pending']:,}",
            str(feed["state"]),
        )
    journal = (
        f"日志位置 position [b]{picture.head:,}[/b]   {picture.rate:,.0f} 事件 events/s   gRPC {picture.target}\n"
        f"未折叠 not folded: 答复所据视图 by views that answers rest on {picture.behind:,} 事件 events，"
        f"其他视图 by others {picture.others_behind:,} 事件 events"
    )
    parts: list[RenderableType] = [Panel(journal, title="川渝一卡通互通枢纽 Chuanyu exchange hub"), feeds]
    if picture.questions is not None:
        asked = picture.questions
        counts = "   ".join(f"{name} {count:,}" for name, count in asked.outcomes.most_common())
        reasons = "   ".join(f"{name} {count:,}" for name, count in asked.reasons.most_common(6))
        lines = "\n".join(asked.latest)
        said = f"{counts}\n[dim]{reasons}[/dim]\n\n{lines}"
        parts.append(Panel(said, title="互认答复 recorded answers, both directions", subtitle="Ctrl-C 结束 ends"))
    return Group(*parts)


def announce(screen: Console, picture: Picture) -> None:
    """Says where the hub and its numbers are, in a line that can be copied."""
    screen.print(f"枢纽 hub: gRPC {picture.target}   指标 metrics {picture.metrics}", soft_wrap=True, highlight=False)
    if picture.log:
        screen.print(f"可验证日志 the log that anybody can verify: {picture.log}", soft_wrap=True, highlight=False)
    if picture.links:
        _announce_console(screen, picture)


def _announce_console(screen: Console, picture: Picture) -> None:
    """Says where the web console is, and gives a link for each of its users."""
    once = "链接十分钟内各用一次 each link is good once, within ten minutes"
    screen.print(f"控制台 console: {picture.console}   {once}", soft_wrap=True, highlight=False)
    for link, whose in zip(picture.links, ("审计与运维 auditor, operator", "管理员 administrator"), strict=True):
        screen.print(f"  {link}  {whose}", soft_wrap=True, highlight=False)


def suggest(screen: Console, picture: Picture, card_no: str) -> None:
    """Shows what to try next with a card that is accepted, each command in a line of its own, without a frame, to be copied."""
    screen.print("接着试 try next:", highlight=False)
    for command in _commands(picture, card_no):
        screen.print(f"  {command}", soft_wrap=True, highlight=False)


def typed(data_dir: str, *words: str) -> str:
    """Returns a command as one types it beside the demo, on the demo's data."""
    return f"HUB_DATA_DIR={data_dir} .venv/bin/hub {' '.join(words)}"


def show_command(stage: Stage, screen: Console, title: str, *words: str) -> None:
    """Prints a command as one can type it, below words of what it shows, and what it answers; raises ChildDied."""
    screen.print(f"{title}: {typed(str(stage.logs.parent), *words)}", soft_wrap=True, highlight=False)
    for line in stage.run("hub.cli", *words).splitlines():
        screen.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)


def _commands(picture: Picture, card_no: str) -> tuple[str, ...]:
    commands = (
        f"check {card_no} --issuer 50 --scenario TRA.MET --region 510100 --medium CONTACTLESS --target {picture.target}",
        f"items usable {card_no} --issuer 50 --region 510100 --target {picture.target}",
        "participants list",
        "fsck --no-views",
        "doctor",
        "decisions --most 5",
        "traces --minutes 5",
        f"status --target {picture.target}",
        f"reconcile --day {picture.day} --dry",
        f"settle --day {picture.day} --early",
        f"funds show {picture.fund_batch} --province 51",
    )
    return tuple(typed(picture.data_dir, command) for command in commands)


def show_sealed(screen: Console, log: LogVitals) -> None:
    """Says how far the log is sealed."""
    tail = f"，未封存 not sealed {log.unsealed_events:,}" if log.unsealed_events else ""
    screen.print(f"可验证日志 log {log.origin}: 已封存至位置 sealed to position {log.size - 1:,}{tail}", soft_wrap=True, highlight=False)


def farewell(screen: Console, result: dict[str, Any], is_sound: bool) -> None:
    """Says what came of it."""
    mark = (
        "[green]✓ 一切相符 all holds[/green]"
        if is_sound
        else f"[red]✗ 有出入 something does not hold: {result['problems'] + result['surprises']}[/red]"
    )
    checks = "，".join(f"{outcome} {count:,}" for outcome, count in result["checks"].items()) or "—"
    equal = "是 yes" if result["views_equal"] else "否 no"
    screen.print(
        f"{mark}\n发送 sent {result['sent']:,} = 入账 recorded {result['recorded']:,} + 重复 duplicates {result['duplicates']:,}；"
        f"隔离 quarantined {result['quarantined']:,}，适配器拒收 refused {result['refused']:,}，缺口 holes {result['holes']}，"
        f"视图与重建一致 views equal {equal}\n答复 checks: {checks}；用时 took {result['seconds']} s",
        soft_wrap=True,
    )


def left_behind(screen: Console, data_dir: str) -> None:
    """Says what is gone and what is kept."""
    kept = f"密钥、日志、链路保留 keys, logs and traces stay in {data_dir}"
    screen.print(f"演示数据库已删除 the demo's database is removed; {kept}", soft_wrap=True, highlight=False)
