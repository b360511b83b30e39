"""What was on record of a holder at a position: by the holder's own events, registers as declared then, and what libraries reported."""

from typing import Any

import psycopg

from hub.audit.replay.memory import OnRecord as Own
from hub.domain.culture.loans import READER_REGISTERED
from hub.domain.records.known import Library, Records, Register, library_of, records_of
from hub.domain.records.topics import DECLARED
from hub.domain.records.weighing import UNKNOWN, OnRecord
from hub.domain.reported import Reported
from hub.journal.corrections import changed_since, corrected_by_kind
from hub.journal.reader import Recorded
from hub.projections.projection import Projection
from hub.projections.views.culture import LOANS
from hub.projections.views.medical import INSTITUTIONS
from hub.projections.views.record_rows import REGISTER_ROWS
from hub.projections.views.registers import REGISTERS, registers_of
from hub.projections.views.registers import decode as register_state
from hub.projections.views.reports import Report, reported


def records_at(connection: psycopg.Connection, own: Own, position: int, reached: int) -> Records:
    """Returns what was on record of a holder at a position; *own* is what follows from the holder's own events."""
    stood, since = changed_since(connection, corrected_by_kind(connection, DECLARED, position, reached), position, reached)
    states = {(name, province): register_state(tuple(row)) for name, province, *row in connection.execute(REGISTER_ROWS.encode())}
    registers = registers_of(_registers(states, stood, {one.position for one in since}), position)
    return records_of([*own.facts, *own.entries], registers, own.units, _library(connection, list(own.subjects), position))


def token_before(connection: psycopg.Connection, token: bytes, position: int | None) -> OnRecord:
    """Returns whether an answer before a position (None: any) had used what an e-card showed."""
    row = connection.execute("SELECT position FROM journal.redeemed_token WHERE token_key = %s", (token,)).fetchone() if token else None
    return OnRecord(False, row[0]) if row is not None and (position is None or row[0] < position) else UNKNOWN


def institution_at(connection: psycopg.Connection, code: str, position: int) -> tuple[Reported, ...]:
    """Returns what had been reported of an institution by a position; nothing of one that is not named."""
    return tuple(_reports(connection, INSTITUTIONS, "name = %(code)s", {"code": code}, position)) if code else ()


def _library(connection: psycopg.Connection, keys: list[bytes], position: int) -> Library:
    """Returns what libraries had reported of the holder and of the items that the holder borrowed."""
    of_person = "(card <> '' AND card = ANY (%(keys)s)) OR (holder <> '' AND holder = ANY (%(keys)s))"
    own = _reports(connection, LOANS, of_person, {"keys": keys}, position)
    items = [one.message.barcode for one in own if one.kind != READER_REGISTERED]
    told = _reports(connection, LOANS, "name = ANY (%(items)s)", {"items": items}, position) if items else []
    told += [one for one in own if one.kind == READER_REGISTERED]
    return library_of(told, (one.position for one in own))


def _reports(connection: psycopg.Connection, view: Projection, where: str, named: dict[str, Any], position: int) -> list[Reported]:
    rows = connection.execute(f"{_REPORT} FROM views.{view.name} WHERE {where} ORDER BY position".encode(), named).fetchall()
    return [reported(at, row) for at, *values in rows if (row := Report._make(values)).was_in_force(position)]


def _registers(states: dict[tuple[str, str], Register], stood: list[Recorded], later: set[int]) -> list[tuple[str, str, Register]]:
    """Returns the registers without the declarations that came into force later, and with those that were taken back."""
    found = dict(states)
    for key, state in states.items():
        found[key] = state._replace(declared=tuple(one for one in state.declared if one.position not in later))
    for recorded in stood:
        for key in REGISTERS.keys(recorded, None):
            named = (str(key[0]), str(key[1]))
            if (evolved := REGISTERS.evolve(key, found.get(named), recorded, None)) is not None:
                found[named] = evolved
    return [(*key, state) for key, state in found.items()]


_REPORT = "SELECT position, kind, data, occurred_us, recorded_us, stream_id, sequence, card, holder, spans, also"
