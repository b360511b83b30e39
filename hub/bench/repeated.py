"""Indicators of many more events than are recorded: what is kept of a real journal is repeated before it.

The journal's events are at the end of an era. What they come to by blocks is put into the blocks before them again and again, below nought
where there is no room, and added up by eras. So an answer adds up as many rows as after so many events; things, facts and single steps,
of which it reads those of its last block alone, are not repeated. What is found is compared with SQL over the single steps.
"""

import asyncio
import random
from collections.abc import Iterable

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain import reference
from hub.domain.indicators.counted import Asked, indicator_of
from hub.domain.indicators.definition import definition
from hub.domain.instants import SECOND_US, epoch_day_of, set_timestamp
from hub.indicators.record import Known
from hub.indicators.sources import Kept
from hub.journal.decisions import Decision, DecisionWriter
from hub.journal.reader import head_position
from hub.projections.views.blocks import BLOCK, ERA, block_of
from hub.projections.views.usage_counts import Wanted, moved_between

LOT, SEED = 200, 1
# Tables by block with their figures: what each is added up by, and its eras.
_BY_BLOCK = {
    "indicator_blocks": "figure, day, cell",
    "indicator_answers": "figure, day, cell",
    "indicator_tap_blocks": "day",
    "usage_blocks": "business_day, issuer, serving, scenario",
}
_SUMS = {"indicator_tap_blocks": ("taps",), "usage_blocks": ("uses", "amount_fen")}
_OUTCOMES: tuple[acceptance.AcceptanceOutcome.ValueType, ...] = (1, 1, 1, 2, 4, 5)  # type: ignore[assignment]


