"""The timeline of both times, as places to draw: above, from when a fact is true; below, when the hub knew it.

Both rails have one scale, so what leans to the right was known late. Gaps are drawn as steps: it is the order that is to be seen. What
shares a place is drawn one above the other, so that each number can be read.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hub.audit.outcome import Moment
from hub.domain.instants import MINUTE_US

# As many that two instants of each, on both rails, have a place of their own.
MOST = 16
WIDTH, _DATES, _BETWEEN, _NODE = 680, 30, 80, 19
_LEFT, _RIGHT = 24, 656
# The least distance of two dates that are written beside each other.
_APART = 84


def drawn(moments: Sequence[Moment], dated: Any) -> dict[str, Any]:
    """Returns what to draw: lines from rail to rail with their numbers, and dates; *dated* writes an instant as two short texts."""
    kept = _kept(moments)
    order = _places(sorted({at for _, moment in kept for at in (moment.valid_us, moment.recorded_us)}))
    above, below = (_levels([order[getattr(moment, name)] for _, moment in kept]) for name in ("valid_us", "recorded_us"))
    top = _DATES + 10 + _NODE * max(above, default=0)
    bottom = top + _BETWEEN
    deepest = bottom + _NODE * max(below, default=0)
    lines = [
        {
            "number": number, "x1": order[moment.valid_us], "y1": top - _NODE * up,
            "x2": order[moment.recorded_us], "y2": bottom + _NODE * down,
        }
        for (number, moment), up, down in zip(kept, above, below, strict=True)
    ]  # fmt: skip
    rails = (("valid_us", 15), ("recorded_us", deepest + 22))
    dates = [date for name, y in rails for date in _dates({order[at]: at for at in _instants(kept, name)}, y, dated)]
    return {
        "width": WIDTH, "height": deepest + 38, "top": top, "bottom": bottom, "lines": lines, "dates": dates,
        "left_out": len(moments) - len(kept),
    }  # fmt: skip


def _levels(places: Sequence[float]) -> list[int]:
    """Returns how many that came before share the place of each."""
    taken = Counter[float]()
    levels = []
    for place in places:
        levels.append(taken[place])
        taken[place] += 1
    return levels


def _kept(moments: Sequence[Moment]) -> list[tuple[int, Moment]]:
    numbered = list(enumerate(moments, 1))
    return numbered if len(numbered) <= MOST else [*numbered[: MOST // 2], *numbered[-MOST // 2 :]]


def _instants(kept: Sequence[tuple[int, Moment]], name: str) -> list[int]:
    # The first at a place is the one that is written.
    return sorted({getattr(moment, name) for _, moment in kept}, reverse=True)


def _places(instants: Sequence[int]) -> dict[int, float]:
    """Returns where each instant is; those within a minute of each other share a place."""
    numbers, number, before = {}, -1, None
    for at in instants:
        if before is None or at - before > MINUTE_US:
            number += 1
        numbers[at], before = number, at
    step = (_RIGHT - _LEFT) / (number + 1) if numbers else 0.0
    return {at: round(_LEFT + step * (place + 0.5), 1) for at, place in numbers.items()}


def _dates(places: dict[float, int], y: int, dated: Any) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = []
    for x in sorted(places):
        if not written or x - written[-1]["x"] >= _APART:
            day, time = dated(places[x])
            written.append({"x": x, "y": y, "day": day, "time": time})
    return written
