"""What was on record of a holder at a position: facts that came or were corrected later are undone."""

from typing import Any, NamedTuple

import psycopg

from hub.domain.card import Fact
from hub.domain.concessions import Entry
from hub.domain.culture.loans import READER_REGISTERED
from hub.domain.records.known import Library, Records, Register, library_of, records_of
from hub.domain.records.weighing import UNKNOWN, OnRecord
from hub.domain.reported import Reported
from hub.journal.reader import Recorded
from hub.projections.projection import Key
from hub.projections.views.card_rows import rows_named
from hub.projections.views.card_standing import facts_of
from hub.projections.views.concessions import CONCESSIONS, decode
from hub.projections.views.concessions import State as Concession
from hub.projections.views.culture import LOANS
from hub.projections.views.holder_record import HOLDER_RECORD
from hub.projections.views.record_rows import REGISTER_ROWS, subjects
from hub.projections.views.registers import REGISTERS, registers_of
from hub.projections.views.registers import decode as register_state
from hub.projections.views.reports import Report, reported


class Since(NamedTuple):
    """A position, the events that were in force then and are no more, and those that have come into force since."""

    position: int
    stood: list[Recorded]
    since: list[Recorded]


def records_at(connection: psycopg.Connection, card_key: bytes, change: Since) -> Records:
    """Returns what was on record of the holder of a card."""
    later = {recorded.position for recorded in change.since}
    keys = [bytes(key) for (key,) in connection.execute(_SUBJECTS.encode(), {"keys": [card_key]}).fetchall()] or [card_key]
    rows = [facts_of(text) for (text,) in connection.execute(_ROWS.encode(), (keys,)).fetchall()]
    known = [[fact for fact in row if fact.position <= change.position and fact.position not in later] for row in rows]
    known += [_evolved((key,), recorded) for recorded in change.stood for key in keys if (key,) in HOLDER_RECORD.keys(recorded, None)]
    units = _units(connection, keys, change, later)
    states = {(name, province): register_state(tuple(row)) for name, province, *row in connection.execute(REGISTER_ROWS.encode())}
    registers = registers_of(_registers(states, change, later), change.position)
    return records_of(known, registers, units, _library(connection, keys, change.position))


def token_before(connection: psycopg.Connection, token: bytes, position: int | None) -> OnRecord:
    """Returns whether an answer before a position (None: any) had used what an e-card showed."""
    row = connection.execute("SELECT position FROM journal.redeemed_token WHERE token_key = %s", (token,)).fetchone() if token else None
    return OnRecord(False, row[0]) if row is not None and (position is None or row[0] < position) else UNKNOWN


def _library(connection: psycopg.Connection, keys: list[bytes], position: int) -> Library:
    """Returns what libraries had reported of the holder and of the items that the holder borrowed."""
    of_person = "(card <> '' AND card = ANY (%(keys)s)) OR (holder <> '' AND holder = ANY (%(keys)s))"
    own = _reports(connection, of_person, {"keys": keys}, position)
    items = [one.message.barcode for one in own if one.kind != READER_REGISTERED]
    told = _reports(connection, "name = ANY (%(items)s)", {"items": items}, position) if items else []
    told += [one for one in own if one.kind == READER_REGISTERED]
    return library_of(told, (one.position for one in own))


def _reports(connection: psycopg.Connection, where: str, named: dict[str, Any], position: int) -> list[Reported]:
    rows = connection.execute(f"{_REPORTS} WHERE {where}".encode(), named).fetchall()
    return [reported(at, row) for at, *values in rows if (row := Report._make(values)).was_in_force(position)]


def _units(connection: psycopg.Connection, keys: list[bytes], change: Since, later: set[int]) -> list[Entry]:
    """Returns the entries of concessions by what had been reported of each."""
    found: dict[Key, Concession | None] = {}
    for key, *row in connection.execute(_ENTRIES.encode(), (keys,)).fetchall():
        known = decode(tuple(row))
        reports = tuple(one for one in known.reports if one.position <= change.position and one.position not in later)
        found[(bytes(key),)] = known._replace(reports=reports) if reports else None
    for recorded in change.stood:
        for key in CONCESSIONS.keys(recorded, None):
            evolved: Concession | None = CONCESSIONS.evolve(key, found.get(key), recorded, None)
            if evolved is not None and evolved.card in keys:
                found[key] = evolved
    return [state.entry for state in found.values() if state is not None]


def _evolved(key: Key, recorded: Recorded) -> list[Fact]:
    found: list[Fact] | None = HOLDER_RECORD.evolve(key, None, recorded, None)
    return found or []


def _registers(states: dict[tuple[str, str], Register], change: Since, later: set[int]) -> list[tuple[str, str, Register]]:
    """Returns the registers without the declarations that came into force later, and with those that were taken back."""
    found = dict(states)
    for key, state in states.items():
        found[key] = state._replace(declared=tuple(one for one in state.declared if one.position not in later))
    for recorded in change.stood:
        for key in REGISTERS.keys(recorded, None):
            named = (str(key[0]), str(key[1]))
            if (evolved := REGISTERS.evolve(key, found.get(named), recorded, None)) is not None:
                found[named] = evolved
    return [(*key, state) for key, state in found.items()]


_SUBJECTS = f"{rows_named('%(keys)s')}, {subjects('%(keys)s')} SELECT DISTINCT key FROM subjects"  # noqa: S608 (our own text)
_ENTRIES = f"SELECT key, card, city, day, entry, reports FROM views.{CONCESSIONS.name} WHERE card = ANY (%s)"  # noqa: S608 (our own view)
_ROWS = f"SELECT facts FROM views.{HOLDER_RECORD.name} WHERE key = ANY (%s)"  # noqa: S608 (the name of our own view)
_REPORTS = f"""SELECT position, kind, data, occurred_us, recorded_us, stream_id, sequence, card, holder, spans, also
    FROM views.{LOANS.name}"""  # noqa: S608 (our own view)
