"""The catalogue as of a day: the tables with what the sides approved since. An item is 川渝通办 if both sides offer it then."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import service_items_pb2 as protos

from hub.domain.agreement import SIDES
from hub.domain.errors import BeforeCatalogue, UnknownItem
from hub.domain.joint_services.book import CatalogueBook
from hub.domain.joint_services.periods import Period, periods
from hub.domain.joint_services.search import Index
from hub.domain.joint_services.sides import Side, State, side_on
from hub.domain.reference import Reference
from hub.domain.reference.reading import in_force
from hub.domain.reference.service_items import MODES, Figure, Package

# How many days are kept as they were looked at.
_DAYS_KEPT = 64


class Entry(NamedTuple):
    """An item on a day, with its sides in order; *basis* is where it comes from that a side offers it at all."""

    item_id: str
    definition: protos.ServiceItemDefinition
    sides: tuple[Side, ...]
    packages: tuple[str, ...]
    basis: Any

    def side(self, province: str) -> Side:
        """Returns one side."""
        return self.sides[SIDES.index(province)]

    @property
    def implementing_codes(self) -> tuple[str, ...]:
        """The codes under which the sides handle it."""
        return tuple(side.version.implementing_code for side in self.sides if side.version is not None)

    @property
    def is_shared(self) -> bool:
        """Whether both sides offer it."""
        return all(side.state == State.SERVICE_ITEM_STATE_LIVE for side in self.sides)


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """The catalogue on a day: the items by id, what was published by then, and the index that finds them by words."""

    on: date
    entries: Mapping[str, Entry]
    figures: tuple[Figure, ...]
    search: Index


class _Definition(NamedTuple):
    valid_from: date
    valid_to: date | None
    definition: protos.ServiceItemDefinition


class Catalogue:
    """All that is known of the items; the same tables and the same number of changes make the same catalogue."""

    def __init__(self, reference: Reference, book: CatalogueBook | None) -> None:
        """*book* has what the sides approved; None where nobody ever drafted anything."""
        self.reference, self._tables = reference, reference.service_items
        self.changes = book.version if book is not None else 0
        approved = book.approved if book is not None else {}
        self._definitions = _definitions(reference, approved)
        self.periods = _all_periods(reference, approved)
        self._codes = self._by_code()
        self.first_day = min(figure.published_on for figure in self._tables.figures)
        self._days: dict[date, Day] = {}

    def on(self, day: date) -> Day:
        """Returns the catalogue of a day; raises BeforeCatalogue."""
        if day < self.first_day:
            raise BeforeCatalogue(first_day=self.first_day.isoformat())
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= _DAYS_KEPT:
                self._days.pop(next(iter(self._days)), None)
            found = self._days[day] = self._as_of(day)
        return found

    def item_id(self, code: str) -> str:
        """Returns the item that an id, a base code or an implementing code names, whenever it did; raises UnknownItem."""
        found = self._codes.get(code)
        if found is None:
            raise UnknownItem
        return found

    def is_defined(self, item_id: str) -> bool:
        """Whether an item is in the catalogue, by the table or by what a side approved."""
        return item_id in self._definitions

    def _as_of(self, day: date) -> Day:
        packages: dict[str, list[str]] = {}
        for package in self.packages(day):
            for item_id in package.items:
                packages.setdefault(item_id, []).append(package.package_id)
        entries = {
            item_id: Entry(
                item_id,
                _definition_on(versions, day),
                tuple(side_on(self.periods.get((item_id, province), ()), province, day.toordinal()) for province in SIDES),
                tuple(packages.get(item_id, ())),
                self._basis(item_id, day.toordinal()),
            )
            for item_id, versions in sorted(self._definitions.items())
        }
        return Day(day, entries, self._newest_figures(day), Index(entries.values(), self._tables.words, self._tables.initials))

    def _basis(self, item_id: str, day: int) -> Any:
        known = [period for province in SIDES for period in self.periods.get((item_id, province), ())]
        of_the_day = [period for period in known if period.covers(day)]
        return next((period.version.basis for period in (*of_the_day, *known)), protos.SERVICE_ITEM_BASIS_UNSPECIFIED)

    def packages(self, day: date) -> list[Package]:
        """Returns the packages of a day."""
        found = (in_force(versions, day) for versions in self._tables.packages.values())
        return [package for package in found if package is not None]

    def _newest_figures(self, day: date) -> tuple[Figure, ...]:
        newest: dict[tuple[str, int], Figure] = {}
        for figure in self._tables.figures:
            if figure.published_on > day:
                continue
            if figure.measure in MODES:
                # The modes of a batch share it out: an older figure does not go with a newer one of another mode.
                older = [(mode, figure.batch) for mode in MODES if (mode, figure.batch) in newest]
                for key in older:
                    if newest[key].published_on < figure.published_on:
                        del newest[key]
            newest[figure.measure, figure.batch] = figure
        return tuple(figure for _, figure in sorted(newest.items(), key=lambda one: (one[0][1], one[0][0] != "ITEMS", one[0][0])))

    def _by_code(self) -> dict[str, str]:
        codes: dict[str, str] = {}
        for (item_id, _), found in self.periods.items():
            codes |= {period.version.implementing_code: item_id for period in found}
        for item_id, versions in self._definitions.items():
            codes |= {version.definition.base_code: item_id for version in versions}
        codes |= {item_id: item_id for item_id in self._definitions}
        codes.pop("", None)
        return codes


Approved = Mapping[tuple[str, str], list[protos.ServiceItemDrafted]]


def _definitions(reference: Reference, approved: Approved) -> dict[str, tuple[_Definition, ...]]:
    """Returns what each item is by days; of an item that the table does not have, what the sides said with their versions."""
    tables = reference.service_items
    found = {
        item_id: tuple(_Definition(row.valid_from, row.valid_to, row.definition) for row in rows) for item_id, rows in tables.items.items()
    }
    said: dict[str, list[_Definition]] = {}
    for (item_id, _), drafts in approved.items():
        if item_id not in found:
            said.setdefault(item_id, []).extend(
                _Definition(date.fromisoformat(draft.version.valid_from), None, draft.definition)
                for draft in drafts
                if draft.HasField("definition")
            )
    return found | {item_id: tuple(sorted(versions, key=lambda one: one.valid_from)) for item_id, versions in said.items() if versions}


def _definition_on(versions: tuple[_Definition, ...], day: date) -> protos.ServiceItemDefinition:
    """Returns what an item is on a day: before its first the first one, after its end the last one, for its successors."""
    return next((one.definition for one in reversed(versions) if one.valid_from <= day), versions[0].definition)


def _all_periods(reference: Reference, approved: Approved) -> dict[tuple[str, str], tuple[Period, ...]]:
    rows = reference.service_items.versions
    return {
        key: periods([row.version for row in rows.get(key, ())] + [draft.version for draft in approved.get(key, ())])
        for key in {*rows, *approved}
    }
