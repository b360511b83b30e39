"""Which event of a family is in force: corrections, reversals, reversals of both, at any depth and in any order of arrival."""

from itertools import permutations

import pytest

from hub.domain.corrections import Member, standing

# Names of the events of one family in the order in which they were meant; "-x" reverses x, "x>y" corrects y.
CHAIN = ("fact", "first>fact", "second>first", "-second")


def family(*told: str, first: int = 1) -> list[Member]:
    """Members in the order in which they are reported."""
    members = []
    for position, text in enumerate(told, first):
        name, _, corrected = text.partition(">")
        own = name[1:] if name.startswith("-") else corrected or None
        members.append(Member(position, name, () if own is None else (own,), own, name.startswith("-")))
    return members


def stands(*told: str) -> list[str]:
    return [told[position - 1].partition(">")[0] for position in sorted(standing(family(*told)))]


@pytest.mark.parametrize(
    ("told", "standing_now"),
    [
        (("fact",), ["fact"]),
        (("fact", "c>fact"), ["c"]),
        (("fact", "-fact"), []),
        (("fact", "c>fact", "-c"), ["fact"]),
        (("fact", "c>fact", "-c", "-fact"), []),
        (("fact", "c>fact", "-c", "--c"), ["c"]),
        (("fact", "c>fact", "-c", "--c", "---c"), ["fact"]),
        (("fact", "-fact", "--fact"), ["fact"]),
        (("fact", "-fact", "--fact", "---fact"), []),
        (("fact", "c>fact", "d>c", "-d"), ["c"]),
        (("fact", "c>fact", "d>c", "-d", "-c"), ["fact"]),
        (("fact", "c>fact", "d>c", "-c"), ["d"]),
        (("fact", "c>fact", "d>fact", "-d"), ["c"]),
        (("fact", "c>fact", "-fact"), []),
        (("fact", "c>fact", "-fact", "--fact"), ["c"]),
        (("fact", "-fact", "c>fact"), ["c"]),
        (("fact", "-fact", "c>-fact"), ["c"]),
        (("fact", "-fact", "c>-fact", "-c"), []),
        (("fact", "c>fact", "-c", "d>c"), ["d"]),
        (("fact", "other"), ["fact", "other"]),
    ],
)
def test_what_stands_of_a_family(told: tuple[str, ...], standing_now: list[str]) -> None:
    assert stands(*told) == standing_now


@pytest.mark.parametrize("told", list(permutations(CHAIN)), ids=" ".join)
def test_a_reversed_correction_of_a_correction_leaves_the_first_in_any_order_of_arrival(told: tuple[str, ...]) -> None:
    assert stands(*told) == ["first"]


@pytest.mark.parametrize("told", list(permutations(("fact", "c>fact", "-c", "--c"))), ids=" ".join)
def test_a_reversal_reversed_leaves_the_correction_in_any_order_of_arrival(told: tuple[str, ...]) -> None:
    assert stands(*told) == ["c"]


@pytest.mark.parametrize("told", list(permutations(("fact", "-fact"))), ids=" ".join)
def test_a_reversed_fact_is_out_in_any_order_of_arrival(told: tuple[str, ...]) -> None:
    assert stands(*told) == []


def test_two_that_correct_each_other_leave_the_last() -> None:
    a, b = Member(1, "a", ("b",), "b"), Member(2, "b", ("a",), "a")
    assert standing([a, b]) == {2}


def test_two_that_reverse_each_other_end_the_search() -> None:
    a, b = Member(1, "a", ("b",), "b", is_reversal=True), Member(2, "b", ("a",), "a", is_reversal=True)
    assert standing([a, b]) == set()


def test_a_reversal_of_a_released_corrections_number_gives_back_what_it_corrected() -> None:
    fact, held = Member(1, "fact"), Member(2, "held", is_quarantined=True)
    released = Member(3, "released", ("fact", "held"), "fact")
    reversal = Member(4, "reversal", ("held",), "held", is_reversal=True)
    assert standing([fact, held, released]) == {3}
    assert standing([fact, held, released, reversal]) == {1}


def test_a_reversal_of_a_released_events_number_takes_it_out() -> None:
    held, released = Member(1, "held", is_quarantined=True), Member(2, "released", ("held",), "held")
    assert standing([held, released, Member(3, "reversal", ("held",), "held", is_reversal=True)]) == set()
