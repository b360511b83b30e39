"""View: which rows of fund batches a bank's serial is reported of; a bank gives each act of its own one serial, so they should be one row.

A serial is known by the province that pays and its text. Which bank gave it is known where the report came in its return file; serials of
two banks are not compared.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from hub.domain.funds.attempts import PAID, REPAID, RETURNED
from hub.journal.reader import Recorded
from hub.projections.projection import First, Key, Projection, Row
from hub.projections.views.chains import gives_back

_KINDS = frozenset({PAID, RETURNED, REPAID})
# The name of a return file says whose it is.
_BANK = re.compile(r"BK_([0-9]{3})_", re.ASCII)
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Named(NamedTuple):
    """One report that names a serial: of which row, and by which bank, "" where that is not known."""

    position: int
    batch_no: str
    row_no: int
    bank: str


class Serial(NamedTuple):
    """A serial: in which province, and the reports that name it in the order of their positions."""

    province: str
    named: tuple[Named, ...]

    @property
    def shared(self) -> list[tuple[str, int, int, int]]:
        """Each row that has it as another one has: batch, row, the position of its first report, and that of the other row's first."""
        rows: dict[tuple[str, int, str], Named] = {}
        for one in self.named:
            rows.setdefault((one.batch_no, one.row_no, one.bank), one)
        found = dict[tuple[str, int], tuple[int, int]]()
        for one in rows.values():
            other = next((other for other in rows.values() if _is_other_row(one, other)), None)
            if other is not None:
                found.setdefault((one.batch_no, one.row_no), (one.position, other.position))
        return [(*row, *positions) for row, positions in found.items()]


def _is_other_row(one: Named, other: Named) -> bool:
    is_one_bank = not one.bank or not other.bank or one.bank == other.bank
    return is_one_bank and (one.batch_no, one.row_no) != (other.batch_no, other.row_no)


def _key(recorded: Recorded) -> Key | None:
    serial = getattr(recorded.event, recorded.kind).bank_serial if recorded.kind in _KINDS else ""
    return (f"{recorded.event.service_region[:2]}/{serial}".encode(),) if serial else None


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the serial of the event and that of the one it corrects."""
    for about in (recorded, corrected):
        if about is not None and (key := about.derived(_key)) is not None:
            yield key


def _named(recorded: Recorded) -> Named:
    message, bank = getattr(recorded.event, recorded.kind), _BANK.match(recorded.event.source.file_name)
    return Named(recorded.position, message.batch_no, message.row_no, bank[1] if bank is not None else "")


def evolve(key: Key, known: Serial | None, recorded: Recorded, corrected: Recorded | None) -> Serial | None:
    """Adds what names the serial; a correction first takes the corrected report out, a reversal only does that."""
    gives = gives_back(recorded, corrected)
    named = known.named if known is not None else ()
    gone = {recorded.position} if corrected is None or gives else {recorded.position, corrected.position}
    named = tuple(one for one in named if one.position not in gone)
    if recorded.derived(_key) == key and (gives or not recorded.is_reversal):
        named = tuple(sorted((*named, _named(recorded))))
    return Serial(recorded.event.service_region[:2] if known is None else known.province, named) if named else None


def first(recorded: Recorded) -> First | None:
    """Returns the row of a serial as its first report makes it: nearly every one is named once."""
    if (key := recorded.derived(_key)) is None:
        return None
    return First([key], (*key, *encode(Serial(recorded.event.service_region[:2], (_named(recorded),)))), None)


def decode(row: Row) -> Serial:
    """Reads a row; the column that follows from the reports is not read."""
    return Serial(row[0], tuple(Named(*one) for one in json.loads(row[1])))


def encode(serial: Serial) -> Row:
    """Writes a row."""
    shared = serial.shared if len(serial.named) > 1 else []
    return serial.province, _encode(serial.named), _encode(shared) if shared else ""


FUND_SERIALS = Projection(
    name="fund_serial",
    key_columns=(("key", "bytea"),),
    value_columns=(("province", "text"), ("named", "text"), ("shared", "text")),
    kinds=_KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    indexes=("province WHERE shared <> ''",),
    first=first,
    in_parts=True,
)
