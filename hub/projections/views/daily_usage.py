"""View: uses and money by business day, issuing province, serving region and scenario; each fact counts once, however often it is reported.

A row of `daily_usage_facts` keeps all tellings of one business key and what they come to (`hub.domain.netting`); `daily_usage` is the sum
of the rows. What clearing says of a trip that was not reported yet waits under the trip's number. Corrections and reversals move what they
change.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.business_keys import card_key, key_digest, names_number, settlement_key
from hub.domain.netting import net
from hub.domain.tellings import CLEARING, GIVES_BACK, TOLD_KINDS, Telling, keys_of, number_text, packed, telling_of, unpacked
from hub.journal.reader import Recorded
from hub.projections.engine import Cells, Key, Linked, Projection, Row
from hub.projections.views.findings import Found, Listed

_DIGEST_BYTES = 16
# As long as a digest, and none: a hash of a number that is short enough already would only cost.
_NUMBER = struct.Struct(">4sIQ")
_TRIPS = frozenset({"transit_exit_recorded", "transit_journey_completed", "transit_journey_incomplete", "transit_purse_topped_up"})
_REVERSAL = "medical_settlement_reversed"
# What a row hands on to the rows above it.
_HANDED_ON = CLEARING | {_REVERSAL}


# A fact that was reported again so often is kept as it is: each report more would cost as much as all before it and change nothing.
MOST_REPEATS = 64


class Fact(NamedTuple):
    """A row's values: the card, the rows above (digests in a row), its tellings, what they count, and how many of them repeat others."""

    card: bytes
    above: bytes
    tellings: str
    counted: str
    finding_count: int


def _number_key(number: tuple[int, int]) -> bytes:
    return _NUMBER.pack(b"num:", *number)


