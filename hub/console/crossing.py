"""Uses of cards in the other province, by place and group of scenarios, as they may be shown: without small counts."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from hub.console.drawing.tiles import places
from hub.console.page import Page
from hub.domain.small_counts import Sum, published, table_sums
from hub.projections.views.usage_counts import Flow

# Issuing province and the other, in which its cards are used.
DIRECTIONS = (("50", "51"), ("51", "50"))
ALL = "all"


class Sums(NamedTuple):
    """What is shown of both directions: by (issuer, place), by (issuer, group), and of each issuer; None is not shown."""

    places: dict[tuple[str, str], int | None]
    groups: dict[tuple[str, str], int | None]
    issuers: dict[str, int | None]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return None not in (*self.places.values(), *self.groups.values(), *self.issuers.values())


class Crossing:
    """Uses by issuing province, place and group."""

    def __init__(self, page: Page, found: Iterable[Flow]) -> None:
        """A district of a prefecture counts with it, what is on no map under the two digits of its province."""
        known = {tile.code for tile in places()} | {f"{province}0000" for province, _ in DIRECTIONS}
        self._uses: Counter[tuple[str, str, str]] = Counter()
        for flow in found:
            if flow.issuer != flow.region[:2]:
                region = page.workings.tables.region(flow.region, page.today) if flow.region not in known else None
                place = region.parent if region is not None else flow.region
                self._uses[flow.issuer, place if place in known else flow.region[:2], flow.group] += flow.uses

    def sums(self) -> Sums:
        """Returns both directions by place and by group: the same sums, divided twice."""
        by_place: Counter[tuple[str, str]] = Counter()
        by_group: Counter[tuple[str, str]] = Counter()
        by_issuer: Counter[str] = Counter({issuer: 0 for issuer, _ in DIRECTIONS})
        for (issuer, place, group), uses in self._uses.items():
            by_place[issuer, place] += uses
            by_group[issuer, group] += uses
            by_issuer[issuer] += uses
        counts = {("place", *name): uses for name, uses in by_place.items()}
        counts |= {("group", *name): uses for name, uses in by_group.items()} | {
            ("issuer", name, ""): uses for name, uses in by_issuer.items()
        }
        sums = [
            Sum(("issuer", issuer, ""), [name for name in counts if name[:2] == (kind, issuer)])
            for issuer in by_issuer
            for kind in ("place", "group")
        ]
        shown = published(counts, sums)
        return Sums(
            {name: shown["place", *name] for name in by_place},
            {name: shown["group", *name] for name in by_group},
            {name: shown["issuer", name, ""] for name in by_issuer},
        )

    def cells(self, issuer: str) -> tuple[list[str], list[str], dict[object, int | None]]:
        """Returns the places and groups of one direction, and what is shown of each cell and sum, by the names that `cell` makes."""
        found = {(place, group): uses for (one, place, group), uses in self._uses.items() if one == issuer and uses}
        rows, columns = sorted({place for place, _ in found}), sorted({group for _, group in found})
        counts: Counter[object] = Counter({ALL: 0})
        for (place, group), uses in found.items():
            for name in (cell(place, group), ("place", place), ("group", group), ALL):
                counts[name] += uses
        sums = table_sums([("place", one) for one in rows], [("group", one) for one in columns], ALL)
        return rows, columns, published(counts, sums)


def cell(place: str, group: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Returns the name of the uses of a group at a place: of its row and its column, which are the names of their sums."""
    return ("place", place), ("group", group)


def place_name(page: Page, place: str) -> str:
    """Returns what a place is called: a region, a province of which no district was named, or what is on no map."""
    if len(place) == 2:
        return page.t("图外", "on no map")
    if place.endswith("0000"):
        return page.t(f"{page.of_province(place[:2])}，未分区县", f"{page.of_province(place[:2])}, no district named")
    return page.region(place)
