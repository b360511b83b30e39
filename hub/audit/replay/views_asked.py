"""Do the views have what the record says? Each is compared with its rebuild; where they differ, the first row is shown with its event.

A view is as it is now, so the comparison is at its newest position: what was wrong at an earlier one and is right since, is not seen.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit.outcome import Outcome, Table, Text
from hub.audit.replay import said
from hub.audit.replay.names import instead_of
from hub.audit.replay.progress import Progress
from hub.domain.audit_errors import AuditNameUnknown
from hub.journal.reader import Recorded
from hub.projections import DECIDED_BY, PROJECTIONS, runner
from hub.projections.engine import View, create_views, read
from hub.projections.projection import CellView, Key
from hub.projections.rebuild import Begin, Rebuilt, rebuild
from hub.projections.snapshots import load, position_of
from hub.projections.touched import folds_in, read_by
from hub.words.names import VIEWS

PAGE_POSITIONS = 10_000


class ViewUnknown(AuditNameUnknown):
    """没有这个视图；`hub rebuild --help` 与 docs/views.md 列出视图 there is no such view; docs/views.md lists them:"""


def named(question: asked.ViewsQuestion) -> list[View]:
    """Returns the views that a question names, all if it names none; raises ViewUnknown."""
    known = [view.name for view in PROJECTIONS]
    if unknown := [name for name in question.views if name not in known]:
        raise ViewUnknown(instead_of(unknown[0], known))
    return [view for view in PROJECTIONS if not question.views or view.name in question.views]


def run(dsn: str, question: asked.ViewsQuestion, progress: Progress, snapshot: Path | None = None) -> Outcome:
    """Compares views with what the record says, by all of it or from a snapshot on: then those of the snapshot, if none are named.

    Raises ViewUnknown, RebuildUnderWay, and what snapshots raise.
    """
    views = named(question) if snapshot is None or question.views else list(DECIDED_BY)
    rows, facts = [], []
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
        results, begin = [], _beginning(connection, snapshot)
        for number, view in enumerate(views):
            progress(number, len(views))
            result = rebuild(connection, view, switch=False, begin=begin)
            event = None if result.is_equal else event_of(connection, view, result)
            results.append(result)
            rows.append(_row(view, result, event))
            facts.append(_fact(result, event))
        progress(len(views), len(views))
    return _outcome(results, tuple(rows), facts)


def _beginning(connection: psycopg.Connection, snapshot: Path | None) -> Begin:
    """Returns what a rebuild begins with: the rows of a snapshot, or nothing."""
    if snapshot is None:
        return lambda _connection, _view: None
    position = position_of(connection, snapshot)
    return lambda connection, view: load(connection, snapshot, position, view)


def event_of(connection: psycopg.Connection, view: View, result: Rebuilt) -> Recorded | None:
    """Returns the last event that touches the row that differs, None where it is a sum of rows or an event that is not there."""
    found = None
    if result.place.table != view.tables[0].name:
        return None
    for after in range(0, result.position, PAGE_POSITIONS):
        page = read(connection, [view], after, min(after + PAGE_POSITIONS, result.position))
        for position, key in _touched(view, page.events, page.changed):
            if key == result.place.key:
                found = next(event for event in page.events if event.position == position)
    return found


def _touched(view: View, events: list[Recorded], changed: object) -> Iterator[tuple[int, Key]]:
    for position, recorded, before in folds_in(*read_by(view, events, changed)):  # type: ignore[arg-type]
        if isinstance(view, CellView):
            yield from ((position, key) for key, _ in view.derive(recorded, before))
        else:
            yield from ((position, key) for key in view.keys(recorded, before))


def _row(view: View, result: Rebuilt, event: Recorded | None) -> tuple[str | int | Text, ...]:
    verdict = Text("一致", "equal") if result.is_equal else Text("不同", "differs")
    where = "" if event is None else f"{event.position:,} {said.kind(event.kind).zh} {said.kind(event.kind).en}"
    return Text(*VIEWS.get(view.name, (view.name, view.name))), result.position, verdict, str(result.place), where


def _fact(result: Rebuilt, event: Recorded | None) -> dict[str, object]:
    return {
        "view": result.view,
        "position": result.position,
        "equal": result.is_equal,
        "digest": result.fresh_digest,
        "place": str(result.place),
        "event": event.position if event is not None else 0,
    }


def _outcome(results: list[Rebuilt], rows: tuple[tuple[str | int | Text, ...], ...], facts: list[dict[str, object]]) -> Outcome:
    different = [result.view for result in results if not result.is_equal]
    position = max((result.position for result in results), default=0)
    answer = (
        Text(f"{len(different)} 个视图与日志不符：{'、'.join(different)}。", f"{len(different)} views differ: {', '.join(different)}.")
        if different
        else Text(f"{len(results)} 个视图都与日志一致。", f"All {len(results)} views are what the record says.")
    )
    named = (("视图", "View"), ("位置", "Position"), ("结果", "Result"), ("第一处不同", "First difference"), ("其事件", "Its event"))
    columns = tuple(Text(*one) for one in named)
    return Outcome(
        Text("视图与日志是否一致？", "Do the views have what the record says?"),
        answer,
        not different,
        position,
        {"views": facts},
        tables=(Table(Text("视图", "Views"), columns, rows),),
        limits=(Text("视图只有现状：比对在其最新位置进行。", "A view is as it is now: it is compared at its newest position."),),
    )
