"""The counts of a what-if: none that is not shown can be computed from the matrix and the figures beside it."""

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.audit.outcome import Text
from hub.audit.replay.comparing import Cell, Changed, Tally, direction_of
from hub.audit.replay.what_if_asked import _TOTAL, _answers, _between, _scenario, shown_of
from hub.domain.counts_beside import Published, published_beside
from hub.domain.small_counts import LEAST, Sum
from tests.indicators.test_tables import computable

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
    assert [count for cell, count in shown.shown.items() if isinstance(cell, Cell)].count(None) >= 2


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


def beside(*branches: dict[tuple[str, ...], int]) -> list[Published]:
    """What is shown of the answers of branches that are compared side by side."""
    shown: list[Published] = []
    for numbers in branches:
        shown.append(_answers(changed(numbers), shown))
    return shown


def test_a_count_that_differs_by_a_few_from_that_of_a_change_beside_it_is_not_shown() -> None:
    milder, stricter = {("50", "51", "TRA.MET", "a"): 45}, {("50", "51", "TRA.MET", "a"): 48}
    one, other = beside(milder, stricter)
    assert set(one.shown.values()) == {45}
    assert set(other.shown.values()) == {None}
    far, same = beside(milder, {("50", "51", "TRA.MET", "a"): 95})[1], beside(milder, milder)[1]
    assert (set(far.shown.values()), set(same.shown.values())) == ({95}, {45})


def test_people_who_differ_by_a_few_between_changes_side_by_side_are_not_shown() -> None:
    one = shown_of(CHANGE, touched(("a", "ACCEPT", 9)))
    other = shown_of(CHANGE, touched(("a", "ACCEPT", 11)), [one])
    assert [other.people[who] for who in ("people", "losing", "gaining")] == [None, None, 0]
    assert [other.of(cell, tally) for cell, tally in other.cells] == [(None, None, [])]
    third = shown_of(CHANGE, touched(("a", "ACCEPT", 16)), [one, other])
    assert [third.people[who] for who in ("people", "losing", "gaining")] == [16, 16, 0]


def test_a_small_count_is_not_the_difference_of_what_two_changes_show_of_its_sums() -> None:
    """The second change adds three answers of one rule; its scenario, its direction and the sum would show the three."""
    first = {("50", "51", "TRA.MET", "a"): 40, ("51", "50", "CUL.LIB", "a"): 40}
    one, other = beside(first, first | {("50", "51", "TRA.MET", "b"): 3})
    differing = [name for name, count in other.counts.items() if count != one.counts.get(name, 0)]
    assert [other[name] for name in differing] == [None] * len(differing)


def test_where_nothing_of_a_change_may_be_shown_no_cells_are_listed() -> None:
    """Its only scenario is as large as under the change before, so that to list its cell would give away the sum: one less than before."""
    first = shown_of(CHANGE, changed({("50", "50", "CUL.LIB", "a"): 1, ("50", "51", "TRA.MET", "a"): 9}))
    other = shown_of(CHANGE, changed({("50", "50", "TRA.MET", "a"): 9}), [first])
    assert first.answers["scenario", "TRA.MET"] == 9 and first.answers[_TOTAL] is None
    assert (other.cells, set(other.answers.shown.values())) == ([], {None})


@given(st.lists(counts, min_size=2, max_size=3), st.data())
def test_nothing_hidden_can_be_computed_from_changes_side_by_side(begun: list[dict[Any, int]], data: st.DataObject) -> None:
    """Even by a reader who knows which counts are the same under two changes; nor by how few they differ."""
    alike = st.lists(st.sampled_from([0, 0, 0, 2, -2, 9]), min_size=8, max_size=8)
    branches = [begun[0]]
    for further in begun[1:]:
        steps = zip(branches[-1].items(), data.draw(alike), strict=False)
        near = {cell: count + step for (cell, count), step in steps if count + step > 0}
        branches.append(data.draw(st.sampled_from([near, near | further, further])) or further)
    shown = beside(*branches)
    hidden = {(number, name) for number, one in enumerate(shown) for name, count in one.shown.items() if count is None}
    rows: list[dict[object, Fraction]] = []
    for number, one in enumerate(shown):
        for total in one.sums:
            signs = {(number, total.total): -1} | {(number, part): 1 for part in total.parts}
            rows.append({name: Fraction(sign) for name, sign in signs.items() if name in hidden})
    wanted: set[object] = set(hidden)
    for number, one in enumerate(shown):
        for earlier, before in enumerate(shown[:number]):
            for name, count in one.counts.items():
                was = before.counts.get(name, 0)
                row = {key: Fraction(sign) for key, sign in (((number, name), 1), ((earlier, name), -1)) if key in hidden}
                if count == was:
                    rows.append(row)
                    # What an earlier change shows as it is gives nothing away.
                    wanted -= {(number, name)} if (earlier, name) not in hidden else set()
                elif abs(count - was) < LEAST:
                    assert row, f"{name}: {count} is shown beside {was}"
                    rows.append(row | {("moved", number, earlier, name): Fraction(-1)})
                    wanted.add(("moved", number, earlier, name))
    assert not computable(rows, wanted)


def test_the_last_of_three_does_not_tell_what_moved_by_a_few_between_the_first_two() -> None:
    """With all but d of the third, what a and c come to follows for the second, as it does for the first: c moved by one."""
    shown: list[Published] = []
    for numbers in ((9, 40, 4, 50), (9, 40, 5, 51), (18, 21, 15, 51)):
        told = dict(zip("abcd", numbers, strict=True)) | {"all": sum(numbers)}
        shown.append(published_beside(told, [Sum("all", list("abcd"))], shown))
    assert [shown[0][name] for name in "bd"] == [40, 50] and shown[1]["b"] == 40
    assert None in [shown[2][name] for name in "abc"]
