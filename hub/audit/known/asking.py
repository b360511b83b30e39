"""How a question about one thing is answered: the thing is found, folded event by event, compared with the live views, and put in words."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.audit.known.thing import Line, Lines, Step, Thing, steps
from hub.audit.outcome import MOST_OF_A_KIND, MOST_ROWS, Moment, Outcome, Table, Text
from hub.audit.replay import said
from hub.audit.replay.progress import Progress
from hub.audit.replay.window import recorded_us
from hub.audit.requests.windows import position_of
from hub.audit.requests.wording import in_words
from hub.domain.errors import ViewBehind
from hub.domain.instants import microseconds
from hub.journal.reader import head_position
from hub.journal.sessions import session
from hub.projections.engine import positions
from hub.projections.projection import View

# Views beside those that answers rest on are at most this late on a machine with other work.
CAUGHT_UP_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.05


class AsOf(NamedTuple):
    """Both times of a question, and how far the views are that it is answered by."""

    position: int
    valid_us: int
    reached: int


Find = Callable[[psycopg.Connection, Any, AsOf], Thing]


class Known(NamedTuple):
    """What was known of a thing, event by event and at the end, and whether live views have what all its events make."""

    thing: Thing
    steps: list[Step]
    lines: Lines
    is_same: bool | None


def known(connection: psycopg.Connection, asked: Any, find: Find, at: AsOf) -> Known:
    """Returns what was known of a thing; raises what *find* raises where there is no such thing at all."""
    thing = find(connection, asked, at)
    found, lines = steps(thing, at.position)
    return Known(thing, found, lines, thing.is_same(connection))


def asked_about(connection: psycopg.Connection, asked: Any, views: Sequence[View]) -> AsOf:
    """Returns both times of a question, in a snapshot; raises ViewBehind, AuditWindowBefore."""
    known = positions(connection, views)
    reached = min(known.get(view.name, 0) for view in views) if views else head_position(connection)
    position = position_of(connection, asked.recorded_as_of) if asked.HasField("recorded_as_of") else reached
    if position > reached:
        raise ViewBehind(as_of_position=reached)
    if asked.HasField("valid_at"):
        return AsOf(position, microseconds(asked.valid_at), reached)
    if asked.recorded_as_of.WhichOneof("at") == "instant":
        return AsOf(position, microseconds(asked.recorded_as_of.instant), reached)
    return AsOf(position, recorded_us(connection, position), reached)


def about(kind: str, find: Find, views: Sequence[View]) -> Callable[[str, Any, Progress], Outcome]:
    """Makes the function that answers questions about one kind of thing, which lives in some views, or in none."""

    def run(dsn: str, asked: Any, progress: Progress) -> Outcome:
        with session(dsn, "hub_reader", "hub-replay") as connection:
            wait_for(connection, asked, views)
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                at = asked_about(connection, asked, views)
                progress(0, 1)
                found = known(connection, asked, find, at)
                progress(1, 1)
        return outcome(in_words(protos.AuditQuestion(**{kind: asked})), found, at)

    return run


def wait_for(connection: psycopg.Connection, asked: Any, views: Sequence[View]) -> None:
    """Waits until the views have the position that is asked for; who comes after that is refused by name."""
    wanted = position_of(connection, asked.recorded_as_of) if asked.HasField("recorded_as_of") else 0
    until = time.monotonic() + CAUGHT_UP_WITHIN_S
    while views and min(positions(connection, views).values(), default=0) < wanted and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)


def outcome(question: Text, found: Known, at: AsOf) -> Outcome:
    """Puts what was known in words."""
    shown, lines = found.steps[-MOST_OF_A_KIND:], found.lines
    rows = tuple((line.title, line.said) for line in lines[:MOST_ROWS])
    columns = (Text("项目", "What"), Text("当时所知", "As it was known"))
    return Outcome(
        question,
        _sentence(found, lines, at),
        found.is_same,
        at.position,
        {
            "known": bool(lines),
            "position": at.position,
            "valid_us": at.valid_us,
            "events": len(found.thing.own.events),
            "state": {line.name: line.value for line in lines},
            "steps": [_step_fact(step) for step in shown],
            "views_equal_replay": found.is_same,
        },
        tuple(_moment(step) for step in shown),
        (Table(found.thing.name, columns, rows),) if rows else (),
        verified=() if found.is_same is None else (_AGREES if found.is_same else _DIFFERS,),
        limits=(_LIMIT,),
    )


_AGREES = Text("由其自身的事件重新折叠所得，与枢纽的视图一致。", "Its own events, folded again, come to what the hub's views have.")
_DIFFERS = Text(
    "由其自身的事件重新折叠所得，与枢纽的视图不一致。", "Its own events, folded again, do not come to what the hub's views have."
)
_LIMIT = Text("只列出枢纽已入账的；来源未报送的不在其中。", "It shows what the hub recorded; what a source did not report is not in it.")


def _sentence(found: Known, lines: Lines, at: AsOf) -> Text:
    place, when, name = f"{at.position:,}", said.at(at.valid_us), found.thing.name
    if lines:
        first = lines[0]
        return Text(
            f"截至位置 {place}，枢纽所知{name.zh}在 {when} 的{first.title.zh}：{first.said.zh}。",
            f"By what was recorded up to position {place}, of {name.en} at {when}, {first.title.en}: {first.said.en}.",
        )
    events = found.thing.own.events
    if not events or events[0].position <= at.position:
        return Text(f"截至位置 {place}，{name.zh}没有有效的上报。", f"Up to position {place} no report of {name.en} was in force.")
    first_at, first_us = f"{events[0].position:,}", said.at(events[0].recorded_us)
    return Text(
        f"截至位置 {place}，枢纽尚不知道{name.zh}；首个事件在位置 {first_at}，{first_us} 入账。",
        f"Up to position {place} {name.en} was not known yet; its first event is at position {first_at}, recorded at {first_us}.",
    )


def _moment(step: Step) -> Moment:
    recorded, (zh, en) = step.recorded, said.kind(step.recorded.kind)
    for old, new in step.changed:
        title = _either(old, new).title
        before, after = (_NONE if line is None else line.said for line in (old, new))
        zh += f"；{title.zh}：{before.zh} → {after.zh}"
        en += f"; {title.en}: {before.en} → {after.en}"
    return Moment(recorded.recorded_us, recorded.occurred_us, recorded.position, Text(_short(zh), _short(en)))


_NONE = Text("—", "—")
_MOST_OF_A_MOMENT = 1_000


def _short(text: str) -> str:
    return text if len(text) <= _MOST_OF_A_MOMENT else f"{text[:_MOST_OF_A_MOMENT]}…"


def _either(old: Line | None, new: Line | None) -> Line:
    line = new or old
    assert line is not None, "a change has a line"
    return line


def _step_fact(step: Step) -> dict[str, object]:
    one = step.recorded
    changed = [
        {"name": _either(old, new).name, "before": "" if old is None else old.value, "after": "" if new is None else new.value}
        for old, new in step.changed
    ]
    return {"position": one.position, "recorded_us": one.recorded_us, "occurred_us": one.occurred_us, "kind": one.kind, "changed": changed}
