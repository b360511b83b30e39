"""Draws traces for a terminal: a list of them, and one as a waterfall with what followed from it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from rich.console import Group
from rich.table import Table
from rich.text import Text

from hub.telemetry import names
from hub.telemetry.span_store import Stored

BAR = 36
_CHINA = timezone(timedelta(hours=8))
# Said in words or by their place already.
_SILENT = {
    names.RPC_SYSTEM,
    names.RPC_METHOD,
    names.RPC_STATUS,
    names.KEPT_FOR,
    names.ERROR_TYPE,
    names.DB_SYSTEM,
    names.DB_OPERATION,
    names.MESSAGING_SYSTEM,
    names.MESSAGING_OPERATION,
}


class Summary(NamedTuple):
    """A trace in one line."""

    trace_id: str
    began: datetime
    duration_ms: float
    root: str
    participant: str
    kept_for: str
    error: str
    spans: int
    is_sequel: bool


def attributes_of(span: Span | Span.Event) -> dict[str, str]:
    """Returns the attributes as text."""
    found = {}
    for attribute in span.attributes:
        value = attribute.value
        found[attribute.key] = str(getattr(value, value.WhichOneof("value") or "string_value"))
    return found


def summary(stored: Sequence[Stored]) -> Summary:
    """Sums a trace up; *stored* is not empty."""
    known = {one.span.span_id for one in stored}
    root = next((one for one in stored if one.span.parent_span_id not in known), stored[0])
    began_ns, ended_ns = min(s.span.start_time_unix_nano for s in stored), max(s.span.end_time_unix_nano for s in stored)
    all_attributes = [attributes_of(one.span) for one in stored]

    def first(name: str) -> str:
        return next((found[name] for found in all_attributes if name in found), "")

    errors = [one.span.status.message or "ERROR" for one in stored if one.span.status.code == Status.STATUS_CODE_ERROR]
    return Summary(
        stored[0].span.trace_id.hex(),
        _instant(began_ns),
        (ended_ns - began_ns) / 1e6,
        f"{root.service} · {_short(root.span.name)}",
        first(names.PARTICIPANT),
        first(names.KEPT_FOR),
        errors[0] if errors else "",
        len(stored),
        root.span.kind in (Span.SPAN_KIND_CONSUMER, Span.SPAN_KIND_PRODUCER),
    )


def listing(summaries: Iterable[Summary]) -> Table:
    """Draws a list of traces."""
    table = Table(
        "开始 began", "毫秒 ms", "入口 root", "参与方 participant", "保留原因 kept for", "状态 status", "跨度 spans", "链路 trace", box=None
    )
    for one in summaries:
        status = Text(one.error, "red") if one.error else Text("OK", "green")
        clock = f"{one.began:%m-%d %H:%M:%S}.{one.began.microsecond // 1000:03d}"
        table.add_row(clock, f"{one.duration_ms:,.1f}", one.root, one.participant, one.kept_for, status, str(one.spans), one.trace_id[:16])
    return table


def waterfall(stored: Sequence[Stored], following: Sequence[Stored]) -> Group:
    """Draws one trace, and below it what links to it, with how long after its end each began."""
    sum_up = summary(stored)
    began_ns = min(one.span.start_time_unix_nano for one in stored)
    scale_ns = max(1, max(one.span.end_time_unix_nano for one in stored) - began_ns)
    table = Table("服务 service", "跨度 span", "", "起 at ms", "长 ms", "内容 details", box=None, pad_edge=False)
    for depth, one in _in_order(stored):
        span = one.span
        at_ns, length_ns = span.start_time_unix_nano - began_ns, span.end_time_unix_nano - span.start_time_unix_nano
        name = Text("  " * depth + _short(span.name), "red" if span.status.code == Status.STATUS_CODE_ERROR else "")
        table.add_row(one.service, name, _bar(at_ns, length_ns, scale_ns), f"{at_ns / 1e6:,.2f}", f"{length_ns / 1e6:,.2f}", _details(span))
        for event in span.events:
            at = f"{(event.time_unix_nano - began_ns) / 1e6:,.2f}"
            table.add_row("", Text("  " * (depth + 1) + f"· {event.name}", "yellow"), "", at, "", _told(attributes_of(event)))
    head = f"链路 trace {sum_up.trace_id}  {sum_up.began:%Y-%m-%d %H:%M:%S} +08:00  {sum_up.duration_ms:,.1f} ms  {sum_up.error or 'OK'}"
    parts: list[Text | Table] = [Text(head, "bold"), table]
    if following:
        after = Table("服务 service", "后续 what followed", "后 after ms", "长 ms", "内容 details", "链路 trace", box=None, pad_edge=False)
        for one in following:
            later = (one.span.start_time_unix_nano - began_ns - scale_ns) / 1e6
            length = (one.span.end_time_unix_nano - one.span.start_time_unix_nano) / 1e6
            after.add_row(
                one.service, _short(one.span.name), f"{later:,.1f}", f"{length:,.1f}", _details(one.span), one.span.trace_id.hex()[:16]
            )
        parts += [Text(""), after]
    return Group(*parts)


def _in_order(stored: Sequence[Stored]) -> list[tuple[int, Stored]]:
    """Returns (depth, span), parents before their children and those in order of their beginning."""
    known = {one.span.span_id for one in stored}
    children: dict[bytes, list[Stored]] = {}
    for one in stored:
        children.setdefault(one.span.parent_span_id if one.span.parent_span_id in known else b"", []).append(one)
    ordered: list[tuple[int, Stored]] = []

    def add(parent: bytes, depth: int) -> None:
        for one in sorted(children.pop(parent, []), key=lambda one: one.span.start_time_unix_nano):
            ordered.append((depth, one))
            add(one.span.span_id, depth + 1)

    add(b"", 0)
    return ordered


def _bar(at_ns: int, length_ns: int, scale_ns: int) -> Text:
    begin = min(BAR - 1, at_ns * BAR // scale_ns)
    length = max(1, min(BAR - begin, round(length_ns * BAR / scale_ns)))
    return Text(" " * begin + "█" * length + " " * (BAR - begin - length), "cyan")


def _details(span: Span) -> str:
    linked = f" ⇠ {len(span.links)} 条链路 links" if span.links else ""
    return _told(attributes_of(span)) + linked


def _told(attributes: dict[str, str]) -> str:
    return " ".join(f"{name.removeprefix('hub.')}={value}" for name, value in attributes.items() if name not in _SILENT)


def _short(name: str) -> str:
    return name.removeprefix("chuanyu.exchange.v1.")


def _instant(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, _CHINA)
