"""Folds events into views in memory: what a unit, or the rows that several units touch, come to."""

from collections.abc import Collection, Mapping

import psycopg

from hub.journal.corrections import Change
from hub.journal.leaves import fill_leaves
from hub.journal.reader import Recorded
from hub.lanes.touches import Touches, hash_of
from hub.projections.cells import derived
from hub.projections.ledgers import Rows, fold_events
from hub.projections.naming import refer
from hub.projections.projection import CellView, Key, View
from hub.projections.touched import Parked, folds_in, keys_of, named_rows, read_by


class Folding:
    """One view's fold of some events, from nothing: its rows, its sums and what was parked.

    With *only*, rows whose keys have other hashes are left alone.
    """

    def __init__(self, view: View, only: Collection[int] | None = None) -> None:
        """Nothing is folded yet."""
        self.view, self._only = view, only
        self.rows, self.parked_now, self.touches = Rows(), Parked(), Touches()
        self._parked: set[str] = set()

    @property
    def sums(self) -> dict[Key, list[int]]:
        """What was added to its sums, by cell."""
        return self.rows.sums

    def fold(self, connection: psycopg.Connection, events: list[Recorded], changed: Mapping[int, Change]) -> None:
        """Folds those of the events that the view reads, which go on where the ones before ended."""
        view = self.view
        if not isinstance(view, CellView) and view.reads_leaves:
            # An export has no leaves; they are in the rows of the journal.
            fill_leaves(connection, events)
        folds = folds_in(*read_by(view, events, changed))
        if view.refers:
            refer(connection, view.refers, folds)
        if isinstance(view, CellView):
            self.parked_now |= derived(view, folds, self.sums)
            return
        touched, parked = named_rows(view, folds)
        self.parked_now |= parked
        if self._only is not None:
            only = self._only
            kept = ((touch, [key for key in keys_of(touch) if hash_of(key) in only]) for touch in touched)
            touched = [touch if keys == keys_of(touch) else (*touch[:3], keys) for touch, keys in kept]
        self.parked_now |= fold_events(view, touched, self.rows, self._parked)
        self.touches.add([(touch[0], key) for touch in touched for key in keys_of(touch)])
        if view.waiting is not None:
            # A row that may wait for the event is touched, whether it waits or not: it may be another unit that has it.
            waited = [(touch[0], view.waiting(touch[1]), keys_of(touch)) for touch in touched]
            self.touches.add([(position, key) for position, key, keys in waited if key is not None and key not in keys])