def _keys(recorded: Recorded) -> tuple[bytes, ...]:
    """Names the rows that an event belongs to: of a trip also the one where a verdict may wait for it."""
    if recorded.kind not in TOLD_KINDS:
        return ()
    if recorded.kind in CLEARING:
        about = recorded.about
        trip = keys_of(about.kind, about.event) if about is not None and about.kind in _TRIPS else ()
        return (*((_number_key(recorded.refers_to),) if recorded.refers_to else ()), *trip)
    own = keys_of(recorded.kind, recorded.event)
    return (_number_key((recorded.stream_id, recorded.sequence)), *own) if recorded.kind in _TRIPS else own


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the rows of what is in force and of what is no more."""
    for about in (recorded, corrected):
        if about is not None:
            for key in about.derived(_keys):
                yield (key,)


def _telling(recorded: Recorded) -> Telling:
    number = (recorded.stream_id, recorded.sequence)
    told = telling_of(recorded.kind, recorded.event, recorded.position, recorded.occurred_us, recorded.recorded_us, number)
    if recorded.refers_to is None:
        return told
    number_named = number_text(recorded.refers_to)
    return told._replace(of=number_named) if recorded.kind in CLEARING else told._replace(reverses=number_named)


def evolve(key: Key, row: Row | None, recorded: Recorded, corrected: Recorded | None) -> Row | None:
    """Takes out what is no longer in force and adds what is now."""
    own = recorded.derived(_keys)
    is_trip_number = recorded.kind in _TRIPS and key[0] == own[0]
    if row is None and is_trip_number:
        return None
    gives_back = _gives_back(recorded, corrected)
    is_told = key[0] in own and (gives_back or not recorded.is_reversal)
    if row is None:
        return _fact(key, card_key(recorded.event), b"", [recorded.derived(_telling)]) if is_told else None
    fact = Fact(*row)
    if is_trip_number:
        # A verdict waits here for this trip.
        return tuple(fact._replace(above=own[1]))
    if fact.finding_count >= MOST_REPEATS and corrected is None and recorded.kind not in GIVES_BACK | CLEARING:
        return row
    # Findings of a card are looked up by its number, which not each report names.
    card = card_key(recorded.event) if is_told and names_number(recorded.event) else fact.card
    tellings = unpacked(fact.tellings)
    before = next((told for told in tellings if corrected is not None and told.position == corrected.position), None)
    if before is not None:
        tellings.remove(before)
        if is_told and gives_back:
            tellings.append(before._replace(undone_at=recorded.position))
    if is_told:
        told = recorded.derived(_telling)
        if before is not None and before.first and not gives_back:
            told = told._replace(first=before.first)
        # What is in force again is no longer undone, and what undid it is gone.
        undone = {known.undone_at for known in tellings if known.position == told.position}
        tellings = [known for known in tellings if known.position != told.position and known.position not in undone]
        tellings.append(told)
    elif key[0] in own and not recorded.event.HasField("reverses"):
        tellings = _after_its_reversal(tellings, recorded.derived(_telling))
    return _fact(key, card, fact.above, tellings) if tellings else None


def _gives_back(recorded: Recorded, corrected: Recorded | None) -> bool:
    """Whether it is a reversal by number that says itself how much it gives back, not one of another such reversal."""
    if recorded.kind not in GIVES_BACK or not recorded.event.HasField("reverses"):
        return False
    return corrected is None or corrected.kind not in GIVES_BACK


def _after_its_reversal(tellings: list[Telling], late: Telling) -> list[Telling]:
    """Adds what comes after the reversal that names it: there is something to give back of, or the reversal was one of a reversal."""
    by = next((known for known in tellings if known.kind in GIVES_BACK and known.undone_at == known.position), None)
    if by is None:
        return tellings
    if late.kind in GIVES_BACK:
        return [known for known in tellings if known is not by]
    return [*tellings, late._replace(undone_at=by.position)]


def _fact(key: Key, card: bytes, above: bytes, tellings: list[Telling]) -> Row:
    told = sorted(tellings) if len(tellings) > 1 else tellings
    come_to = net(told)
    links = {key_digest(settlement_key(one.of)): None for one in told if one.kind == _REVERSAL and one.of}
    digests = b"".join([digest for digest in links if digest != key[0]]) if links else b""
    # Four fields of codes and two numbers a line: no text of an event has a control character.
    counted = "\n".join(["\t".join((*cell, str(uses), str(fen))) for cell, uses, fen in come_to.counted])
    return card, digests or above, packed(told), counted, len(come_to.findings)


def above(row: Row) -> Iterator[Key]:
    """Names the rows above: the trip that a verdict is about, the settlement that a reversal gives back of."""
    for at in range(0, len(row[1]), _DIGEST_BYTES):
        yield (row[1][at : at + _DIGEST_BYTES],)


def join(key: Key, row: Row | None, below: Row) -> Row | None:
    """Adds to a row what the one below it has to say of it."""
    known = unpacked(row[2]) if row is not None else []
    positions = {told.position for told in known}
    more = [told for told in unpacked(below[2]) if told.kind in _HANDED_ON and told.position not in positions]
    if not more:
        return row
    return _fact(key, row[0] if row is not None else below[0], row[1] if row is not None else b"", [*known, *more])


def cells_of(row: Row) -> Iterator[tuple[Key, tuple[int, ...]]]:
    """Returns what a row counts, by cell."""
    for line in row[3].split("\n") if row[3] else ():
        *cell, uses, fen = line.split("\t")
        yield tuple(cell), (int(uses), int(fen))


def found_in(row: Row) -> list[Found]:
    """Returns which tellings of a row repeat others, and what was taken back too much."""
    told = {telling.position: telling for telling in unpacked(row[2])}
    found = []
    for finding in net(list(told.values())).findings if row[4] else ():
        telling = told[finding.position]
        found.append(Found(*finding, telling.kind, telling.occurred_us, telling.recorded_us, telling.medium))
    return found


def listed_uses(connection: psycopg.Connection, card: bytes | None = None) -> list[Listed]:
    """Reads which uses were reported again, of all cards or of one, in the order of the journal."""
    rows = connection.execute(
        """SELECT card, above, tellings, counted, finding_count FROM views.daily_usage_facts
           WHERE finding_count > 0 AND (%(card)s::bytea IS NULL OR card = %(card)s)""",
        {"card": card},
    ).fetchall()
    issuer = {row: unpacked(row[2])[0].issuer for row in rows}
    return sorted((Listed("use", row[0].hex(), issuer[row], found) for row in rows for found in found_in(row)), key=lambda one: one.found)


def _trip(recorded: Recorded) -> references.EventRef:
    named: references.EventRef = getattr(recorded.event, recorded.kind).trip
    return named


def _reversed(recorded: Recorded) -> references.EventRef | None:
    return recorded.event.reverses if recorded.event.HasField("reverses") else None


DAILY_USAGE = Projection(
    name="daily_usage",
    key_columns=(("key", "bytea"),),
    value_columns=(("card", "bytea"), ("above", "bytea"), ("tellings", "text"), ("counted", "text"), ("finding_count", "integer")),
    kinds=TOLD_KINDS,
    keys=keys,
    evolve=evolve,
    indexes=("finding_count WHERE finding_count > 0",),
    cells=Cells(
        key_columns=(("day", "text"), ("issuer", "text"), ("region", "text"), ("scenario", "text")),
        # One amount fits a bigint; what adds up in a cell has no bound.
        value_columns=(("uses", "bigint"), ("amount_fen", "numeric")),
        of=cells_of,
    ),
    linked=Linked(above, join),
    refers={**dict.fromkeys(CLEARING, _trip), **dict.fromkeys(GIVES_BACK, _reversed)},
)
