"""A load from its checks to its comparison, and what is said of each step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from adapters.kit.connection import HubConnection
from adapters.load.card_table import CardTable, TableUnreadable
from adapters.load.checking import Checked, Report, Wrong, ask_hub, check_rows
from adapters.load.counting import Counted, compare
from adapters.load.loading import SHOWN, Loaded, Paced, ReceiptsTo, Stock, load


class Plan(NamedTuple):
    """What was ordered: *cards* is what the exporter counted, 0 if it did not; *per_s* 0 leaves the pace to the hub."""

    feed: str
    cards: int
    every: bool
    check_only: bool
    per_s: int


@dataclass
class Outcome:
    """What came of a load; a part is absent that was not come to."""

    checked: Checked | None = None
    loaded: Loaded | None = None
    counted: list[Counted] = field(default_factory=list)
    check_only: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to do."""
        if self.checked is not None and self.checked.wrong_rows:
            return False
        if self.loaded is None:
            return self.check_only
        return self.loaded.is_whole and not self.loaded.quarantined and all(one.hub >= one.file for one in self.counted)

    def result(self) -> dict[str, Any]:
        """Returns it as the one line of JSON."""
        said: dict[str, Any] = {}
        if self.checked is not None:
            said |= {"cards": self.checked.cards.total(), "wrong": self.checked.wrong_rows, "asked_about": self.checked.asked}
        if (loaded := self.loaded) is not None:
            counts = {name: loaded.counters[name] for name in ("recorded", "duplicates", "quarantined")}
            said |= {"lines": loaded.lines, "next_sequence": loaded.next_sequence, **counts, "waits": dict(loaded.waits)}
        return said | ({"counted": [one._asdict() for one in self.counted]} if self.counted else {})


async def run(
    connection: HubConnection,
    stock: Stock,
    plan: Plan,
    report: Report,
    receipts: ReceiptsTo | None,
    say: Callable[[str], None],
    progress: Callable[[str], None],
) -> Outcome:
    """Checks, loads and counts; says what came of each step. Raises AdapterError for what a further try cannot mend."""
    outcome = Outcome(check_only=plan.check_only)
    if isinstance(stock, CardTable):
        outcome.checked = await _check(connection, stock, plan, report, say, progress)
        if outcome.checked.wrong_rows:
            return outcome
    if plan.check_only:
        return outcome
    paced = Paced(stock, plan.per_s) if plan.per_s else stock
    loaded = outcome.loaded = await load(connection, plan.feed, paced, lambda so_far: progress(_so_far(so_far)), receipts)
    for sequence, rules in sorted(loaded.quarantined.items()):
        report.add(Wrong(stock.line_of(sequence), sequence, "", "; ".join(rules)))
    say("\n".join(summary(loaded, stock)))
    if outcome.checked is not None:
        outcome.counted = await compare(connection, outcome.checked.provinces, outcome.checked.cards, loaded.position)
        say("\n".join(map(_counted_line, outcome.counted)))
    return outcome


async def _check(
    connection: HubConnection, table: CardTable, plan: Plan, report: Report, say: Callable[[str], None], progress: Callable[[str], None]
) -> Checked:
    if not table.lines:
        raise TableUnreadable("表头之后没有卡：重新导出。No card follows the header: export again")
    if plan.cards and plan.cards != table.lines:
        words = f"文件有 {table.lines:,} 张卡，--cards 说有 {plan.cards:,} 张：重新导出或传输"
        raise TableUnreadable(f"{words}。The file has {table.lines:,} cards and --cards says {plan.cards:,}: export or send it again")
    checked = check_rows(table, report, progress)
    if not checked.wrong_rows:
        await ask_hub(connection, plan.feed, table, checked, report, every=plan.every, progress=progress)
    mark = "✗" if checked.wrong_rows else "✓"
    asked = f"请枢纽核对 the hub looked at {checked.asked:,}，错误行 wrong {checked.wrong_rows:,}"
    say(f"{mark} 检查 checks: 卡 cards {table.lines:,}，{asked}{'，未报送任何一行 nothing was sent' if checked.wrong_rows else ''}")
    for wrong in checked.wrong:
        say(f"  第 line {wrong.line:,} 行{f' {wrong.column}' if wrong.column else ''}: {wrong.words}")
    return checked


def _so_far(loaded: Loaded) -> str:
    rate = (loaded.next_sequence - loaded.resumed_at) / loaded.seconds if loaded.seconds else 0.0
    left_s = (loaded.lines - loaded.done) / rate if rate else 0.0
    counts = f"隔离 quarantined {len(loaded.quarantined):,}  等待 waits {loaded.waits.total():,}"
    return f"{loaded.done:,} / {loaded.lines:,}  {rate:,.0f}/s  还需 left {left_s / 60:,.0f} min  {counts}"


def _counted_line(one: Counted) -> str:
    """Says how both sides count; the hub may have more, from other files and feeds."""
    mark, words = ("✓", "") if one.file == one.hub else ("⚠", "  枢纽另有其他文件或数据流的卡 of other files or feeds")
    if one.hub < one.file:
        mark, words = "✗", "  枢纽缺卡：此前已按另一状态登记，或被隔离 the hub lacks cards: registered otherwise before, or quarantined"
    return f"{mark} 清点 count {one.province} {one.status}: 文件 file {one.file:,}，枢纽 hub {one.hub:,}{words}"


def summary(loaded: Loaded, stock: Stock) -> list[str]:
    """Returns what came of it, and where to look."""
    counts = loaded.counters
    mark = "✓" if loaded.is_whole and not loaded.quarantined else "✗"
    rate = (loaded.next_sequence - loaded.resumed_at) / loaded.seconds if loaded.seconds else 0.0
    lines = [
        f"{mark} {loaded.feed}: 行 lines {loaded.lines:,}，枢纽已有 in the hub {loaded.done:,}；"
        f"本次 this run: 入账 recorded {counts['recorded']:,}，"
        f"已有 had before {counts['duplicates']:,}，隔离 quarantined {len(loaded.quarantined):,}，等待 waits {loaded.waits.total():,}，"
        f"用时 took {loaded.seconds:,.1f} s ({rate:,.0f}/s)"
    ]
    for sequence, rules in sorted(loaded.quarantined.items())[:SHOWN]:
        lines.append(f"  第 line {stock.line_of(sequence):,} 行 → {sequence:,}: {'; '.join(rules)}")
    if loaded.quarantined:
        lines.append(f"  全部及其处理 all of them, and what to do: hub quarantine list --feed {loaded.feed}")
    lines.append(
        f"  下一序号 next number {loaded.next_sequence:,}；适配器首次启动 the adapter's first start: "
        f"--continue-at {loaded.feed}={loaded.next_sequence}；核对 check: docs/bulk-load.md"
    )
    return lines
