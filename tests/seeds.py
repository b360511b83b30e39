"""What `make test` leaves to `make test-slow`: further histories by chance, and the rest of many cases of one kind."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Any

import pytest


def seeds(count: int) -> pytest.MarkDecorator:
    """Parametrises a test with so many seeds, of which all but the first are run by `make test-slow` alone."""
    return pytest.mark.parametrize("seed", one_in(count, range(count)))


def one_in(step: int, cases: Sequence[Any]) -> list[Any]:
    """The cases, of which `make test` runs the first and each step-th after it, `make test-slow` the others."""
    return [case if number % step == 0 else pytest.param(*_values(case), marks=pytest.mark.slow) for number, case in enumerate(cases)]


def of_each(cases: Mapping[str, Set[object]]) -> set[str]:
    """Cases, by what each of them has, that have everything among them; those that have most come first."""
    seen: set[object] = set()
    chosen = set()
    for case in sorted(cases, key=lambda case: -len(cases[case])):
        if cases[case] - seen:
            chosen.add(case)
            seen |= cases[case]
    return chosen


def these(chosen: Collection[str], cases: Iterable[str]) -> list[Any]:
    """The cases, of which `make test` runs those that are chosen, `make test-slow` the others."""
    return [case if case in chosen else pytest.param(case, marks=pytest.mark.slow) for case in cases]


def _values(case: Any) -> tuple[Any, ...]:
    """The values of a case: several, where a test takes several parameters."""
    return case if type(case) is tuple else (case,)
