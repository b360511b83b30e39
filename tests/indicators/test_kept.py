"""What is kept of indicators is what the events come to again: at any position, on any day, whatever the pages, and after a rebuild."""

import random
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from hub.domain import reference
from hub.domain.indicators.cards import OF_A_CARD
from hub.domain.indicators.cases import OF_A_CASE
from hub.domain.indicators.counted import Asked, indicator_of
from hub.domain.indicators.definition import definition
from hub.domain.indicators.outlets import OF_AN_OUTLET
from hub.domain.indicators.steps import breakdown
from hub.domain.indicators.uses import OF_A_LOSS, OF_A_ROW, OF_AN_ITEM
from hub.indicators.record import Known
from hub.indicators.sources import Again, Kept
from hub.projections.rebuild import rebuild
from hub.projections.views import blocks
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.indicator_answers import INDICATOR_ANSWERS
from hub.projections.views.indicator_taps import INDICATOR_TAPS
from hub.projections.views.indicator_things import INDICATOR_THINGS
from tests.indicators.conftest import Recorded

FIRST, LAST = date(2025, 9, 1), date(2026, 2, 1)
FIGURES = [
    *OF_A_CARD, *OF_A_CASE, *OF_A_LOSS, *OF_A_ROW, *OF_AN_ITEM, *OF_AN_OUTLET,
    "K7", "K10", "K10:offline_taps", "K2:persons", "K17", "K17:persons", "K12@", "K12@priority_group",
    *(breakdown("K1", by) for by in ((), ("province",), ("region", "province"), ("region_as_of",))),
]  # fmt: skip
VIEWS = (INDICATOR_THINGS, INDICATOR_ANSWERS, INDICATOR_TAPS, DAILY_USAGE)
INDICATORS = ("K1", "K2", "K4", "K7", "K8", "K9", "K10", "K11", "K12", "K13", "K14", "K15", "K16", "K17", "K19", "K20")


def compare(year: Recorded, position: int, days: list[date]) -> int:
    """Compares all figures of some days as known at a position; returns how many cells had something."""
    known, cells = Known(year.connection, position), 0
    kept, again = Kept(known), Again(known)
    for day in days:
        for figure in FIGURES:
            asked = Asked(definition(indicator_of(figure).partition("@")[0]), day, reference.load())
            found = kept.cells(figure, asked)
            assert found == again.cells(figure, asked), (figure, day, position)
            cells += len(found)
    for indicator in INDICATORS:
        assert kept.first_day(indicator) == again.first_day(indicator), (indicator, position)
    return cells


def test_what_is_kept_is_what_the_events_come_to_at_any_position(year: Recorded) -> None:
    draw = random.Random(1)
    positions = [1, year.report, year.late, *(draw.randrange(2, year.late) for _ in range(3))]
    days = [FIRST + timedelta(days=draw.randrange((LAST - FIRST).days)) for _ in range(3)]
    assert sum(compare(year, position, [*days, date(2025, 12, 31), date(2026, 1, 1)]) for position in positions) > 300


@pytest.fixture
def small_blocks(year: Recorded, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """Blocks of 16 positions and eras of 64, so that the year has many of each."""
    with monkeypatch.context() as patched:
        patched.setattr(blocks, "BLOCK", 16)
        patched.setattr(blocks, "ERA", 64)
        for view in VIEWS:
            rebuild(year.connection, view, even_if_different=True)
        yield year
    for view in VIEWS:
        rebuild(year.connection, view, even_if_different=True)


def test_eras_blocks_and_steps_add_up(small_blocks: Recorded) -> None:
    year, draw = small_blocks, random.Random(2)
    positions = [15, 16, 63, 64, 65, *(draw.randrange(2, year.late) for _ in range(4))]
    assert sum(compare(year, position, [date(2025, 11, 20)]) for position in positions) > 80


def test_what_is_kept_is_the_same_after_a_rebuild(year: Recorded) -> None:
    for view in VIEWS:
        assert rebuild(year.connection, view).is_equal


def test_agreements_are_folded_from_their_own_events(year: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {position: Known(year.connection, position).agreements() for position in (1, 3, year.report)}
    assert found[year.report] and found[1] != found[year.report]
    monkeypatch.setattr(Known, "_have_reached", lambda *_: False)
    assert found == {position: Known(year.connection, position).agreements() for position in found}
