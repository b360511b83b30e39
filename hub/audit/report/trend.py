"""A figure over time, as places to draw: a point a period, joined where both may be shown, and a line for each figure that is aimed at.

What may not be shown has no point and no line through it.
"""

from itertools import pairwise
from typing import Any

from hub.audit.outcome import NOT_SHOWN, Text, Trend

MOST = 12
WIDTH, HEIGHT = 680, 150
_LEFT, _RIGHT, _TOP, _BOTTOM, _GOALS = 40, 430, 26, 108, 470
# The least distance of two lines of text.
_APART = 22


def drawn(trend: Trend) -> dict[str, Any]:
    """Returns what to draw of the newest points; the same trend gives the same."""
    points = trend.points[-MOST:]
    known = [count for _, count in points if count is not None] + [count for _, count in trend.goals]
    low, high = min(known, default=0), max(known, default=0)
    step = (_RIGHT - _LEFT) / max(1, len(points) - 1)

    def y_of(count: int) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * ((count - low) / (high - low) if high > low else 0.5), 1)

    places = [
        {"x": round(_LEFT + step * number, 1), "y": None if count is None else y_of(count), "label": label.zh, "value": value(trend, count)}
        for number, (label, count) in enumerate(points)
    ]
    goals: list[dict[str, Any]] = [
        {"y": y_of(count), "zh": label.zh, "en": label.en, "value": value(trend, count).zh} for label, count in trend.goals
    ]
    floor: float = _TOP - _APART
    for goal in sorted(goals, key=lambda goal: goal["y"]):
        goal["text"] = floor = round(max(goal["y"], floor + _APART), 1)
    joints = [(one, other) for one, other in pairwise(places) if one["y"] is not None and other["y"] is not None]
    return {
        "width": WIDTH, "height": max(HEIGHT, int(floor) + _APART), "left": _LEFT, "right": _RIGHT, "bottom": _BOTTOM, "goals_at": _GOALS,
        "points": places, "joints": joints, "goals": goals, "said": said(trend),
    }  # fmt: skip


def value(trend: Trend, count: int | None) -> Text:
    """Returns a figure as it is written; hundredths of a percent are written as percent."""
    if count is None:
        return NOT_SHOWN
    text = f"{count // 100}.{count % 100:02} %" if trend.is_share else f"{count:,}"
    return Text(text, text)


def said(trend: Trend) -> str:
    """Returns the picture in words, for who cannot see it."""
    parts = [f"{label.zh} {value(trend, count).zh}" for label, count in (*trend.points[-MOST:], *trend.goals)]
    return f"{trend.title.zh}：{'，'.join(parts)}"
