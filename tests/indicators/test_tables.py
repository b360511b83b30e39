"""No figure of a few people is shown, and none can be computed from what is: by the other figures, or by the report before."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.indicators.definition import definition
from hub.domain.small_counts import LEAST
from hub.indicators.found import Counted
from hub.indicators.tables import ALL, IN, OUT, TOTAL, Figures, Report, Shown, figures, shown

SHARE, COUNT = definition("K4"), definition("K2")
CELLS = "abcd"
numbers = st.one_of(st.integers(0, 7), st.sampled_from([9, 40]))
moves = st.one_of(st.just(0), st.integers(-6, 6), st.sampled_from([20, -20]))
Row = dict[object, Fraction]


def table(inside: Iterable[int], outside: Iterable[int]) -> dict[tuple[str, str], int]:
    """A table of a share by cells, with all its sums."""
    found = {}
    for cell, one, other in zip(CELLS, inside, outside, strict=True):
        found |= {(cell, IN): one, (cell, OUT): other, (cell, ALL): one + other}
    for part in (IN, OUT, ALL):
        found[TOTAL, part] = sum(found[cell, part] for cell in CELLS)
    return found


fours = st.lists(numbers, min_size=4, max_size=4)
tables = st.builds(table, fours, fours)


def equations(shown_figures: Shown, report: str) -> list[Row]:
    """The sums of a table, as far as its hidden figures are in them."""
    sums = [[(cell, ALL), (cell, IN), (cell, OUT)] for cell in (*CELLS, TOTAL)]
    sums += [[(TOTAL, part), *((cell, part) for cell in CELLS)] for part in (IN, OUT, ALL)]
    rows = [{(report, name): Fraction(-1 if at == 0 else 1) for at, name in enumerate(one)} for one in sums]
    return [{key: factor for key, factor in row.items() if shown_figures[key[1]] is None} for row in rows]


def computable(rows: list[Row], unknown: Iterable[object]) -> list[object]:
    """The unknowns whose value follows from linear equations: those whose unit vector is in their row space."""
    basis: dict[object, Row] = {}

    def reduced(row: Row) -> Row:
        row = dict(row)
        while lead := next((key for key in row if key in basis), None):
            factor = row[lead]
            for key, value in basis[lead].items():
                row[key] = row.get(key, Fraction(0)) - factor * value
            row = {key: value for key, value in row.items() if value}
        return row

    for row in rows:
        if left := reduced(row):
            lead = next(iter(left))
            scaled = {key: value / left[lead] for key, value in left.items()}
            for known, other in basis.items():
                if factor := other.get(lead):
                    merged = {key: other.get(key, Fraction(0)) - factor * scaled.get(key, Fraction(0)) for key in {*other, *scaled}}
                    basis[known] = {key: value for key, value in merged.items() if value}
            basis[lead] = scaled
    return [one for one in unknown if not reduced({one: Fraction(1)})]


def hidden(one: Shown) -> list[tuple[str, str]]:
    return [name for name, count in one.items() if count is None]


def is_small(one: Figures, may_show: Shown) -> bool:
    return any(0 < one[name] < LEAST for name in one if may_show[name] is not None)


@given(tables)
def test_no_hidden_figure_is_in_the_row_space_of_what_is_shown(one: Mapping[tuple[str, str], int]) -> None:
    may_show = shown(one, SHARE)
    assert not is_small(one, may_show)
    assert not computable(equations(may_show, "now"), [("now", name) for name in hidden(may_show)])


def test_the_computation_of_what_is_hidden_finds_what_could_be_computed() -> None:
    """Hidden alone, a small figure is the total less the others: the test above would find it."""
    one = table((2, 9, 9, 9), (40, 40, 40, 40))
    alone = {name: None if name == ("a", IN) else count for name, count in one.items()}
    assert computable(equations(alone, "now"), [("now", ("a", IN))]) == [("now", ("a", IN))]


@given(tables, st.lists(moves, min_size=4, max_size=4), st.lists(moves, min_size=4, max_size=4))
def test_nothing_hidden_can_be_computed_from_two_reports_beside_each_other(
    before: Mapping[tuple[str, str], int], more: list[int], fewer: list[int]
) -> None:
    """Even by a reader who knows which figures did not move."""
    inside = [max(0, before[cell, IN] + step) for cell, step in zip(CELLS, more, strict=True)]
    outside = [max(0, before[cell, OUT] + step) for cell, step in zip(CELLS, fewer, strict=True)]
    now, then_shown = table(inside, outside), shown(before, SHARE)
    now_shown = shown(now, SHARE, Report(before, then_shown))
    both = {"then": then_shown, "now": now_shown}
    known = {(report, name) for report, may_show in both.items() for name, count in may_show.items() if count is not None}
    rows = equations(then_shown, "then") + equations(now_shown, "now")
    for name in (name for name in now if now[name] == before[name]):
        same = {("then", name): Fraction(1), ("now", name): Fraction(-1)}
        rows.append({key: factor for key, factor in same.items() if key not in known})
    moved = [("now", name) for name in hidden(now_shown) if now[name] != before[name]]
    unknown = moved + [("then", name) for name in hidden(then_shown)]
    assert not is_small(now, now_shown)
    assert not computable(rows, unknown)
    assert all(not 0 < abs(now[name] - before[name]) < LEAST for name in now if ("now", name) in known and ("then", name) in known)


def test_a_subject_counts_once_in_each_place_and_once_in_all() -> None:
    ones = [Counted({"province": place}, 1, 1, "p") for place in ("50", "51", "51")]
    assert figures(ones, ones, COUNT, ("province",)) == {("", ALL): 1, ("50", ALL): 1, ("51", ALL): 1}


def test_what_is_no_count_of_people_is_shown_however_small() -> None:
    assert shown({(TOTAL, ALL): 1}, definition("K14")) == {(TOTAL, ALL): 1}


# Each person by the groups that he is in, and whether he is in the numerator there.
people = st.lists(st.dictionaries(st.sampled_from(CELLS), st.booleans(), min_size=1), min_size=1, max_size=12)


@given(people)
def test_people_who_are_in_several_cells_are_hidden_as_others_are(persons: list[dict[str, bool]]) -> None:
    ones = [
        Counted({"group": cell}, int(inside), 1, number) for number, cells in enumerate(persons) for cell, inside in sorted(cells.items())
    ]
    found = figures(ones, ones, SHARE, ("group",))
    may_show = shown(found, SHARE)
    assert not is_small(found, may_show)
    across = [[(cell, ALL), (cell, IN), (cell, OUT)] for cell in {cell for cell, _ in found}]
    unknown = [[name for name in one if may_show[name] is None] for one in across]
    assert all(len(names) != 1 for names in unknown)


def test_a_figure_that_no_cell_adds_up_to_is_no_sum() -> None:
    """One person is left out in one group and reached in the other: in all he is reached, and nobody is left out."""
    ones = [Counted({"group": "VETERAN"}, 0, 1, "p"), Counted({"group": "ELDER"}, 1, 1, "p")]
    found = figures(ones, ones, SHARE, ("group",))
    assert (found[TOTAL, IN], found[TOTAL, OUT], found["VETERAN", OUT]) == (1, 0, 1)
    assert {name for name, count in shown(found, SHARE).items() if count is None} == {name for name, count in found.items() if count}


def test_that_a_few_are_in_two_groups_follows_from_no_table() -> None:
    ones = [
        Counted({"group": group}, 1, 1, number) for number in range(40) for group in ("VETERAN", "ELDER") if number < 22 or group == "ELDER"
    ]
    found = figures(ones, ones, SHARE, ("group",))
    both = found["VETERAN", ALL] + found["ELDER", ALL] - found[TOTAL, ALL]
    assert (both, None in shown(found, SHARE).values()) == (22, False)
    few = [one for one in ones if one.places["group"] == "VETERAN" or one.subject not in range(19)]
    found = figures(few, few, SHARE, ("group",))
    assert found["VETERAN", ALL] + found["ELDER", ALL] - found[TOTAL, ALL] == 3
    may_show = shown(found, SHARE)
    assert None in {may_show[cell, ALL] for cell in ("VETERAN", "ELDER", TOTAL)}
