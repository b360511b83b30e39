"""Runs of numbers that follow each other, as (first, end) without the end: positions, numbers of a feed, indexes of the log."""

from collections.abc import Iterable

Run = tuple[int, int]


def joined(runs: Iterable[Run]) -> list[Run]:
    """Returns runs with each joined to the one before where it begins at that one's end."""
    found: list[Run] = []
    for first, end in runs:
        if found and found[-1][1] == first:
            found[-1] = (found[-1][0], end)
        else:
            found.append((first, end))
    return found


def runs_of(numbers: Iterable[int]) -> list[Run]:
    """Returns numbers as runs."""
    return joined((number, number + 1) for number in numbers)
