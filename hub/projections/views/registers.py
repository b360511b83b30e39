"""View: the registers that their owners report whole, and when each of them last reported anything of it."""

import json
from collections.abc import Iterable, Iterator

from hub.domain.instants import HOUR_US
from hub.domain.records.known import Declaration, Register, RegisterKey
from hub.domain.records.topics import DECLARED, SIGNS, TOPICS, register_of
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row

_encode = json.JSONEncoder(separators=(",", ":")).encode
_KINDS = frozenset({DECLARED, *TOPICS, *SIGNS})


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the registers that the event and the one it corrects are about."""
    for about in (recorded, corrected):
        if about is not None and about.kind in _KINDS:
            yield about.derived(_register)


def _register(recorded: Recorded) -> Key:
    return register_of(recorded.kind, recorded.event)


def evolve(key: Key, known: Register | None, recorded: Recorded, corrected: Recorded | None) -> Register | None:
    """Adds a declaration, or moves the instant of the newest report; without a declaration there is no row."""
    if known is None and recorded.kind != DECLARED:
        # Nearly every event: nobody declared its register.
        return None
    declared, last_us = known if known is not None else ((), 0)
    if corrected is not None:
        declared = tuple(one for one in declared if one.position != corrected.position)
    event = recorded.event
    is_in_force = not recorded.is_reversal and recorded.kind in _KINDS and recorded.derived(_register) == key
    if is_in_force and recorded.kind == DECLARED and all(one.position != recorded.position for one in declared):
        fresh_us = event.register_declared_complete.fresh_for_hours * HOUR_US
        one = Declaration(recorded.position, recorded.occurred_us, fresh_us)
        declared = tuple(sorted([*declared, one], key=lambda one: (one.from_us, one.position)))
    if not declared:
        return None
    if is_in_force:
        last_us = max(last_us, recorded.occurred_us)
    return known if known == (declared, last_us) else Register(declared, last_us)


def decode(row: Row) -> Register:
    """Reads a row."""
    return Register(tuple(Declaration(*one) for one in json.loads(row[0])), row[1])


def encode(register: Register) -> Row:
    """Writes a row."""
    return _encode(register.declared), register.last_us


def registers_of(rows: Iterable[tuple[str, str, Register]], position: int | None = None) -> dict[RegisterKey, Register]:
    """Returns the registers of some rows, as they were declared by a position."""
    found = {}
    for name, province, register in rows:
        if declared := tuple(one for one in register.declared if position is None or one.position <= position):
            found[name, province] = register._replace(declared=declared)
    return found


REGISTERS = Projection(
    name="register",
    key_columns=(("register", "text"), ("province", "text")),
    value_columns=(("declared", "text"), ("last_us", "bigint")),
    kinds=_KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
)
