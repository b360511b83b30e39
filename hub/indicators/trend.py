"""How an indicator went: its total at the ends of some months, as known at one position, without what moved by a few."""

from datetime import date, timedelta
from typing import NamedTuple

from hub.domain.errors import HubError
from hub.domain.small_counts import LEAST
from hub.indicators.asking import Answer, Question, ask
from hub.indicators.record import Known


class Point(NamedTuple):
    """A total at the end of a day: None for what is not shown, and where there is no figure."""

    day: date
    numerator: int | None
    denominator: int | None


def month_ends(day: date, months: int) -> list[date]:
    """Returns the ends of the months before a day, and that day, in order."""
    found = [day]
    while len(found) < months:
        found.append(found[-1].replace(day=1) - timedelta(days=1))
    return found[::-1]


def trend(known: Known, newest: Answer, months: int) -> list[Point]:
    """Returns the totals at the ends of months until the day of an answer.

    Of people and what they did, a total that moved by a few from the one that is shown before it is not shown: the newest stays.
    """
    asked, said = newest.question, newest.definition
    points = [_point(known, asked._replace(as_of=day, by="")) for day in month_ends(asked.as_of, months)[:-1]]
    figure = newest.figures[0] if newest.figures else None
    points.append(Point(asked.as_of, *((figure.numerator, figure.denominator) if figure is not None else (None, None))))
    if not said.is_of_people:
        return points
    kept: list[Point] = []
    for one in reversed(points):
        after = next((other for other in reversed(kept) if other.numerator is not None), None)
        kept.append(one if after is None or not _moved_by_few(one, after) else Point(one.day, None, None))
    return kept[::-1]


def _moved_by_few(one: Point, other: Point) -> bool:
    pairs = zip(_figures(one), _figures(other), strict=True)
    return any(a is not None and b is not None and 0 < abs(a - b) < LEAST for a, b in pairs)


def _figures(one: Point) -> tuple[int | None, int | None, int | None]:
    is_whole = one.numerator is not None and one.denominator is not None
    return one.numerator, one.denominator, one.denominator - one.numerator if is_whole else None  # type: ignore[operator]


def _point(known: Known, question: Question) -> Point:
    try:
        figure = ask(known, question).figures[0]
    except HubError:
        # Such as a day before the first event: there is no figure.
        return Point(question.as_of, None, None)
    return Point(question.as_of, figure.numerator, figure.denominator)
