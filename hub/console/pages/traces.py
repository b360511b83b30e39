"""Traces of this machine's last hours: a list, and one as a waterfall with what followed from it."""

import re
import time
from collections.abc import Sequence
from itertools import islice

from opentelemetry.proto.trace.v1.trace_pb2 import Status

from hub.console.drawing.waterfall import Bar, waterfall
from hub.console.page import InputUnfit, Page, PageUnknown, Shown
from hub.console.tables import Cell, Column, Table, table
from hub.telemetry.setup import store_in
from hub.telemetry.span_store import SpanStore, Stored
from hub.telemetry.trace_search import KEPT, Wanted, summaries
from hub.telemetry.waterfall import details, in_order, short, summary
from hub.words.names import KEPT_FOR
from hub.words.traces import ERRORS, PROCESSES, span_words

MOST, MINUTES, MOST_SPANS = 100, 60, 400


def _store(page: Page) -> SpanStore:
    config = page.workings.config
    return store_in(config.data_dir, config.trace_keep_hours, config.trace_max_bytes)


def traces(page: Page) -> Shown:
    """Lists traces."""
    kept, participant = page.query.get("kept", ""), page.query.get("participant", "")[:63]
    if kept not in ("", *KEPT):
        raise InputUnfit(f"kept: {kept[:40]}")
    wanted = Wanted(kept, participant, float(page.whole("slow")))
    found = list(islice(summaries(_store(page), time.time_ns() - MINUTES * 60 * 10**9, wanted), MOST))
    columns = (
        Column("trace", "链路", "Trace"),
        Column("began", "开始", "Began", "time"),
        Column("ms", "毫秒", "ms", "end"),
        Column("root", "入口", "Root"),
        Column("participant", "参与方", "Participant"),
        Column("kept_for", "保留原因", "Kept for"),
        Column("error", "错误", "Error"),
    )
    rows = []
    for one in found:
        trace = Cell(f"{one.trace_id[:16]}…", f"/traces/{one.trace_id}")
        error = Cell(page.t(ERRORS.get(one.error, one.error), one.error), mark="attention", code=one.error) if one.error else Cell("—")
        kept_for = Cell(page.words.of(KEPT_FOR, one.kept_for), code=one.kept_for) if one.kept_for else Cell("—")
        began, took = f"{one.began:%Y-%m-%d %H:%M:%S}", f"{one.duration_ms:,.1f}"
        rows.append((trace, began, took, _named(page, one.service, one.name), one.participant or "—", kept_for, error))
    values = {
        "kept": kept,
        "slow": page.query.get("slow", ""),
        "participant": participant,
        "reasons": [(code, page.words.of(KEPT_FOR, code)) for code in KEPT],
        "minutes": MINUTES,
    }
    return Shown("traces", page.t("链路", "Traces"), values, (table("traces", columns, rows),))


def _named(page: Page, service: str, name: str) -> Cell:
    """Says which process did what: in Chinese with the names beside, which English has alone."""
    named = f"{service} · {name}"
    words = span_words(name)
    return Cell(page.t(f"{PROCESSES.get(service, service)} · {words}" if words else named, named), code=named)


def trace(page: Page) -> Shown:
    """Shows one trace."""
    trace_id = page.parameters["trace"]
    if not re.fullmatch("[0-9a-f]{32}", trace_id):
        raise InputUnfit
    store = _store(page)
    stored = store.spans(bytes.fromhex(trace_id))[:MOST_SPANS]
    if not stored:
        raise PageUnknown
    summed = summary(stored)
    began_ns = min(one.span.start_time_unix_nano for one in stored)
    ended_ns = max(one.span.end_time_unix_nano for one in stored)
    ordered = in_order(stored)
    bars = [_drawn(page, _bar(depth, one, began_ns)) for depth, one in ordered]
    values = {
        "summed": summed,
        "root": _named(page, summed.service, summed.name),
        "error": page.t(ERRORS.get(summed.error, summed.error), summed.error),
        "began": f"{summed.began:%Y-%m-%d %H:%M:%S}",
        "kept_for": page.words.of(KEPT_FOR, summed.kept_for),
        "drawn": waterfall(bars, page.t("链路瀑布图", "Waterfall of the trace")),
    }
    tables = (_spans(page, ordered, began_ns), _after(page, store.following(bytes.fromhex(trace_id)), ended_ns))
    return Shown("trace", f"{page.t('链路', 'Trace')} {trace_id[:16]}", values, tables)


def _drawn(page: Page, bar: Bar) -> Bar:
    """Returns a bar with the words of the reader's language: a picture has no room for both."""
    service, name = _place(page, bar.service, bar.name)
    return bar._replace(service=service.text, name=name.text)


def _bar(depth: int, one: Stored, began_ns: int) -> Bar:
    span = one.span
    at_ms, took_ms = (span.start_time_unix_nano - began_ns) / 1e6, (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
    return Bar(one.service, short(span.name), depth, at_ms, took_ms, span.status.code == Status.STATUS_CODE_ERROR)


def _place(page: Page, service: str, name: str) -> tuple[Cell, Cell]:
    """Returns a process and a span, each in the reader's language with its own name beside."""
    return (
        Cell(page.t(PROCESSES.get(service, service), service), code=service),
        Cell(page.t(span_words(name) or name, name), code=name),
    )


def _spans(page: Page, ordered: Sequence[tuple[int, Stored]], began_ns: int) -> Table:
    columns = (
        Column("service", "服务", "Service"),
        Column("span", "跨度", "Span"),
        Column("at", "起（毫秒）", "At, ms", "end"),
        Column("took", "长（毫秒）", "Took, ms", "end"),
        Column("details", "内容", "Details", "code"),
    )
    bars = [(_bar(depth, one, began_ns), one) for depth, one in ordered]
    rows = [(*_place(page, bar.service, bar.name), f"{bar.at_ms:,.2f}", f"{bar.took_ms:,.2f}", details(one.span)) for bar, one in bars]
    return table("spans", columns, rows)


def _after(page: Page, following: Sequence[Stored], ended_ns: int) -> Table:
    """Lists what followed: folds and deliveries are reached by links alone."""
    columns = (
        Column("service", "服务", "Service"),
        Column("span", "后续", "What followed"),
        Column("after", "后（毫秒）", "After, ms", "end"),
        Column("took", "长（毫秒）", "Took, ms", "end"),
        Column("trace", "链路", "Trace"),
    )
    rows = []
    for one in following[:MOST]:
        span, trace_id = one.span, one.span.trace_id.hex()
        after, took = (span.start_time_unix_nano - ended_ns) / 1e6, (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
        link = Cell(f"{trace_id[:16]}…", f"/traces/{trace_id}")
        rows.append((*_place(page, one.service, short(span.name)), f"{after:,.1f}", f"{took:,.1f}", link))
    return table("after", columns, rows)
