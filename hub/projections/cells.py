"""Folds pages into views of cells: what the events of a page add and take off comes together, one statement writes it."""

from collections.abc import Mapping

import psycopg

from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.ledgers import Parked, folds_in
from hub.projections.naming import refer
from hub.projections.projection import CellView, Key
from hub.projections.rows import add_up


def fold_into_cells(connection: psycopg.Connection, view: CellView, page: list[Recorded], changed: Mapping[int, Change]) -> Parked:
    """Folds a page and returns what was parked: an event whose cells cannot be named or added, by itself."""
    folds = folds_in(page, changed)
    if view.refers:
        refer(connection, view.refers, folds)
    sums: dict[Key, list[int]] = {}
    parked: Parked = set()
    derive, is_sum = view.derive, [name not in view.greatest for name, _ in view.value_columns]
    for position, recorded, corrected in folds:
        try:
            moved = list(derive(recorded, corrected))
        except Exception as error:
            parked.add((f"position {position}", position, type(error).__name__))
            continue
        for key, values in moved:
            if (known := sums.get(key)) is None:
                sums[key] = list(values)
                continue
            for column, value in enumerate(values):
                known[column] = known[column] + value if is_sum[column] else max(known[column], value)
    add_up(connection, view.tables[0], sums, view.greatest)
    return parked
