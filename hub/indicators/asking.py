"""One question about an indicator and its answer: the same definition, day and position give the same answer, byte for byte.

It is counted from the record alone, so that a rebuild and late data change nothing of it. Before the first event of its kind, and after the
day of the position, there is no figure, which is not the figure nought.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

import psycopg

from hub.domain import reference
from hub.domain.errors import ViewBehind
from hub.domain.indicators.counted import Asked
from hub.domain.indicators.definition import Definition, definition
from hub.domain.indicators.errors import IndicatorBreakdownUnknown, IndicatorOutOfRange, PopulationUnknown
from hub.domain.instants import local_day
from hub.domain.small_counts import LEAST
from hub.indicators import services
from hub.indicators.found import Count, Found, members, persons, plain
from hub.indicators.populations import BASES, Population, population
from hub.indicators.record import KEEPING, Known
from hub.indicators.sources import source
from hub.indicators.tables import ALL, IN, TOTAL, Report, Shown, figures, shown, weights
from hub.journal.reader import head_position
from hub.journal.times import recorded_at
from hub.projections.views.usage_counts import reached_by

COUNTS: Mapping[str, Count] = {
    "K1": persons,
    "K2": plain("persons"),
    "K3": services.scenarios,
    "K4": plain(),
    "K5": services.joint_items,
    "K6": services.identity_scenarios,
    "K7": plain(),
    "K8": plain("bank_first"),
    "K9": plain(),
    "K10": plain("offline_taps"),
    "K11": services.losses,
    "K12": members,
    "K13": plain(),
    "K14": services.items_by_card,
    "K15": plain(),
    "K16": plain(),
    "K17": services.concession_units,
    "K18": services.unusual_uses,
    "K19": plain(),
    "K20": plain("volumes"),
}
PROVINCES = ("50", "51")


class Question(NamedTuple):
    """What is asked: at the end of which business day, as known at which position, broken down by what, over which population."""

    indicator: str
    as_of: date
    position: int
    by: str = ""
    population: str = ""


class Figure(NamedTuple):
    """A figure of the total ("") or of a cell: two integers, None for what is not shown; a denominator may be unknown."""

    cell: str
    numerator: int | None
    denominator: int | None
    is_hidden: bool


class Answer(NamedTuple):
    """What was counted: nothing where the record has no source, which the definition says."""

    question: Question
    definition: Definition
    figures: tuple[Figure, ...]
    beside: Mapping[str, int | None]
    populations: tuple[Population, ...]
    is_population_unknown: bool
    report: Report

    def as_json(self) -> dict[str, Any]:
        """Returns the answer as it is written down."""
        asked, said = self.question, self.definition
        return {
            "indicator": said.id, "definition_version": said.version, "definition_digest": said.digest, "additivity": said.additivity,
            "as_of": asked.as_of.isoformat(), "as_known_position": asked.position, "by": asked.by, "is_recorded": said.missing is None,
            "figures": [one._asdict() for one in self.figures], "beside": dict(sorted(self.beside.items())),
            "population": asked.population, "is_population_unknown": self.is_population_unknown,
            "population_rows": [
                {"province": one.province, "people": one.people, "valid_from": one.valid_from.isoformat(), "source": one.source}
                for one in self.populations
            ],
        }  # fmt: skip

    def as_bytes(self) -> bytes:
        """Returns the bytes that a report freezes."""
        return json.dumps(self.as_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def newest(connection: psycopg.Connection) -> int:
    """Returns the position that is asked about where none is named: the newest that all that is counted has reached."""
    reached = reached_by(connection)
    rows = connection.execute("SELECT position FROM views.checkpoint WHERE view = ANY (%s)", (list(KEEPING),)).fetchall()
    return min([reached, *(int(position) for (position,) in rows)])


def day_of_position(connection: psycopg.Connection, position: int) -> date:
    """Returns the business day of a position; raises IndicatorOutOfRange where there is no event, ViewBehind after the head."""
    if position > (head := head_position(connection)):
        raise ViewBehind(as_of_position=head)
    at_us = recorded_at(connection, position)
    if at_us is None:
        raise IndicatorOutOfRange
    return local_day(at_us)


def ask(known: Known, question: Question, before: Report | None = None) -> Answer:
    """Answers, so that nothing of a few can be computed from it, also beside a report that was given out *before*.

    Raises IndicatorUnknown, IndicatorBreakdownUnknown, IndicatorOutOfRange, PopulationUnknown and ViewBehind.
    """
    said = definition(question.indicator)
    question = question._replace(indicator=said.id, population=_population(said, question.population))
    by = _breakdown(said, question.by)
    question = question._replace(by=",".join(by))
    last_day = day_of_position(known.connection, known.position)
    if said.missing is not None:
        return Answer(question, said, (), {}, (), is_population_unknown=False, report=Report({}, {}))
    found = COUNTS[said.id](known, source(known), Asked(said, question.as_of, reference.load()), by)
    if found.first_day is None or not found.first_day <= question.as_of <= last_day:
        first = found.first_day.isoformat() if found.first_day is not None else ""
        raise IndicatorOutOfRange(f"（{first or '–'} … {last_day}）", indicator=said.id, first_day=first, last_day=last_day.isoformat())
    return _answer(question, said, found, by, before)


def _breakdown(said: Definition, asked: str) -> tuple[str, ...]:
    """Returns by what it is broken down, in the order of the definition, so that one question has one answer."""
    names = asked.split(",") if asked else []
    if len(set(names)) < len(names) or not set(names) <= set(said.by):
        raise IndicatorBreakdownUnknown(indicator=said.id, by=" ".join(said.by))
    return tuple(name for name in said.by if name in names)


def frozen_before(known: Known, question: Question, shown_then: Shown) -> Report:
    """Returns a report that was given out, as one beside which nothing of a few is shown; raises as `ask`."""
    found = ask(known, question).report.figures
    parts = {part for _, part in found}
    return Report(found, {name: count for name, count in shown_then.items() if name[1] in parts})


def _population(said: Definition, asked: str) -> str:
    if asked and (asked not in BASES or not said.base):
        raise PopulationUnknown(population=asked)
    return asked or said.base


def _answer(question: Question, said: Definition, found: Found, by: tuple[str, ...], before: Report | None) -> Answer:
    counted = figures(found.counts, found.breakdowns.get(by, found.counts), said, by)
    may_show = shown(counted, said, before)
    people = [population(question.population, one, question.as_of) for one in PROVINCES] if said.base else []
    rows = _with_people(may_show, question.by, people) if said.population else _with_shares(may_show, said, found, by)
    figures_found = tuple(rows)
    is_unknown = any(one.denominator is None for one in figures_found) if said.population else None in people
    published = tuple(one for one in people if one is not None)
    beside = _beside(said, found, counted) | dict(_for_people(found, people) if said.for_people else ())
    return Answer(question, said, figures_found, beside, published, is_unknown, Report(counted, may_show))


def _with_people(may_show: Shown, by: str, people: list[Population | None]) -> Iterator[Figure]:
    """Yields the figures with the people of each province, and of both together where both are known; a region has none."""
    known = {one.province: one.people for one in people if one is not None}
    for cell in _cells(may_show):
        count = may_show[cell, ALL]
        all_known = sum(known.values()) if len(known) == len(PROVINCES) else None
        base = all_known if cell == TOTAL else known.get(cell) if by == "province" else None
        yield Figure(cell, count, base, count is None)


def _for_people(found: Found, people: list[Population | None]) -> Iterator[tuple[str, int]]:
    """Yields how many there are for a million people, in all and in each province: a hundred times those for ten thousand, rounded."""
    known = {one.province: one.people for one in people if one is not None}
    for name, places in (("for_million", PROVINCES), *((f"for_million_{one}", (one,)) for one in PROVINCES)):
        if all(one in known for one in places):
            count, base = sum(one.whole for one in found.counts if one.places["province"] in places), sum(known[one] for one in places)
            yield name, (count * 1_000_000 + base // 2) // base


def _with_shares(may_show: Shown, said: Definition, found: Found, by: tuple[str, ...]) -> Iterator[Figure]:
    weighed = weights(found.units, by) if said.counts == "UNITS" else None
    for cell in _cells(may_show):
        if weighed is not None:
            is_hidden = may_show[cell, ALL] is None
            used, granted = (None, None) if is_hidden else (weighed.get((cell, IN), 0), weighed.get((cell, ALL), 0))
            yield Figure(cell, used, granted, is_hidden)
        elif said.has_share:
            inside, whole = may_show[cell, IN], may_show[cell, ALL]
            yield Figure(cell, inside, whole, inside is None or whole is None)
        else:
            yield Figure(cell, may_show[cell, ALL], None, may_show[cell, ALL] is None)


def _cells(may_show: Shown) -> list[str]:
    return [cell for cell, part in may_show if part == ALL]


def _beside(said: Definition, found: Found, counted: Mapping[tuple[str, str], int]) -> dict[str, int | None]:
    """Returns what is shown beside the figures: no few people, nor what differs from a figure by a few; times of a few are nobody's."""
    if not said.is_of_people:
        return dict(found.beside)
    numbers = [count for (cell, _), count in counted.items() if cell == TOTAL]
    few = counted.get((TOTAL, IN), counted[TOTAL, ALL]) < LEAST
    kept: dict[str, int | None] = {}
    for name, value in found.beside.items():
        gives_away = value is not None and (0 < value < LEAST or any(0 < abs(value - one) < LEAST for one in numbers))
        kept[name] = None if (few if name.endswith("_s") else gives_away) else value
    return kept
