"""View: uses and money by business day, issuing province, serving region and scenario; corrections and reversals move them."""

from hub.domain.usage import COUNTED_KINDS, amount_fen, cell_of
from hub.journal.reader import Recorded
from hub.projections.engine import Key, Projection, Row

# What a bigint holds; an amount beyond it is parked here instead of failing the page in the database.
_MOST_FEN = 2**63


def _counted(recorded: Recorded) -> tuple[Key, int] | None:
    """Returns the cell and money of a use; None for what is no use."""
    if recorded.kind not in COUNTED_KINDS or recorded.is_reversal:
        return None
    return tuple(cell_of(recorded.event, recorded.occurred_us)), amount_fen(recorded.kind, recorded.event)


def _uses(recorded: Recorded, corrected: Recorded | None) -> list[tuple[Key, int, int]]:
    """Returns (cell, uses, money) that the event adds, and those that what it corrects takes away."""
    found = []
    if (use := recorded.derived(_counted)) is not None:
        found.append((use[0], 1, use[1]))
    if corrected is not None and (use := corrected.derived(_counted)) is not None:
        found.append((use[0], -1, -use[1]))
    return found


def keys(recorded: Recorded, corrected: Recorded | None) -> list[Key]:
    """Names the cell of the event and that of the event it corrects."""
    return sorted({cell for cell, _, _ in _uses(recorded, corrected)})


def evolve(key: Key, row: Row | None, recorded: Recorded, corrected: Recorded | None) -> Row:
    """Adds the event to its cell and takes what it corrects out of its own."""
    uses, money = (row[0], row[1]) if row is not None else (0, 0)
    for cell, more_uses, more_money in _uses(recorded, corrected):
        if cell == key:
            uses, money = uses + more_uses, money + more_money
    if abs(money) >= _MOST_FEN:
        raise OverflowError
    return uses, money


DAILY_USAGE = Projection(
    name="daily_usage",
    key_columns=(("day", "text"), ("issuer", "text"), ("region", "text"), ("scenario", "text")),
    value_columns=(("uses", "bigint"), ("amount_fen", "bigint")),
    kinds=COUNTED_KINDS,
    keys=keys,
    evolve=evolve,
)
