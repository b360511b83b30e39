"""Two rails of time: when things happened, and when the hub knew. A line joins both; what lies to the right was later."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from hub.console.drawing.svg import picture, tag

WIDTH, HEIGHT = 1_080, 168
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 1_040, 44, 116


class Point(NamedTuple):
    """A fact on both rails: what it is, when it happened, when it was recorded, as texts too; *counts* where the answer rests on it."""

    label: str
    occurred_us: int
    recorded_us: int
    occurred: str
    recorded: str
    counts: bool = True
    href: str = ""


def rails(points: Sequence[Point], asked: Point, words: tuple[str, str], label: str) -> Markup:
    """Draws facts and the question; *words* name the rails. Gaps are drawn as steps: it is the order that is to be seen."""
    happened = _places([point.occurred_us for point in (*points, asked)])
    known = _places([point.recorded_us for point in (*points, asked)])
    inner = [
        tag("rect", x=_LEFT, y=_TOP - 12, width=_RIGHT - _LEFT, height=24, class_="rail"),
        tag("rect", x=_LEFT, y=_BOTTOM - 12, width=_RIGHT - _LEFT, height=24, class_="rail"),
        tag("text", words[0], x=0, y=_TOP + 4, class_="axis"),
        tag("text", words[1], x=0, y=_BOTTOM + 4, class_="axis"),
    ]
    named: dict[str, list[int]] = {"up": [], "label": [], "low": []}
    for point in points:
        inner += _point(point, happened[point.occurred_us], known[point.recorded_us], named)
    inner += _asked(asked, happened[asked.occurred_us], known[asked.recorded_us])
    return picture(WIDTH, HEIGHT, label, inner, "rails")


def _places(instants: Sequence[int]) -> dict[int, int]:
    """Returns where on a rail each instant is: in order, at like distances."""
    order = sorted(set(instants))
    step = (_RIGHT - _LEFT - 60) / max(1, len(order))
    return {at: round(_LEFT + 30 + step * (number + 0.5)) for number, at in enumerate(order)}


def _point(point: Point, x: int, below: int, named: dict[str, list[int]]) -> list[Markup]:
    kind = "fact counts" if point.counts else "fact"
    made = [
        tag("line", x1=x, y1=_TOP + 12, x2=below, y2=_BOTTOM - 12, class_="joint counts" if point.counts else "joint"),
        tag("circle", cx=x, cy=_TOP, r=6, class_=kind),
        tag("circle", cx=below, cy=_BOTTOM, r=6, class_=kind),
    ]
    texts = [("up", point.occurred, x, _TOP - 20), ("low", point.recorded, below, _BOTTOM + 30), ("label", point.label, x + 10, _TOP + 27)]
    for row, text, at, y in texts:
        # What would lie over its neighbour is left to the tooltip and the table.
        if all(abs(at - other) > 100 for other in named[row]):
            named[row].append(at)
            made.append(tag("text", text, x=at, y=y, class_="axis" if row == "label" else "axis middle"))
    parts = [tag("title", f"{point.label} · {point.occurred} · {point.recorded}"), *made]
    return [tag("a", "", parts, href=point.href) if point.href else tag("g", "", parts)]


def _asked(asked: Point, x: int, below: int) -> list[Markup]:
    return [
        tag("line", x1=x, y1=_TOP - 18, x2=x, y2=_TOP + 18, class_="asked"),
        tag("line", x1=below, y1=_BOTTOM - 18, x2=below, y2=_BOTTOM + 18, class_="asked"),
        tag("text", f"{asked.label} {asked.occurred}", x=min(x + 6, _RIGHT), y=_TOP - 22, class_="axis strong end"),
        tag("text", f"{asked.recorded}", x=min(below + 6, _RIGHT), y=_BOTTOM + 32, class_="axis strong end"),
    ]
