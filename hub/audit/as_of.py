"""What the hub knew at a position: a card's facts, what is on record of its holder, agreements, the catalogue, folded up to there."""

from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import agreement_history_pb2

from hub.audit.records_as_of import records_at
from hub.audit.replay.own import own_events
from hub.domain.agreement import Agreements, terms_in
from hub.domain.card import Fact
from hub.domain.errors import ViewBehind, ViewsLate
from hub.domain.records.items import NO_CHANGES, ItemChanges
from hub.domain.records.known import NOTHING, Records
from hub.journal.joins import EVENTS_OF
from hub.journal.reader import Recorded
from hub.projections import DECIDED_BY
from hub.projections.engine import Row
from hub.projections.views.agreements import AGREEMENTS
from hub.projections.views.item_changes import read_item_changes


class Known(NamedTuple):
    """What the hub knew about a card and its holder, of agreements and of service items, at a position."""

    facts: list[Fact]
    agreements: Agreements
    position: int
    records: Records = NOTHING
    items: ItemChanges = NO_CHANGES


def known_at(connection: psycopg.Connection, card_key: bytes, position: int | None, *, with_records: bool = True) -> Known:
    """Returns what was known at a position, None for the newest that the views have reached; raises ViewBehind, ViewsLate.

    What is on record of the holder beside the card's own lives is left out unless *with_records*.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        reached = position_of_views(connection)
        if position is not None and position > reached:
            raise ViewBehind(as_of_position=reached)
        asked = reached if position is None else position
        memory = own_events(connection, card_key, asked).folded(asked)
        records = records_at(connection, memory.recorded(card_key), asked, reached) if with_records else NOTHING
        _, items = read_item_changes(connection, asked)
        return Known(memory.facts(card_key), agreements_at(connection, asked), asked, records, items)


def position_of_views(connection: psycopg.Connection) -> int:
    """Returns the position of the views that answers rest on; raises ViewsLate where they are not at one."""
    names = [projection.name for projection in DECIDED_BY]
    row = connection.execute("SELECT min(position), max(position) FROM views.checkpoint WHERE view = ANY (%s)", (names,)).fetchone()
    assert row is not None
    behind, ahead = row
    if behind != ahead:
        raise ViewsLate(as_of_position=behind)
    return int(behind or 0)


def agreements_at(connection: psycopg.Connection, position: int) -> Agreements:
    """Folds the agreements' events up to the position, as their view does."""
    rows: dict[tuple[int], Row] = {}
    for fields in connection.execute(_AGREEMENT_EVENTS, {"kinds": sorted(AGREEMENTS.kinds or ()), "position": position}):
        recorded = Recorded(*fields)
        for key in AGREEMENTS.keys(recorded, None):
            if (row := AGREEMENTS.evolve(key, rows.get((recorded.stream_id,)), recorded, None)) is not None:
                rows[recorded.stream_id,] = row
    histories = (agreement_history_pb2.AgreementHistory.FromString(row[1]) for row in sorted(rows.values(), key=lambda row: str(row[0])))
    return Agreements(terms for history in histories for terms in terms_in(history))


# An aggregate's events are found through its batches: the journal itself has no index by kind.
_AGREEMENT_EVENTS = f"""
    SELECT e.position, (extract(epoch FROM e.recorded_at) * 1000000)::bigint, e.stream_id, e.sequence, e.kind, e.data
    FROM views.{AGREEMENTS.name} s {EVENTS_OF}
    WHERE e.kind = ANY (%(kinds)s) AND e.position <= %(position)s ORDER BY e.position"""  # noqa: S608 (the name of our own view)
