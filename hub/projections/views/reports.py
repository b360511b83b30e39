"""Views that keep each report as it was recorded, under the names that questions look for it by. Such a row costs little.

Nothing of it is parsed but its names, and it is not written again unless it is corrected. What the reports come to is found when
that is asked for, from those that were in force at a position.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import LiteralString, NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2

from hub.domain.business_keys import card_key
from hub.domain.reported import Reported
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection

Names = Callable[[Recorded], tuple[str, str]]


class Report(NamedTuple):
    """A row: the event as the journal has it, who it is about, and *spans*: from and until which positions it was in force.

    *also* is a second name that a question may look for it by, "" for none.
    Spans are written "12-", "12-40", "12-40 63-" where it came back in force, or "12-12" where it was taken out before it came.
    """

    kind: str
    data: bytes
    occurred_us: int
    recorded_us: int
    stream_id: int
    sequence: int
    card: bytes
    holder: bytes
    spans: str
    also: str = ""

    def was_in_force(self, position: int) -> bool:
        """Whether it was in force at a position; 0 is now."""
        if not position:
            return self.spans.endswith("-")
        return any(_begin(span) <= position and not 0 < _end(span) <= position for span in self.spans.split())

    def came_late(self, position: int) -> bool:
        """Whether it had come by a position, after what took it out."""
        first = self.spans.split()[0]
        return _begin(first) == _end(first) and (not position or _begin(first) <= position)


def _begin(span: str) -> int:
    return int(span.partition("-")[0])


def _end(span: str) -> int:
    return int(span.partition("-")[2] or 0)


def reports_view(
    name: LiteralString, kinds: Iterable[str], names: Names, indexes: tuple[str, ...] = (), gives_back: frozenset[str] = frozenset()
) -> Projection:
    """Makes a view of the reports of some kinds; *names* is pure and says under which name, and which other one, an event is looked for.

    Kinds that give back are reports of their own also where they name by its number what they give back of: that stays in force.
    """
    read = frozenset(kinds)

    def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
        for one in (recorded, corrected):
            if one is not None and one.kind in read:
                yield names(one)[0], one.position

    return Projection(
        name=name,
        key_columns=(("name", "text"), ("position", "bigint")),
        value_columns=(
            ("kind", "text"),
            ("data", "bytea"),
            ("occurred_us", "bigint"),
            ("recorded_us", "bigint"),
            ("stream_id", "bigint"),
            ("sequence", "bigint"),
            ("card", "bytea"),
            ("holder", "bytea"),
            ("spans", "text"),
            ("also", "text"),
        ),
        kinds=read,
        keys=keys,
        evolve=partial(_evolve, names, gives_back),
        decode=Report._make,
        encode=tuple,
        indexes=indexes,
        appends=True,
    )


def _evolve(
    names: Names, gives_back: frozenset[str], key: Key, row: Report | None, recorded: Recorded, corrected: Recorded | None
) -> Report | None:
    """Adds the report of an event, and says of the one that it takes out until when that was in force."""
    position, at = key[1], recorded.in_force_since
    gives = recorded.kind in gives_back and recorded.event.HasField("reverses") and (corrected is None or corrected.kind not in gives_back)
    if row is not None and corrected is not None and corrected.position == position and row.spans.endswith("-") and not gives:
        row = row._replace(spans=f"{row.spans}{at}")
    if recorded.position != position:
        return row
    if recorded.is_reversal and not gives:
        # It came after what had taken it out: kept, and never in force.
        return _report(recorded, names, f"{at}-{at}") if row is None and not recorded.event.HasField("reverses") else row
    if row is None:
        return _report(recorded, names, f"{at}-")
    return row if row.spans.endswith("-") else row._replace(spans=f"{row.spans} {at}-")


def _report(recorded: Recorded, names: Names, spans: str) -> Report:
    event = recorded.event
    return Report(
        recorded.kind,
        recorded.data,
        recorded.occurred_us,
        recorded.recorded_us,
        recorded.stream_id,
        recorded.sequence,
        card_key(event),
        event.holder.key,
        spans,
        names(recorded)[1],
    )


def reported(position: int, row: Report) -> Reported:
    """Returns a row as ledgers are folded from it."""
    return Reported(row.kind, event_pb2.Event.FromString(row.data), row.occurred_us, position)


def positions_named(connection: psycopg.Connection, view: Projection, names: Iterable[str]) -> set[int]:
    """Returns where the reports under some names are, and what took them out or put them in force again."""
    wanted = list(names)
    rows = connection.execute(_NAMED % view.name, (wanted, wanted)).fetchall() if wanted else ()
    moved = {int(at) for _, spans in rows for at in spans.replace("-", " ").split()}
    return {int(position) for position, _ in rows} | moved


_NAMED = "SELECT position, spans FROM views.%s WHERE name = ANY (%%s) OR (also <> '' AND also = ANY (%%s))"
