"""The counts of a what-if: none that is not shown can be computed from the matrix and the figures beside it."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.audit.outcome import Text
from hub.audit.replay.comparing import Cell, Changed, Tally, direction_of
from hub.audit.replay.what_if_asked import _TOTAL, _answers, _between, _scenario, shown_of
from hub.domain.small_counts import LEAST

CHANGE = Text("改动后", "the change")
cells = st.tuples(
    st.sampled_from(["50", "51"]), st.sampled_from(["50", "51"]), st.sampled_from(["TRA.MET", "CUL.LIB"]), st.sampled_from("ab")
)
counts = st.dictionaries(cells, st.one_of(st.integers(1, 6), st.sampled_from([9, 40])), min_size=1, max_size=8)


def changed(numbers: dict[tuple[str, ...], int]) -> Changed:
    """A branch that changes these answers."""
    made = Changed()
    for (issuer, server, scenario, rule), count in numbers.items():
        made.cells[Cell(issuer, server, scenario, rule, "2026-03", "ACCEPT", "DENY")] = Tally(answers=count)
        made.answers += count
    return made


@settings(deadline=None)
@given(counts)
def test_no_sum_has_exactly_one_part_that_is_not_shown(numbers: dict[tuple[str, ...], int]) -> None:
    of = changed(numbers)
    shown = _answers(of)
    assert all(shown[cell] is None for cell, tally in of.cells.items() if tally.answers < LEAST)
    for name_of in (_scenario, _between):
        groups = {name_of(cell) for cell in of.cells}
        for group in groups:
            hidden = [cell for cell in of.cells if name_of(cell) == group and shown[cell] is None]
            assert len(hidden) != 1 or shown[group] is None
        assert len([group for group in groups if shown[group] is None]) != 1 or shown[_TOTAL] is None


def test_a_small_count_is_not_found_by_its_scenario() -> None:
    of = changed({("50", "51", "TRA.MET", "a"): 3, ("50", "51", "TRA.MET", "b"): 40, ("51", "50", "CUL.LIB", "a"): 40})
    shown = _answers(of)
    assert [count for cell, count in shown.items() if isinstance(cell, Cell)].count(None) >= 2


def touched(*cells: tuple[str, str, int]) -> Changed:
    """A branch that changes answers of so many people, each of them one answer: rule, outcome by then, people."""
    made = Changed()
    for rule, then, people in cells:
        position = made.answers + 1
        tally = Tally(people, people, list(range(position, position + people))[:5])
        made.cells[Cell("50", "51", "TRA.MET", rule, "2026-03", then, "DENY" if then == "ACCEPT" else "ACCEPT")] = tally
        made.answers += people
        made.people += people
        made.losing, made.gaining = made.losing + people * (then == "ACCEPT"), made.gaining + people * (then == "DENY")
    return made


def test_how_many_positions_are_listed_does_not_tell_a_count_that_is_not_shown() -> None:
    shown = shown_of(CHANGE, touched(("a", "ACCEPT", 3), ("b", "ACCEPT", 10), ("c", "ACCEPT", 40)))
    told = {cell.rule: shown.of(cell, tally) for cell, tally in shown.cells}
    assert told["a"] == told["b"] == (None, None, [])
    assert told["c"] == (40, 40, [14, 15, 16, 17, 18])
    few = shown_of(CHANGE, touched(("a", "ACCEPT", 3)))
    assert [few.of(cell, tally) for cell, tally in few.cells] == [(None, None, [])]
    assert few.answers[_TOTAL] is few.people["people"] is few.people["losing"] is None


def test_a_small_count_of_people_is_not_found_by_those_beside_it() -> None:
    milder = shown_of(CHANGE, touched(("a", "ACCEPT", 9), ("b", "DENY", 2))).people
    assert [milder[who] for who in ("people", "losing", "gaining")] == [None, 9, None]
    of = touched(("a", "ACCEPT", 9), ("b", "ACCEPT", 2))
    hidden = shown_of(CHANGE, of).people
    assert [hidden[cell] for cell in of.cells].count(None) == 2 or hidden["losing"] is hidden["people"] is None
    plenty = shown_of(CHANGE, touched(("a", "ACCEPT", 9), ("b", "DENY", 7))).people
    assert [plenty[who] for who in ("people", "losing", "gaining")] == [16, 9, 7]


@settings(deadline=None)
@given(
    st.dictionaries(
        st.tuples(cells, st.sampled_from(["ACCEPT", "DENY"]), st.sampled_from(["ACCEPT", "DENY"])), st.integers(1, 12), max_size=8
    ),
    st.data(),
)
def test_whoever_is_in_several_cells_no_small_count_of_people_is_shown(numbers: dict[Any, int], data: st.DataObject) -> None:
    of, touched_by = Changed(), {"losing": set[int](), "gaining": set[int](), "others": set[int]()}
    for ((issuer, server, scenario, rule), then, now), count in numbers.items():
        people = data.draw(st.sets(st.integers(0, 20), min_size=count, max_size=count))
        of.cells[Cell(issuer, server, scenario, rule, "2026-03", then, now)] = Tally(count, count, [])
        of.answers += count
        touched_by[direction_of(then, now)] |= people
    of.people, of.losing, of.gaining = len(set().union(*touched_by.values())), len(touched_by["losing"]), len(touched_by["gaining"])
    shown = shown_of(CHANGE, of)
    people, losing, gaining = (shown.people[who] for who in ("people", "losing", "gaining"))
    assert all(count is None or count == 0 or count >= LEAST for count in (people, losing, gaining))
    assert people is None or (losing is not None and gaining is not None and not 0 < abs(people - losing - gaining) < LEAST)
    for who, count in (("losing", losing), ("gaining", gaining)):
        some = [shown.people[cell] for cell in of.cells if direction_of(cell.then, cell.now) == who]
        assert count is None or None in some or not 0 < sum(filter(None, some)) - count < LEAST


def test_how_few_are_in_two_cells_or_lose_and_gain_is_not_found_by_subtraction() -> None:
    both = touched(("a", "ACCEPT", 9), ("b", "DENY", 9))
    both.people -= 2
    assert shown_of(CHANGE, both).people["people"] is None
    two_rules = touched(("a", "ACCEPT", 9), ("b", "ACCEPT", 9))
    two_rules.people, two_rules.losing = 15, 15
    assert [shown_of(CHANGE, two_rules).people[who] for who in ("people", "losing", "gaining")] == [None, None, 0]
