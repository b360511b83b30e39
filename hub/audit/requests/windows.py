"""The times that a question asks about: places in the record, and what is refused of them before anything is recorded."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.audit.replay.window import nothing_yet
from hub.domain.audit_errors import AuditWindowAhead, AuditWindowReversed
from hub.domain.errors import RequestInvalid
from hub.domain.instants import in_local, microseconds
from hub.intake.request_rules import instant_us
from hub.journal.reader import head_position
from hub.journal.times import first_position_since

# The year 1.
_CALENDAR_BEGINS_S = -62_135_596_800


class Window(NamedTuple):
    """A run of positions, from *first* on and with *last*; it is empty where *last* is before *first*."""

    first: int
    last: int


def position_of(connection: psycopg.Connection, at: protos.RecordedAsOf) -> int:
    """Returns the last position that was recorded by then, 0 if none was."""
    if at.WhichOneof("at") == "position":
        return int(at.position)
    return first_position_since(connection, microseconds(at.instant)) - 1


def window_of(connection: psycopg.Connection, asked: Any) -> Window:
    """Returns the positions of a question that has a `from` and a `to`."""
    start = getattr(asked, "from")
    first = start.position if start.WhichOneof("at") == "position" else first_position_since(connection, microseconds(start.instant))
    return Window(int(first), position_of(connection, asked.to))


def check_times(connection: psycopg.Connection, question: protos.AuditQuestion, now_us: int) -> None:
    """Raises AuditWindowAhead, AuditWindowBefore, AuditWindowReversed or RequestInvalid for times that cannot be asked about."""
    kind = str(question.WhichOneof("asked"))
    asked, head = getattr(question, kind), head_position(connection)
    for path, at in _times(kind, asked):
        if isinstance(at, protos.RecordedAsOf) and at.WhichOneof("at") == "position":
            is_ahead = at.position > head
        else:
            is_ahead = _instant(asked, at, path) > now_us
        if is_ahead:
            raise AuditWindowAhead(f"（现在 it is {in_local(now_us):%Y-%m-%d %H:%M:%S}）", field=path)
    if kind in ("answers", "what_if"):
        _check_window(connection, asked)
    for field in ("recorded_as_of", "since"):
        if field in asked.DESCRIPTOR.fields_by_name and asked.HasField(field) and position_of(connection, getattr(asked, field)) < 1:
            raise nothing_yet(connection, f"{kind}.{field}")


def _times(kind: str, asked: Any) -> Iterator[tuple[str, Any]]:
    for field in ("from", "to", "recorded_as_of", "since", "valid_at"):
        if field in asked.DESCRIPTOR.fields_by_name and asked.HasField(field):
            yield f"{kind}.{field}", getattr(asked, field)


def _instant(asked: Any, at: Any, path: str) -> int:
    """Returns an instant; a place in the record may be before 1970, though nothing was recorded then."""
    is_place = isinstance(at, protos.RecordedAsOf)
    if is_place and _CALENDAR_BEGINS_S <= at.instant.seconds < 0:
        return microseconds(at.instant)
    try:
        return instant_us(at, "instant") if is_place else instant_us(asked, "valid_at")
    except RequestInvalid:
        raise RequestInvalid([(path, "out_of_range")]) from None


def _check_window(connection: psycopg.Connection, asked: Any) -> None:
    if position_of(connection, asked.to) < 1:
        raise nothing_yet(connection, "to")
    start, end = getattr(asked, "from"), asked.to
    kinds = {start.WhichOneof("at"), end.WhichOneof("at")}
    if kinds == {"instant"}:
        is_empty = microseconds(start.instant) >= microseconds(end.instant)
    else:
        window = window_of(connection, asked)
        is_empty = window.last < window.first
    if is_empty:
        raise AuditWindowReversed
