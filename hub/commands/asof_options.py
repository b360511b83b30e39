"""What the commands `hub asof` share: both times as they are typed, and the outcome that is printed."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.commands.instants import local_instant
from hub.domain.instants import microseconds_of, set_timestamp

RecordedAsOf = Annotated[
    str,
    typer.Option(
        "--recorded-as-of", help="按此时刻（或位置）前已入账的；空为现在。By what was recorded before this instant, or by this position."
    ),
]
ValidAt = Annotated[str, typer.Option(help="问的是哪一时刻；空为同一时刻。The instant it is asked about; the same one if absent.")]
Steps = Annotated[bool, typer.Option("--steps", help="每个事件前后的状态。The state before and after each event.")]


def place(text: str) -> asked.RecordedAsOf:
    """Returns a place in the record as it was typed: a position, or an instant, in +08:00 where it has no offset."""
    if text.isdecimal() and len(text) != 8:
        return asked.RecordedAsOf(position=int(text))
    at = asked.RecordedAsOf()
    set_timestamp(at.instant, microseconds_of(local_instant(text)))
    return at


def until(text: str) -> asked.RecordedAsOf:
    """Returns the end of a period as it was typed, this moment if nothing was."""
    if text:
        return place(text)
    now = asked.RecordedAsOf()
    now.instant.FromDatetime(datetime.now(UTC))
    return now


def times(recorded_as_of: str, valid_at: str) -> dict[str, Any]:
    """Returns both times as fields of a question, none for what was not typed."""
    found: dict[str, Any] = {}
    if recorded_as_of:
        found["recorded_as_of"] = place(recorded_as_of)
    if valid_at:
        found["valid_at"] = local_instant(valid_at)
    return found
