"""One trace as a waterfall: a bar a span, as deep as it is called, on one scale of milliseconds."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from hub.console.drawing.svg import picture, tag

WIDTH, ROW, _LEFT = 1_080, 26, 420


class Bar(NamedTuple):
    """A span: its service and name, how deep it is called, when it began and how long it took, in milliseconds, and whether it failed."""

    service: str
    name: str
    depth: int
    at_ms: float
    took_ms: float
    failed: bool


def waterfall(bars: Sequence[Bar], label: str) -> Markup:
    """Draws the bars."""
    whole = max((bar.at_ms + bar.took_ms for bar in bars), default=0) or 1
    scale = (WIDTH - _LEFT - 80) / whole
    inner: list[Markup] = []
    for number, bar in enumerate(bars):
        y, x = number * ROW + 4, _LEFT + bar.at_ms * scale
        wide = max(2.0, bar.took_ms * scale)
        inner.append(tag("text", bar.service[:16], x=0, y=y + 13, class_="axis"))
        inner.append(tag("text", bar.name[: 38 - bar.depth], x=120 + 10 * bar.depth, y=y + 13))
        inner.append(
            tag("rect", x=f"{x:.1f}", y=y + 2, width=f"{wide:.1f}", height=14, class_="span-bar failed" if bar.failed else "span-bar")
        )
        inner.append(tag("text", f"{bar.took_ms:,.1f}", x=f"{x + wide + 6:.1f}", y=y + 13, class_="axis"))
    return picture(WIDTH, ROW * len(bars) + 8, label, inner, "waterfall")
