"""The one table of who may do what: the role that each event kind and each call needs, read from `roles.csv` beside this module.

A kind or a call without a row is nobody's: what is not granted is refused.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from chuanyu.exchange.v1 import roles_pb2

from hub.domain.reference.reading import Cells, read_table

ROLES = tuple(name.removeprefix("PARTICIPANT_ROLE_") for name, number in roles_pb2.ParticipantRole.items() if number)
READS = tuple(name.removeprefix("READ_SCOPE_") for name, number in roles_pb2.ReadScope.items() if number)
# A reader reports nothing.
TELLING = tuple(role for role in ROLES if role != "READER")
FILE = Path(__file__).parent / "roles.csv"
_COLUMNS = ("what", "name", "roles", "scenarios", "read_as")


class Needed(NamedTuple):
    """What a row asks for: any of *roles*, none for what nobody or everybody may do; *scenarios* of a service point; how it is read."""

    roles: tuple[str, ...]
    scenarios: tuple[str, ...] = ()
    read_as: str = ""


NOBODY = Needed(())


class RoleTable(NamedTuple):
    """The rows: event kinds by their name in Event, calls by their full method name."""

    kinds: Mapping[str, Needed]
    calls: Mapping[str, Needed]


@cache
def role_table() -> RoleTable:
    """Reads the table once a process; raises InvalidReferenceTable where it is wrong."""
    table = RoleTable({}, {})
    for cells, (what, name, needed) in read_table(FILE.name, FILE.read_bytes(), _COLUMNS, _read_row):
        rows: dict[str, Needed] = table.kinds if what == "event" else table.calls  # type: ignore[assignment]
        if name in rows:
            raise cells.refuse("name", "DUPLICATE")
        rows[name] = needed
    return table


def _read_row(cells: Cells) -> tuple[str, str, Needed]:
    what, name = cells.one_of("what", ("event", "call")), cells.name("name")
    roles = TELLING if cells.text("roles") == "*" else tuple(sorted(cells.items("roles", ROLES), key=ROLES.index))
    scenarios = cells.items("scenarios")
    if bool(scenarios) != (what == "event" and roles != TELLING and "SERVICE_POINT" in roles):
        raise cells.refuse("scenarios", "SERVICE_POINT")
    read_as = cells.one_of("read_as", ("", *READS))
    return what, name if what == "event" else f"chuanyu.exchange.v1.{name}", Needed(roles, scenarios, read_as)


def covers(granted: str, pattern: str) -> bool:
    """Whether a granted scenario pattern (code, group such as TRA.*, or *) reaches all that another one means."""
    return granted in ("*", pattern) or (granted.endswith(".*") and pattern.startswith(granted[:-1]))