def go_on_late(connection: psycopg.Connection, events: int) -> None:
    """Has the journal go on where so many events end with an era."""
    connection.execute("UPDATE journal.head SET position = %s", (ERA - (events // BLOCK + 2) * BLOCK,))


def record_answers(dsn: str, number: int, first_s: int, days: int) -> None:
    """Records so many answers of the hub, by chance."""
    draw = random.Random(SEED)  # noqa: S311 (which answers are given)
    scenarios = sorted(reference.load().scenario_codes)
    answers = []
    for at in range(number):
        issuer, region = draw.choice((("50", "510100"), ("51", "500103")))
        event = event_pb2.Event(service_region=region, scenario=draw.choice(scenarios), medium=acceptance.MEDIUM_CONTACTLESS)
        set_timestamp(event.occurred_at, (first_s + draw.randrange(days * 86_400)) * SECOND_US)
        event.card.issuing_province, event.card.kind = issuer, references.CARD_IDENTIFIER_KIND_CARD_NO
        event.card.key = at.to_bytes(32, "big")
        event.decision_made.outcome, event.decision_made.participant = _OUTCOMES[draw.randrange(6)], "urn:chuanyu:participant:sc.metro"
        answers.append(Decision(at.to_bytes(32, "big"), event.occurred_at.seconds * SECOND_US, event.SerializeToString()))
    record(dsn, (answers[at : at + LOT] for at in range(0, number, LOT)))


def record(dsn: str, lots: Iterable[list[Decision]]) -> None:
    """Records answers of the hub, a lot at a time."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(_STREAM).fetchone()
    assert row is not None

    async def write() -> None:
        writer = DecisionWriter(dsn, row[0])
        for lot in lots:
            if lot:
                await writer.record(lot)
        await writer.stop()

    asyncio.run(write())


def repeat(connection: psycopg.Connection, begin: int, times: int) -> int:
    """Repeats what is kept since a position, so that it is there so many times; returns how many rows by block and era there are then."""
    width = block_of(head_position(connection)) - block_of(begin) + 1
    for table, names in _BY_BLOCK.items():
        sums = _SUMS.get(table, ("inside", "whole"))
        columns = f"{names}, {', '.join(sums)}"
        # The hub's own events before the first block that counts are not repeated, nor what is added up by eras.
        only = "block > 0 AND figure NOT LIKE '%%:eras'" if table == "indicator_answers" else "block > 0"
        connection.execute(
            f"""INSERT INTO views.{table} (block, {columns}) SELECT block - n * %s, {columns}
                FROM views.{table}, generate_series(1, %s) n WHERE {only}""".encode(),  # noqa: S608 (our own names)
            (width, times - 1),
        )
    per_era = ERA // BLOCK
    for table, eras, names in (
        ("indicator_blocks", "indicator_eras", _BY_BLOCK["indicator_blocks"]),
        ("usage_blocks", "usage_eras", _BY_BLOCK["usage_blocks"]),
    ):
        sums = _SUMS.get(table, ("inside", "whole"))
        added = ", ".join(f"sum({name})" for name in sums)
        connection.execute(f"TRUNCATE views.{eras}".encode())
        connection.execute(
            f"""INSERT INTO views.{eras} (era, {names}, {", ".join(sums)})
                SELECT floor(block::numeric / {per_era})::bigint, {names}, {added}
                FROM views.{table} GROUP BY 1, {names} HAVING {" OR ".join(f"sum({name}) <> 0" for name in sums)}""".encode()  # noqa: S608
        )
    connection.execute("DELETE FROM views.indicator_answers WHERE figure LIKE '%:eras'")
    connection.execute(_ANSWERS_BY_ERA.format(per_era).encode())
    connection.execute("ANALYZE")
    rows = connection.execute(_ROWS).fetchone()
    assert rows is not None
    return int(rows[0])


def is_equal(connection: psycopg.Connection, known: Known, asked: Asked, times: int) -> bool:
    """Whether what is found as known at a position is what SQL says of the single steps; uses are compared with the facts."""
    day, until = asked.first_day.isoformat(), asked.day.isoformat()
    figures = [
        figure for (figure,) in connection.execute("SELECT DISTINCT figure FROM views.indicator_steps WHERE figure NOT LIKE '%:days'")
    ]
    for figure in figures:
        question = asked._replace(definition=definition(indicator_of(figure).partition("@")[0]))
        parameters = {"figure": figure, "day": epoch_day_of(asked.day), "position": known.position, "before": times - 1}
        by_sql = [(cell, int(inside), int(whole)) for cell, inside, whole in connection.execute(_BY_SQL, parameters).fetchall()]
        if [tuple(one) for one in Kept(known).cells(figure, question)] != by_sql:
            return False
    # Of uses, by the facts: what each counted at the position, and what each of them counts.
    wanted = Wanted(day, until)
    with connection.transaction():
        then, now = (
            sum(uses for cell, (uses, _) in moved_between(connection, 0, position).items() if wanted.has(cell))
            for position in (known.position, head_position(connection))
        )
    return sum(known.uses.of(day, until).values()) == (times - 1) * now + then


_STREAM = """
    INSERT INTO journal.stream (name, owner, is_feed, next_sequence) VALUES ('hub.decisions', 'urn:chuanyu:participant:hub', true, 1)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING stream_id"""
_ANSWERS_BY_ERA = """
    INSERT INTO views.indicator_answers (figure, block, day, cell, inside, whole)
    SELECT figure || ':eras', floor(block::numeric / {})::bigint, day, cell, sum(inside), sum(whole) FROM views.indicator_answers
    GROUP BY 1, 2, 3, 4 HAVING sum(inside) <> 0 OR sum(whole) <> 0"""
_FIGURES = "SELECT DISTINCT figure FROM views.indicator_steps WHERE figure NOT LIKE '%:days'"
_ROWS = """
    SELECT (SELECT count(*) FROM views.indicator_blocks) + (SELECT count(*) FROM views.indicator_eras)
        + (SELECT count(*) FROM views.indicator_answers) + (SELECT count(*) FROM views.indicator_tap_blocks)
        + (SELECT count(*) FROM views.usage_blocks) + (SELECT count(*) FROM views.usage_eras)"""
_BY_SQL = """
    SELECT cell, i, w FROM (
        SELECT cell, %(before)s * sum(inside) + COALESCE(sum(inside) FILTER (WHERE position <= %(position)s), 0) AS i,
            %(before)s * sum(whole) + COALESCE(sum(whole) FILTER (WHERE position <= %(position)s), 0) AS w
        FROM views.indicator_steps WHERE figure = %(figure)s AND day <= %(day)s GROUP BY cell) s
    WHERE i <> 0 OR w <> 0 ORDER BY cell COLLATE "C" """
