"""The timeline of both times, as places to draw: above, from when a fact is true; below, when the hub knew it.

Both rails have one scale, so what leans to the right was known late. Gaps are drawn as steps: it is the order that is to be seen.
"""

from collections.abc import Sequence
from typing import Any

from hub.audit.outcome import Moment
from hub.domain.instants import MINUTE_US

MOST = 24
WIDTH, TOP, BOTTOM = 680, 40, 120
_LEFT, _RIGHT = 24, 656
# The least distance of two dates that are written beside each other.
_APART = 84


def drawn(moments: Sequence[Moment], dated: Any) -> dict[str, Any]:
    """Returns what to draw: lines from rail to rail with their numbers, and dates; *dated* writes an instant as two short texts."""
    kept = _kept(moments)
    order = _places(sorted({at for _, moment in kept for at in (moment.valid_us, moment.recorded_us)}))
    lines = [{"number": number, "x1": order[moment.valid_us], "x2": order[moment.recorded_us]} for number, moment in kept]
    rails = (("valid_us", TOP), ("recorded_us", BOTTOM))
    dates = [date for name, y in rails for date in _dates({order[at]: at for at in _instants(kept, name)}, y, dated)]
    return {"width": WIDTH, "top": TOP, "bottom": BOTTOM, "lines": lines, "dates": dates, "left_out": len(moments) - len(kept)}


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
