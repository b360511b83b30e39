"""Draws traces for a terminal: a list of them, and one as a waterfall with what followed from it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Literal, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from rich.console import Group
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from hub.telemetry import names
from hub.telemetry.span_store import Stored

BAR = 12
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
    service: str
    name: str
    participant: str
    kept_for: str
    error: str
    spans: int
    is_sequel: bool

    @property
    def root(self) -> str:
        """Where it began: the process, and what it did."""
        return f"{self.service} · {self.name}"


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

    # How the whole ended is the root's to say; what went wrong within counts only where the root says nothing.
    errors = [one.span.status.message or "ERROR" for one in (root, *stored) if one.span.status.code == Status.STATUS_CODE_ERROR]
    return Summary(
        stored[0].span.trace_id.hex(),
        _instant(began_ns),
        (ended_ns - began_ns) / 1e6,
        root.service,
        short(root.span.name),
        first(names.PARTICIPANT),
        first(names.KEPT_FOR),
        errors[0] if errors else "",
        len(stored),
        root.span.kind in (Span.SPAN_KIND_CONSUMER, Span.SPAN_KIND_PRODUCER),
    )


def listing(summaries: Iterable[Summary]) -> Table:
    """Draws a list of traces."""
    table = _table(
        _whole("开始 +08:00\nbegan"),
        _whole("毫秒\nms", "right"),
        Column("入口\nroot", overflow="fold"),
        _whole("参与方\nparticipant"),
        Column("保留原因 kept for\n状态 status", overflow="fold"),
        _whole("链路\ntrace"),
    )
    for one in summaries:
        status = Text(one.error, "red") if one.error else Text("OK", "green")
        kept = Text(f"{one.kept_for} ").append_text(status)
        table.add_row(f"{one.began:%m-%d %H:%M:%S}", f"{one.duration_ms:,.1f}", one.root, one.participant, kept, one.trace_id[:16])
    return table


def waterfall(stored: Sequence[Stored], following: Sequence[Stored]) -> Group:
    """Draws one trace, and below it what links to it, with how long after its end each began."""
    sum_up = summary(stored)
    began_ns = min(one.span.start_time_unix_nano for one in stored)
    scale_ns = max(1, max(one.span.end_time_unix_nano for one in stored) - began_ns)
    head = f"链路 trace {sum_up.trace_id}\n{sum_up.began:%Y-%m-%d %H:%M:%S} +08:00  {sum_up.duration_ms:,.1f} ms  {sum_up.error or 'OK'}"
    parts: list[Text | Table] = [Text(head, "bold"), _spans(stored, began_ns, scale_ns)]
    return Group(*parts, Text(""), _after(following, began_ns + scale_ns)) if following else Group(*parts)


def _spans(stored: Sequence[Stored], began_ns: int, scale_ns: int) -> Table:
    table = _table(
        _whole("服务\nservice"),
        Column("跨度 span\n内容 details", overflow="fold"),
        "",
        _whole("起\nat ms", "right"),
        _whole("长\nms", "right"),
    )
    for depth, one in in_order(stored):
        span = one.span
        at_ns, length_ns = span.start_time_unix_nano - began_ns, span.end_time_unix_nano - span.start_time_unix_nano
        name = Text(short(span.name), "red" if span.status.code == Status.STATUS_CODE_ERROR else "bold")
        bar = _bar(at_ns, length_ns, scale_ns)
        table.add_row(one.service, _told_below(name, details(span), depth), bar, f"{at_ns / 1e6:,.2f}", f"{length_ns / 1e6:,.2f}")
        for event in span.events:
            at = f"{(event.time_unix_nano - began_ns) / 1e6:,.2f}"
            table.add_row("", _told_below(Text(f"· {event.name}", "yellow"), _told(attributes_of(event)), depth + 1), "", at, "")
    return table


def _after(following: Sequence[Stored], ended_ns: int) -> Table:
    table = _table(
        _whole("服务\nservice"),
        Column("后续 what followed\n内容 details", overflow="fold"),
        _whole("后\nafter ms", "right"),
        _whole("长\nms", "right"),
        _whole("链路\ntrace"),
    )
    for one in following:
        later = (one.span.start_time_unix_nano - ended_ns) / 1e6
        length = (one.span.end_time_unix_nano - one.span.start_time_unix_nano) / 1e6
        what = _told_below(Text(short(one.span.name), "bold"), details(one.span), 0)
        table.add_row(one.service, what, f"{later:,.1f}", f"{length:,.1f}", one.span.trace_id.hex()[:16])
    return table


def _table(*columns: Column | str) -> Table:
    return Table(*columns, box=None, pad_edge=False, collapse_padding=True)


def _whole(heading: str, justify: Literal["left", "right"] = "left") -> Column:
    """A column that gives up no character while others can be folded."""
    return Column(heading, no_wrap=True, overflow="fold", justify=justify)


def _told_below(name: Text, details: str, depth: int) -> Padding:
    """A name with its details in the lines below it, as far in as it is deep."""
    lines = [name, Padding(Text(details, "dim", overflow="fold"), (0, 0, 0, 2))] if details else [name]
    return Padding(Group(*lines), (0, 0, 0, 2 * depth))


def in_order(stored: Sequence[Stored]) -> list[tuple[int, Stored]]:
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


def details(span: Span) -> str:
    """Says what a span has beside its name."""
    linked = f" ⇠ {len(span.links)} 条链路 links" if span.links else ""
    return _told(attributes_of(span)) + linked


def _told(attributes: dict[str, str]) -> str:
    return " ".join(f"{name.removeprefix('hub.')}={value}" for name, value in attributes.items() if name not in _SILENT)


def short(name: str) -> str:
    """Returns the name of a span without the package of the protos."""
    return name.removeprefix("chuanyu.exchange.v1.")


def _instant(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / 1e9, _CHINA)
