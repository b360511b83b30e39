"""The events that a finding rests on, one after the other, with the time between them: at like distances, since some are seconds apart."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from hub.console.drawing.svg import picture, tag

STEP, HEIGHT, _LEFT, _LINE = 190, 118, 70, 52


class Point(NamedTuple):
    """An event: where and what, when, and whether it is still in force; *since* is how long after the one before it."""

    place: str
    what: str
    at: str
    since: str
    is_in_force: bool


def evidence(points: Sequence[Point], label: str) -> Markup:
    """Draws the events from left to right; nothing for none."""
    if not points:
        return Markup("")
    width = _LEFT * 2 + STEP * (len(points) - 1)
    inner = [tag("line", x1=_LEFT, x2=width - _LEFT, y1=_LINE, y2=_LINE, class_="joint")]
    for number, point in enumerate(points):
        x = _LEFT + STEP * number
        inner.append(tag("circle", cx=x, cy=_LINE, r=7, class_="fact counts" if point.is_in_force else "fact"))
        if point.since:
            inner.append(tag("text", point.since, x=x - STEP // 2, y=_LINE - 8, class_="axis middle"))
        for text, y in ((point.place, _LINE - 24), (point.what, _LINE + 26), (point.at, _LINE + 46)):
            inner.append(tag("text", text, x=x, y=y, class_="axis middle"))
    return picture(width, HEIGHT, label, inner, "evidence")
