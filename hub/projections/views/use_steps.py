"""View: the uses of cards, payments, wrong PINs and unknown cards that were asked about, as short steps for the rules of findings.

A row is an event that is in force. `hub.findings` reads the steps of one subject together.
"""

from collections.abc import Iterator

from hub.domain.event_rules import KIND_NUMBERS
from hub.domain.unusual_use.steps import DECISION, STEP_KINDS, UNKNOWN, Named, Step, step_of
from hub.journal.reader import Recorded
from hub.projections.projection import First, Key, Projection, Row

KIND_NAMES = {number: name for name, number in KIND_NUMBERS.items()}


def named(recorded: Recorded) -> Named | None:
    """Returns the step that an event is, with its subject."""
    return step_of(recorded.kind, recorded.event, recorded.occurred_us, recorded.position) if recorded.kind in STEP_KINDS else None


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the rows of the event and of the one it corrects."""
    for about in (recorded, corrected):
        if about is not None and about.kind in STEP_KINDS:
            yield (about.position,)


def evolve(key: Key, row: Row | None, recorded: Recorded, corrected: Recorded | None) -> Row | None:
    """Makes the row of an event; one that is corrected or reversed has none any more."""
    if corrected is not None and corrected.position == key[0] and recorded.position != key[0]:
        return None
    if recorded.position != key[0]:
        return row
    return None if recorded.is_reversal else _row(recorded)


def _row(recorded: Recorded) -> Row | None:
    found = recorded.derived(named)
    if found is None:
        return None
    step = found.step
    kind = KIND_NUMBERS[step.kind]
    fields = (step.issuer, step.region, step.medium, step.place, step.detail, step.amount_fen)
    return found.subject, found.card, step.occurred_us, kind, *fields


def first(recorded: Recorded) -> First | None:
    """Returns the row of an event that takes nothing out: nearly all are so."""
    row = None if recorded.is_reversal else _row(recorded)
    return None if row is None else First([(recorded.position,)], (recorded.position, *row), None)


def step_in(row: Row) -> Step:
    """Reads a step from (position, occurred_us, kind, issuer, region, medium, place, detail, amount_fen)."""
    position, occurred_us, kind, *fields = row
    return Step(position, occurred_us, KIND_NAMES[kind], *fields)


STEP_COLUMNS = "position, occurred_us, kind, issuer, region, medium, place, detail, amount_fen"
USE_STEPS = Projection(
    name="use_step",
    key_columns=(("position", "bigint"),),
    value_columns=(
        ("subject", "bytea"),
        ("card", "bytea"),
        ("occurred_us", "bigint"),
        ("kind", "integer"),
        ("issuer", "text"),
        ("region", "text"),
        ("medium", "integer"),
        ("place", "text"),
        ("detail", "text"),
        ("amount_fen", "bigint"),
    ),
    kinds=STEP_KINDS,
    keys=keys,
    evolve=evolve,
    first=first,
    in_parts=True,
    appends=True,
    marks={DECISION: UNKNOWN.encode()},
    indexes=("subject, occurred_us", "occurred_us"),
)
