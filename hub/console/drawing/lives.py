"""The five lives of a card over time, one below the other: a span for each state, in ink as the state is usable."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from hub.console.drawing.svg import picture, tag

WIDTH, ROW = 1_080, 40
_LEFT = 120
_GOOD = frozenset({"ACTIVE", "SIGNED", "SET", "DELISTED"})
_NOT_YET = frozenset(
    {"—", "NONE", "ABSENT", "NOT_SIGNED", "INITIAL", "APPLIED", "IN_PRODUCTION", "PRODUCED", "SEALED", "LOADED", "OPENED_INACTIVE"}
)


class Span(NamedTuple):
    """A state from one instant to another."""

    state: str
    words: str
    from_us: int
    until_us: int


def lives(rows: Sequence[tuple[str, Sequence[Span]]], at: Callable[[int], str], label: str) -> Markup:
    """Draws the rows on one scale of steps: what happened in a minute is as wide as what lasted years."""
    instants = sorted({instant for _, spans in rows for span in spans for instant in (span.from_us, span.until_us)})
    height = ROW * len(rows) + 34
    if len(instants) < 2:
        return Markup("")
    step = (WIDTH - _LEFT - 8) / (len(instants) - 1)
    x_of = {instant: _LEFT + number * step for number, instant in enumerate(instants)}
    inner: list[Markup] = []
    for number, (name, spans) in enumerate(rows):
        y = number * ROW + 4
        inner.append(tag("text", name, x=0, y=y + 20, class_="axis"))
        inner += [part for span in spans for part in _span(span, x_of[span.from_us], x_of[span.until_us], y, at)]
    every = max(1, round(120 / max(1.0, step)))
    for number, instant in enumerate(instants):
        if number % every == 0 and x_of[instant] < WIDTH - 70:
            inner.append(tag("text", at(instant)[2:16], x=f"{x_of[instant]:.0f}", y=height - 10, class_="axis"))
    return picture(WIDTH, height, label, inner, "lives")


def _span(span: Span, left: float, right: float, y: int, at: Callable[[int], str]) -> list[Markup]:
    kind = "good" if span.state in _GOOD else "not-yet" if span.state in _NOT_YET else "restricted"
    width = max(1.0, right - left - 2)
    parts = [
        tag("title", f"{span.words} {at(span.from_us)} – {at(span.until_us)}"),
        tag("rect", x=f"{left:.1f}", y=y, width=f"{width:.1f}", height=ROW - 12, rx=2, class_=f"span {kind}"),
    ]
    if width > 16 * len(span.words):
        parts.append(tag("text", span.words, x=f"{left + 8:.1f}", y=y + 19, class_=f"span-text {kind}"))
    return [tag("g", "", parts)]
