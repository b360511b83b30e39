"""What the hub knew at a position: a card's facts, what is on record of its holder, the agreements. Later corrections are undone."""

import json
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import agreement_history_pb2

from hub.audit.records_as_of import Since, records_at
from hub.domain.agreement import Agreements, terms_in
from hub.domain.card import Fact
from hub.domain.errors import ViewBehind, ViewsLate
from hub.domain.records.known import NOTHING, Records
from hub.domain.succession import CardRow, facts_known, wanted
from hub.journal.corrections import changed_since
from hub.journal.reader import Recorded
from hub.projections import DECIDED_BY
from hub.projections.engine import Row
from hub.projections.views.agreements import AGREEMENTS
from hub.projections.views.card_alias import identifiers_of
from hub.projections.views.card_rows import card_rows, relatives
from hub.projections.views.card_standing import CARD_STANDING
from hub.projections.views.holder_cards import HOLDER_CARDS, held, holder_told


class Known(NamedTuple):
    """What the hub knew about a card and its holder, and of agreements, at a position."""

    facts: list[Fact]
    agreements: Agreements
    position: int
    records: Records = NOTHING


def known_at(connection: psycopg.Connection, card_key: bytes, position: int | None) -> Known:
    """Returns what was known at a position, None for the newest that the views have reached; raises ViewBehind, ViewsLate."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        reached = _reached(connection)
        if position is not None and position > reached:
            raise ViewBehind(as_of_position=reached)
        asked = reached if position is None else position
        change = Since(asked, *changed_since(connection, asked, reached))
        facts = _facts(connection, card_key, change)
        return Known(facts, agreements_at(connection, asked), asked, records_at(connection, card_key, change))


def _reached(connection: psycopg.Connection) -> int:
    names = [projection.name for projection in DECIDED_BY]
    row = connection.execute("SELECT min(position), max(position) FROM views.checkpoint WHERE view = ANY (%s)", (names,)).fetchone()
    assert row is not None
    behind, ahead = row
    if behind != ahead:
        raise ViewsLate(as_of_position=behind)
    return int(behind or 0)


def _facts(connection: psycopg.Connection, card_key: bytes, change: Since) -> list[Fact]:
    """Returns the facts of a card and those that follow from its relatives, as they were known at a position."""
    position, stood, later = change.position, change.stood, {recorded.position for recorded in change.since}
    rows: dict[bytes, CardRow] = {}
    asked = {card_key}
    while asked:
        known = card_rows(connection, asked)
        for key in asked:
            row, keys = known.get(key, CardRow(key, [])), identifiers_of(connection, key)
            facts = [fact for fact in row.facts if fact.position <= position and fact.position not in later]
            facts += [fact for recorded in stood for fact in _facts_of(keys, recorded)]
            facts.sort(key=lambda fact: (fact.occurred_us, fact.position))
            rows[key] = CardRow(row.card, facts, *_held(connection, keys, position, stood, later))
        asked = wanted(rows, [*rows], with_ecard=True)
    return facts_known(card_key, rows)


def _held(
    connection: psycopg.Connection, keys: list[bytes], position: int, stood: list[Recorded], later: set[int]
) -> tuple[tuple[bytes, ...], ...]:
    """Returns the cards that the holder of a card had in its province, if several, and in others, as far as known at a position."""
    told = connection.execute("SELECT issuing_province, holders FROM views.card_standing WHERE key = ANY (%s)", (keys,)).fetchall()
    holders = [entry for _, text in told for entry in json.loads(text or "[]") if entry[1] <= position and entry[1] not in later]
    holders += [
        [recorded.occurred_us, recorded.position, holder.hex()]
        for recorded in stood
        if recorded.event.card.key in keys and (holder := holder_told(recorded))
    ]
    if not holders:
        return ()
    key = (bytes.fromhex(max(holders)[2]),)
    row = connection.execute("SELECT told FROM views.holder_cards WHERE key = %s", key).fetchone()
    entries = [tuple(entry) for entry in json.loads(row[0])] if row is not None else []
    entries = [entry for entry in entries if entry[0] <= position and entry[0] not in later]
    for recorded in stood:
        if key in HOLDER_CARDS.keys(recorded, None) and (one := HOLDER_CARDS.evolve(key, None, recorded, None)) is not None:
            entries += [tuple(entry) for entry in json.loads(one[0])]
    provinces = [province for province, _ in told] + [known.event.card.issuing_province for known in stood if known.event.card.key in keys]
    cards, elsewhere = relatives(json.dumps(held(sorted(entries))), provinces[0])
    return cards if len(cards) > 1 else (), elsewhere


def _facts_of(keys: list[bytes], recorded: Recorded) -> list[Fact]:
    rows = (CARD_STANDING.evolve(key, None, recorded, None) for key in CARD_STANDING.keys(recorded, None) if key[0] in keys)
    return [fact for row in rows if row is not None for fact in row.facts]


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
    FROM views.{AGREEMENTS.name} a JOIN journal.batch b USING (stream_id)
    JOIN journal.event e ON e.position BETWEEN b.first_position AND b.first_position + b.last_sequence - b.first_sequence
    WHERE e.kind = ANY (%(kinds)s) AND e.position <= %(position)s ORDER BY e.position"""  # noqa: S608 (the name of our own view)
