"""The counts of a what-if: none that is not shown can be computed from the matrix and the figures beside it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.audit.replay.comparing import Cell, Changed, Tally
from hub.audit.replay.what_if_asked import _TOTAL, _between, _scenario, _shown
from hub.domain.small_counts import LEAST

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
    shown = _shown(of)
    assert all(shown[cell] is None for cell, tally in of.cells.items() if tally.answers < LEAST)
    for name_of in (_scenario, _between):
        groups = {name_of(cell) for cell in of.cells}
        for group in groups:
            hidden = [cell for cell in of.cells if name_of(cell) == group and shown[cell] is None]
            assert len(hidden) != 1 or shown[group] is None
        assert len([group for group in groups if shown[group] is None]) != 1 or shown[_TOTAL] is None


def test_a_small_count_is_not_found_by_its_scenario() -> None:
    of = changed({("50", "51", "TRA.MET", "a"): 3, ("50", "51", "TRA.MET", "b"): 40, ("51", "50", "CUL.LIB", "a"): 40})
    shown = _shown(of)
    assert [count for cell, count in shown.items() if isinstance(cell, Cell)].count(None) >= 2
