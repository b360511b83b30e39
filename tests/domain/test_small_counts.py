"""Counts that are not shown: every small one, no zero, as little else as is needed, and none that could be computed from what is shown."""

from collections.abc import Mapping
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.small_counts import LEAST, Sum, published, table_sums

ROWS, COLUMNS, ALL = "abc", "xyz", "all"
numbers = st.one_of(st.integers(0, 6), st.sampled_from([9, 40]))
Counts = dict[object, int]


def table(cells: Mapping[tuple[str, str], int]) -> Counts:
    """A table with the sums of its rows and columns, each sum right after what it is of."""
    found: Counts = {}
    for row in ROWS:
        found |= {(row, column): cells[row, column] for column in COLUMNS}
        found[row] = sum(cells[row, column] for column in COLUMNS)
    found |= {column: sum(cells[row, column] for row in ROWS) for column in COLUMNS}
    return {**found, ALL: sum(cells.values())}


tables = st.lists(numbers, min_size=9, max_size=9).map(lambda found: table(dict(zip(product(ROWS, COLUMNS), found, strict=True))))
lines = st.lists(numbers, min_size=1, max_size=6)


def may_be(counts: Counts, hidden: list[object], sums: list[Sum], name: object, number: int) -> bool:
    """Whether there are numbers, one at least, for all hidden counts with which every sum is right and one count is another number."""

    def fits(known: Counts, about: object) -> bool:
        asked = [one for one in sums if about == one.total or about in one.parts]
        full = [one for one in asked if one.total in known and all(part in known for part in one.parts)]
        return all(known[one.total] == sum(known[part] for part in one.parts) for one in full)

    def fill(at: int, known: Counts) -> bool:
        if at == len(hidden):
            return True
        one, true = hidden[at], counts[hidden[at]]
        tried = [number] if one == name else [near for near in (true, true + 1, true - 1) if near >= 1]
        return any(fits(more := {**known, one: near}, one) and fill(at + 1, more) for near in tried)

    return fill(0, {one: count for one, count in counts.items() if one not in hidden})


def is_safe(counts: Counts, sums: list[Sum]) -> bool:
    """Whether all that is small is hidden, no zero, and each hidden count may be another number, by trying."""
    shown = published(counts, sums)
    hidden = [name for name, count in shown.items() if count is None]
    assert all(count in (None, counts[name]) for name, count in shown.items())
    assert {name for name, count in counts.items() if 0 < count < LEAST} <= set(hidden) and all(counts[name] for name in hidden)
    return all(any(may_be(counts, hidden, sums, name, counts[name] + step) for step in (1, -1) if counts[name] + step) for name in hidden)


@given(tables)
def test_no_hidden_cell_of_a_table_can_be_computed_from_its_sums(counts: Counts) -> None:
    assert is_safe(counts, table_sums(list(ROWS), list(COLUMNS), ALL))


@given(lines, lines)
def test_no_hidden_part_can_be_computed_from_a_total_that_is_divided_twice(one: list[int], other: list[int]) -> None:
    parts: Counts = {("one", at): count for at, count in enumerate(one)} | {("other", at): count for at, count in enumerate(other)}
    more = sum(one) - sum(other)
    parts["other" if more > 0 else "one", "rest"] = abs(more)
    sides = [[name for name in parts if isinstance(name, tuple) and name[0] == side] for side in ("one", "other")]
    counts: Counts = {**parts, ALL: max(sum(one), sum(other))}
    sums = [Sum(ALL, side) for side in sides]
    assert is_safe(counts, sums)


@given(tables)
def test_what_has_no_small_count_is_shown_whole(counts: Counts) -> None:
    large: Counts = {name: count * LEAST for name, count in counts.items()}
    assert published(large, table_sums(list(ROWS), list(COLUMNS), ALL)) == large


def test_the_smallest_other_part_is_hidden_with_a_small_one_and_the_total_is_not() -> None:
    counts = {"all": 112, "a": 2, "b": 100, "c": 10, "d": 0}
    assert published(counts, [Sum("all", "abcd")]) == {"all": 112, "a": None, "b": 100, "c": None, "d": 0}


def test_a_total_is_hidden_where_its_parts_would_follow_from_it() -> None:
    # Two parts of at least one make two in one way alone; one part is its total.
    assert published({"all": 2, "a": 1, "b": 1}, [Sum("all", "ab")]) == {"all": None, "a": None, "b": None}
    assert published({"all": 6, **dict.fromkeys("abcdef", 1)}, [Sum("all", "abcdef")])["all"] is None
    assert published({"all": 3, "a": 3, "b": 0}, [Sum("all", "ab")]) == {"all": None, "a": None, "b": 0}


def test_a_count_in_no_sum_is_hidden_alone() -> None:
    assert published({"a": 4, "b": 5, "c": 0}, []) == {"a": None, "b": 5, "c": 0}
