"""Each indicator is what an independent computation by SQL says, at several days and positions; nothing depends on what came later."""

from contextlib import nullcontext
from datetime import date

import pytest

from hub.domain import reference
from hub.domain.indicators.counted import Asked
from hub.domain.indicators.definition import Definition, definition, definitions
from hub.domain.indicators.errors import IndicatorBreakdownUnknown, IndicatorOutOfRange, IndicatorTooLong
from hub.indicators.asking import COUNTS, Answer, Question, ask
from hub.indicators.record import Known, at_most
from hub.indicators.services import unusual_uses
from hub.indicators.sources import source
from hub.indicators.tables import ALL, IN, TOTAL
from tests.indicators.by_sql import BY_SQL, OFFLINE
from tests.indicators.conftest import Recorded

DAYS = ("2025-11-04", "2025-11-09", "2025-12-31")


def answer(year: Recorded, indicator: str, day: str, position: int, by: str = "") -> Answer:
    return ask(Known(year.connection, position), Question(indicator, date.fromisoformat(day), position, by))


def raw(found: Answer, cell: str = TOTAL) -> tuple[int | None, int | None]:
    figures = found.report.figures
    if found.definition.counts == "UNITS":
        return found.figures[0].numerator, found.figures[0].denominator
    return (figures[cell, IN], figures[cell, ALL]) if (cell, IN) in figures else (figures[cell, ALL], None)


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("indicator", BY_SQL)
def test_an_indicator_is_what_sql_says(year: Recorded, indicator: str, day: str) -> None:
    for position in (year.report, year.late):
        by_sql = year.told.ask(BY_SQL[indicator], day, position)
        try:
            found = answer(year, indicator, day, position)
        except IndicatorOutOfRange:
            assert not by_sql[0]
            assert day != DAYS[-1]
        else:
            assert raw(found) == by_sql
    assert by_sql[0] or day != DAYS[-1]


def test_an_edge_reads_no_more_of_the_record_than_it_may(year: Recorded) -> None:
    """What is counted from the events again is bounded; what is kept is added up, however much it is of."""
    with at_most(1):
        assert all(answer(year, indicator, DAYS[-1], year.report).figures for indicator in ("K10", "K17"))
    question = Question("K17", date.fromisoformat(DAYS[-1]), year.report)
    for most, may in ((1, pytest.raises(IndicatorTooLong)), (100_000, nullcontext())):
        with at_most(most), may:
            known = Known(year.connection, year.report)
            known.is_kept = False
            assert ask(known, question).figures
    assert str(IndicatorTooLong(most=1).metadata["most"]) == "1"


def test_every_indicator_that_is_recorded_is_compared_with_sql() -> None:
    assert set(BY_SQL) == set(COUNTS) == {one.id for one in definitions().values() if one.missing is None}


def test_what_was_known_is_the_same_after_late_events(year: Recorded) -> None:
    """What came late changes the answers of now, and none of then: those are counted from what there was."""
    for indicator in COUNTS:
        now, then = (answer(year, indicator, DAYS[-1], position) for position in (year.late, year.report))
        again = answer(year, indicator, DAYS[-1], year.report)
        assert again.as_bytes() == then.as_bytes()
        assert (now.report.figures != then.report.figures) == (indicator in ("K1", "K4", "K18")), indicator


def test_offline_taps_are_beside_the_answers_and_each_counts_once(year: Recorded) -> None:
    found = answer(year, "K10", DAYS[-1], year.report)
    assert found.beside["offline_taps"] == year.told.ask(OFFLINE, DAYS[-1], year.report)[0]


@pytest.mark.parametrize("one", definitions().values(), ids=lambda one: one.id)
def test_before_the_first_event_and_after_the_position_there_is_no_figure(year: Recorded, one: Definition) -> None:
    if one.missing is not None:
        assert not answer(year, one.id, "2025-11-09", year.report).figures
        return
    for day in ("2019-01-01", "2999-01-01"):
        with pytest.raises(IndicatorOutOfRange):
            answer(year, one.id, day, year.report)


def test_a_breakdown_that_the_definition_does_not_have_is_refused(year: Recorded) -> None:
    with pytest.raises(IndicatorBreakdownUnknown):
        answer(year, "K1", DAYS[-1], year.report, "mode")


def test_parts_are_of_their_own_and_add_up_where_they_are_apart(year: Recorded) -> None:
    for one in definitions().values():
        for by in one.by:
            figures = answer(year, one.id, DAYS[-1], year.report, by).report.figures
            parts = sum(count for (cell, part), count in figures.items() if part == ALL and cell != TOTAL)
            assert parts >= figures[TOTAL, ALL]
            is_apart = one.additivity != "DISTINCT" and one.counts not in ("SCENARIOS", "ITEMS", "UNITS") and one.id != "K12"
            assert not is_apart or parts == figures[TOTAL, ALL], (one.id, by)


def test_breakdowns_are_joined_in_the_order_of_the_definition(year: Recorded) -> None:
    both = answer(year, "K4", DAYS[-1], year.report, "mode,province")
    assert both.as_bytes() == answer(year, "K4", DAYS[-1], year.report, "province,mode").as_bytes()
    figures, alone = both.report.figures, answer(year, "K4", DAYS[-1], year.report, "mode").report.figures
    assert both.question.by == "province,mode"
    assert all(sum(count for (cell, of), count in figures.items() if of == ALL and cell.endswith(f"/{mode}")) == count
               for (mode, part), count in alone.items() if part == ALL and mode != TOTAL)  # fmt: skip
    for wrong in ("mode,mode", "mode,", ",", "mode,city"):
        with pytest.raises(IndicatorBreakdownUnknown):
            answer(year, "K4", DAYS[-1], year.report, wrong)


def test_findings_count_once_confirmed_and_not_after_their_evidence_went(year: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five that were confirmed one went stale days later; one of the year before never counted; the events come to the same."""

    def found(day: str) -> tuple[int, int | None]:
        asked = Asked(definition("K18"), date.fromisoformat(day), reference.load())
        known = Known(year.connection, year.report)
        one = unusual_uses(known, source(known), asked, ())
        return one.counts[0].inside, one.beside["cleared"]

    days = ("2024-12-31", "2025-11-01", "2025-11-09", "2025-12-31")
    kept = [found(day) for day in days]
    assert kept == [(0, 0), (0, 0), (5, 5), (4, 5)]
    monkeypatch.setattr(Known, "_have_reached", lambda *_: False)
    assert [found(day) for day in days] == kept
    with pytest.raises(IndicatorOutOfRange):
        answer(year, "K18", "2024-12-30", year.report)


def test_outlets_are_beside_their_share_for_the_people_of_a_place(year: Recorded) -> None:
    """Of 31.9 million in Chongqing and 83.64 million in Sichuan, rounded; of holders, nobody says how many there were."""
    found = answer(year, "K13", DAYS[-1], year.report, "province")
    outlets = {cell: count for (cell, part), count in found.report.figures.items() if part == ALL}
    people = {"": 115_540_000, "_50": 31_900_000, "_51": 83_640_000}
    assert outlets["50"] > 5
    assert found.beside == {f"for_million{name}": round(outlets[name[1:]] * 1e6 / count) for name, count in people.items()}
    assert not found.is_population_unknown
    holders = ask(Known(year.connection, year.report), found.question._replace(population="HOLDERS"))
    assert (holders.is_population_unknown, list(holders.beside)) == (True, [])
