"""The map of tiles: each prefecture of Sichuan and each district of Chongqing is a square. It has no boundary to review."""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from hub.console.drawing.svg import picture, tag
from hub.console.tables import number

# Fixed, so that days compare, and one large city does not make all others alike.
STEPS = (1, 20, 100, 500, 2_500)
SIZE = 47


class Tile(NamedTuple):
    """A place on the map."""

    code: str
    name: str
    column: int
    row: int
    province: str


@cache
def places() -> tuple[Tile, ...]:
    """The places of the map."""
    text = (Path(__file__).parent / "tiles.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(Tile(row["code"], row["name"], int(row["column"]), int(row["row"]), row["province"]) for row in rows)


def step_of(uses: int) -> int:
    """Returns how deep the colour of a number is, 0 for none."""
    return sum(1 for least in STEPS if uses >= least)


def tiles(uses: Mapping[str, int | None], names: Mapping[str, str], label: str, query: str = "") -> Markup:
    """Draws the map; a tile has the colour of the cards that are used there: the other province's. None is not shown, not as a shade.

    With a *query* each tile leads to its region.
    """
    inner: list[Markup] = []
    for tile in places():
        parts = _tile(tile, uses.get(tile.code, 0), names.get(tile.code, tile.name))
        inner.append(tag("a", "", parts, href=f"/regions/{tile.code}?{query}") if query else tag("g", "", parts))
    inner += _border()
    return picture(10 * SIZE, 8 * SIZE, label, inner, "tiles")


def _tile(tile: Tile, count: int | None, name: str) -> list[Markup]:
    x, y, step = tile.column * SIZE, tile.row * SIZE, step_of(count or 0)
    guest = "cq" if tile.province == "51" else "sc"
    colour = f"tile-{guest}-{step}" if step else "tile-none"
    middle = x + SIZE // 2
    on = f"on-{guest}-{step}" if step else "on-none"
    short = name[:6]
    adjust = "spacingAndGlyphs" if len(short) > 5 else None
    size = "name" if len(short) < 4 else "name small"
    return [
        tag("title", f"{name} {number(count)}"),
        tag("rect", x=x + 1, y=y + 1, width=SIZE - 2, height=SIZE - 2, rx=2, class_=colour),
        # Six Latin letters are drawn as wide as there is room, so that they touch no neighbour on a phone.
        tag("text", short, x=middle, y=y + 20, class_=f"{size} {on}", textLength=SIZE - 8 if len(short) > 5 else None, lengthAdjust=adjust),
        tag("text", "·" if count == 0 else number(count), x=middle, y=y + 37, class_=f"count {on}"),
    ]


def _border() -> list[Markup]:
    """Draws the line between the provinces: wherever neighbours are of two."""
    at = {(tile.column, tile.row): tile.province for tile in places()}
    lines = []
    for (column, row), province in at.items():
        x, y = column * SIZE, row * SIZE
        if at.get((column + 1, row), province) != province:
            lines.append(tag("line", x1=x + SIZE, x2=x + SIZE, y1=y, y2=y + SIZE, class_="border"))
        if at.get((column, row + 1), province) != province:
            lines.append(tag("line", x1=x, x2=x + SIZE, y1=y + SIZE, y2=y + SIZE, class_="border"))
    return lines
