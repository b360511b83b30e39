"""Indicators: how long an answer takes over many events, at positions and days by chance, and what it costs to keep what is counted.

The events are the simulator's, with answers of the hub by chance. At one position each figure is counted from the events again, and is to
be what is kept, cell for cell. What is kept may be repeated as if so many times as many events were before these (`hub.bench.repeated`).
"""

import random
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from datetime import date, timedelta
from typing import Any

import psycopg

from hub.bench.filling import FEEDS, Report, fill
from hub.bench.payees import EVENTS_EACH, fill_payees
from hub.bench.repeated import go_on_late, is_equal, record_answers, repeat
from hub.bench.setup import Ground, ground
from hub.config import Config
from hub.domain.errors import HubError
from hub.domain.indicators.counted import Asked
from hub.domain.indicators.definition import definitions
from hub.domain.reference import load
from hub.indicators.asking import Question, ask, day_of_position
from hub.indicators.record import KEEPING as KEEPING_NAMES
from hub.indicators.record import Known
from hub.journal.reader import head_position
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import advance, create_views
from hub.projections.projection import View
from hub.projections.views.agreements import AGREEMENTS
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.raised_findings import RAISED_FINDINGS

KEEPING: tuple[View, ...] = tuple(view for view in PROJECTIONS if view.name in KEEPING_NAMES)
# What else answers rest on.
BESIDE: tuple[View, ...] = (DAILY_USAGE, AGREEMENTS, RAISED_FINDINGS)
# Of each indicator so many questions, half of them by their first breakdown.
QUESTIONS, SEED, DAYS = 4, 1, 400
# One answer of the hub in so many events, of so many days.
ANSWER_IN, ANSWERED_DAYS = 20, 60
# To count again what all events come to takes longest: at most so many.
MOST_AGAIN = 50_000


def measure(config: Config, events: int, report: Report, times: int = 1, payees: int = 0) -> dict[str, Any]:
    """Returns milliseconds of an answer by indicator, the slowest of all, and how many events a second are kept.

    With *payees* the events of so many people who become eligible and are paid come after those of the simulator's mix.
    """
    with ExitStack() as stack:
        place = stack.enter_context(ground(config, list(FEEDS)))
        begin = _fill(place, events, report, times, payees)
        events += EVENTS_EACH * payees
        connection = stack.enter_context(runner.connect(place.dsn, "hub-bench"))
        views = (*KEEPING, *BESIDE)
        create_views(connection, views)
        kept_per_s = {view.name: round(events / _folded(connection, view)) for view in views}
        report(f"kept: {kept_per_s} events a second")
        connection.execute("ANALYZE")
        head = head_position(connection)
        is_kept = _is_same(connection, min(head, begin + MOST_AGAIN), definitions())
        # Of people who are paid all events are counted again: the first ones are others.
        is_kept = is_kept and (not payees or _is_same(connection, head, ["K7"]))
        found = {"bytes": _bytes(connection)} | ({"rows": repeat(connection, begin, times)} if times > 1 else {})
        took_ms = {one: _asked(connection, one, begin) for one, said in definitions().items() if said.missing is None}
        slowest = max(took_ms, key=lambda one: took_ms[one][1])
        return {
            "bench": "kpi", "events": events, "payees": payees, "times": times, "kept_events_per_s": kept_per_s, **found,
            "ms": {name: {"median": middle, "most": most} for name, (middle, most) in took_ms.items()},
            "slowest": slowest, "slowest_ms": took_ms[slowest][1],
            "equal": is_kept and (times == 1 or _is_by_sql(connection, begin, times)),
        }  # fmt: skip


def _fill(place: Ground, events: int, report: Report, times: int, payees: int) -> int:
    """Records events and answers, and returns after which position."""
    with psycopg.connect(place.dsn, autocommit=True) as owner:
        if times > 1:
            go_on_late(owner, events + EVENTS_EACH * payees)
        begin = head_position(owner)
        fill(place, events, report)
        fill_payees(place, payees, int(time.time()), report)
        record_answers(place.dsn, events // ANSWER_IN, int(time.time()) - ANSWERED_DAYS * 86_400, ANSWERED_DAYS)
    return begin


def _is_by_sql(connection: psycopg.Connection, begin: int, times: int) -> bool:
    """Whether what is found of so many times the events is what SQL says, at two positions and days."""
    head = head_position(connection)
    for position in (head, begin + (head - begin) // 3):
        day = day_of_position(connection, position)
        for asked in (day, day - timedelta(days=DAYS // 10)):
            if not is_equal(connection, Known(connection, position), Asked(definitions()["K18"], asked, load()), times):
                return False
    return True


def _folded(connection: psycopg.Connection, view: View) -> float:
    began = time.perf_counter()
    while advance(connection, view):
        pass
    return time.perf_counter() - began


def _questions(connection: psycopg.Connection, indicator: str, begin: int) -> Iterator[Question]:
    """Yields questions as known at the newest position and at others by chance, of days until there."""
    draw, head = random.Random(f"{SEED}/{indicator}"), head_position(connection)  # noqa: S311 (which questions are asked)
    by = definitions()[indicator].by
    for number in range(QUESTIONS):
        position = head if number < 2 else draw.randrange(begin + (head - begin) // 10, head)
        day = day_of_position(connection, position) - timedelta(days=draw.randrange(DAYS) if number else 0)
        yield Question(indicator, day, position, by[0] if by and number % 2 else "")


def _asked(connection: psycopg.Connection, indicator: str, begin: int) -> tuple[float, float]:
    """Returns the median and the most milliseconds of the answers to some questions."""
    took = []
    for question in _questions(connection, indicator, begin):
        began = time.perf_counter()
        # A refusal of a day before the first event is an answer too.
        with suppress(HubError):
            ask(Known(connection, question.position), question)
        took.append((time.perf_counter() - began) * 1_000)
    return round(sorted(took)[len(took) // 2], 1), round(max(took), 1)


def _is_same(connection: psycopg.Connection, position: int, indicators: Iterable[str]) -> bool:
    """Whether what is kept of some indicators is what the events come to again, as known at a position."""
    day: date = day_of_position(connection, position)
    if not Known(connection, position).is_kept:
        return False
    for indicator in indicators:
        said = definitions()[indicator]
        question = Question(indicator, day, position, said.by[0] if said.by else "")
        if said.missing is None:
            again = Known(connection, position)
            again.is_kept = False
            if _bytes_of(again, question) != _bytes_of(Known(connection, position), question):
                return False
    return True


def _bytes_of(known: Known, question: Question) -> bytes:
    try:
        return ask(known, question).as_bytes()
    except HubError as refusal:
        return repr(refusal.metadata).encode()


def _bytes(connection: psycopg.Connection) -> dict[str, int]:
    names = [table.name for view in KEEPING for table in view.tables]
    rows = connection.execute("SELECT n, pg_total_relation_size('views.' || n) FROM unnest(%s::text[]) n", (names,)).fetchall()
    return {name: int(size) for name, size in rows}
