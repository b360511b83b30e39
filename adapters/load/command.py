"""The command `province-adapter load`."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from adapters.kit import (
    AdapterError,
    CaOption,
    CertOption,
    HubConnection,
    HubOption,
    KeyOption,
    Outbox,
    in_words,
    mutual_tls,
    open_batch_keys,
)
from adapters.load.event_file import EventFile
from adapters.load.loading import SHOWN, Loaded, ReceiptsTo
from adapters.load.loading import load as load_file

_TELL_EVERY_S = 1.0


def load(
    file: Annotated[Path, typer.Argument(help="事件文件：每行一个 Event，protobuf JSON。One Event a line, in protobuf's JSON.")],
    ca: CaOption,
    cert: CertOption,
    key: KeyOption,
    hub: HubOption,
    feed: Annotated[str, typer.Option(help="数据流，如 cq.card-center。Feed to load into.")],
    data_dir: Annotated[
        Path | None, typer.Option(help="适配器数据目录：用其密钥签名，回执存入其待发库。Signs with its keys, keeps receipts in its outbox.")
    ] = None,
    first: Annotated[int, typer.Option(min=1, help="首行的序号。Number of line 1.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="最后一行输出 JSON。End with one line of JSON.")] = False,
) -> None:
    """批量装入：按行号为序号流式报送，可随时中断，再次运行即续。Load a file of events; broken off, run again, it goes on."""
    try:
        events = EventFile(file, first)
        loaded = asyncio.run(_load(HubConnection(hub, mutual_tls(ca, cert, key)), feed, events, _receipts_to(data_dir)))
    except AdapterError as error:
        typer.echo(in_words(error), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("\n已中断：再次运行即从枢纽已有处继续。Broken off: run it again, it goes on from what the hub has.", err=True)
        raise typer.Exit(130) from None
    if sys.stderr.isatty():
        typer.echo("", err=True)
    for line in summary(loaded, events):
        typer.echo(line)
    if as_json:
        counts = {name: loaded.counters[name] for name in ("recorded", "duplicates", "quarantined")}
        typer.echo(json.dumps({"lines": loaded.lines, "next_sequence": loaded.next_sequence, **counts, "waits": dict(loaded.waits)}))
    raise typer.Exit(0 if loaded.is_whole and not loaded.quarantined else 1)


def _receipts_to(data_dir: Path | None) -> ReceiptsTo | None:
    return None if data_dir is None else ReceiptsTo(open_batch_keys(data_dir / "keys"), Outbox(data_dir / "outbox.sqlite"))


async def _load(connection: HubConnection, feed: str, events: EventFile, receipts: ReceiptsTo | None) -> Loaded:
    try:
        return await load_file(connection, feed, events, _reporter(), receipts)
    finally:
        if receipts:
            receipts.outbox.close()
        events.close()
        await connection.close()


def _reporter() -> Callable[[Loaded], None]:
    """A terminal has one line that changes; a log gets none."""
    said_s = 0.0

    def report(loaded: Loaded) -> None:
        nonlocal said_s
        if not sys.stderr.isatty() or time.monotonic() - said_s < _TELL_EVERY_S:
            return
        said_s = time.monotonic()
        rate = (loaded.next_sequence - loaded.resumed_at) / loaded.seconds if loaded.seconds else 0.0
        counts = f"隔离 quarantined {len(loaded.quarantined):,}  等待 waits {loaded.waits.total():,}"
        typer.echo(f"\r{loaded.done:,} / {loaded.lines:,}  {rate:,.0f}/s  {counts}   ", nl=False, err=True)

    return report


def summary(loaded: Loaded, events: EventFile) -> list[str]:
    """Returns what came of it, and where to look."""
    counts = loaded.counters
    mark = "✓" if loaded.is_whole and not loaded.quarantined else "✗"
    lines = [
        f"{mark} {loaded.feed}: 行 lines {loaded.lines:,}，枢纽已有 in the hub {loaded.done:,}；"
        f"本次 this run: 入账 recorded {counts['recorded']:,}，"
        f"已有 had before {counts['duplicates']:,}，隔离 quarantined {len(loaded.quarantined):,}，等待 waits {loaded.waits.total():,}，"
        f"用时 took {loaded.seconds:,.1f} s"
    ]
    for sequence, rules in sorted(loaded.quarantined.items())[:SHOWN]:
        lines.append(f"  第 line {events.line_of(sequence):,} 行 → {sequence:,}: {'; '.join(rules)}")
    if loaded.quarantined:
        lines.append(f"  全部及其处理 all of them, and what to do: hub quarantine list --feed {loaded.feed}")
    lines.append(
        f"  下一序号 next number {loaded.next_sequence:,}；适配器首次启动 the adapter's first start: "
        f"--continue-at {loaded.feed}={loaded.next_sequence}；核对 check: docs/bulk-load.md"
    )
    return lines
