"""Bars, columns over time, and a line as small as a word."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from markupsafe import Markup

from hub.console.drawing.svg import picture, tag


def bar(value: int | None, most: int, colour: str, width: int = 120, *, to_left: bool = False) -> Markup:
    """Draws one bar, long as the square root of its value, so that small ones can be seen beside large ones; none for None."""
    length = 0 if not value or not most else max(2, round(width * sqrt(value / most)))
    x = width - length if to_left else 0
    inner = [tag("rect", x=x, y=3, width=length, height=11, class_=f"fill-{colour}")]
    return tag("svg", "", inner, class_="bar", width=width, height=17, viewBox=f"0 0 {width} 17", aria_hidden="true")


def sparkline(values: Sequence[float], width: int = 96, height: int = 20) -> Markup:
    """Draws a line through values, from zero up."""
    if len(values) < 2:
        return Markup("")
    top = max(*values, 1e-9)
    step = width / (len(values) - 1)
    points = " ".join(f"{at * step:.1f},{height - 2 - (height - 4) * value / top:.1f}" for at, value in enumerate(values))
    inner = [tag("polyline", points=points, class_="spark")]
    return tag("svg", "", inner, class_="sparkline", width=width, height=height, viewBox=f"0 0 {width} {height}", aria_hidden="true")


class Stack(NamedTuple):
    """One column: what is written below it ("" for nothing), and its parts from below, each (colour, value)."""

    label: str
    parts: Sequence[tuple[str, int]]

    @property
    def total(self) -> int:
        """How high it is."""
        return sum(value for _, value in self.parts)


def columns(stacks: Sequence[Stack], label: str, width: int = 430, height: int = 180) -> Markup:
    """Draws columns over time with a scale that ends at a round number."""
    left, below, above = 44, 20, 8
    top = _round_up(max((stack.total for stack in stacks), default=0))
    inner: list[Markup] = []
    for part in (0, top // 2, top):
        y = _y(part, top, height, below, above)
        inner.append(tag("line", x1=left, x2=width, y1=y, y2=y, class_="grid"))
        inner.append(tag("text", f"{part:,}", x=left - 6, y=y + 4, class_="axis end"))
    step = (width - left) / max(1, len(stacks))
    for at, stack in enumerate(stacks):
        base = 0
        x = left + at * step
        for colour, value in stack.parts:
            high, low = _y(base + value, top, height, below, above), _y(base, top, height, below, above)
            base += value
            if value:
                wide = f"{max(1.0, step - 2):.1f}"
                inner.append(tag("rect", x=f"{x + 1:.1f}", y=high, width=wide, height=low - high, class_=f"fill-{colour}"))
        if stack.label:
            inner.append(tag("text", stack.label, x=f"{min(x + step / 2, width - 16):.1f}", y=height - 4, class_="axis middle"))
    return picture(width, height, label, inner, "columns")


def _y(value: int, top: int, height: int, below: int, above: int) -> int:
    return round(height - below - (height - below - above) * value / top)


def _round_up(value: int) -> int:
    size = 10
    while size * 10 <= value:
        size *= 10
    for part in (1, 2, 4, 6, 8, 10):
        if part * size >= value:
            return part * size
    return 10 * size
