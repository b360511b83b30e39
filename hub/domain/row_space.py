"""Which unknowns follow from linear equations: whether what is not shown could be computed from what is."""

from collections.abc import Hashable, Iterable, Mapping
from fractions import Fraction
from typing import TypeVar

Unknown = TypeVar("Unknown", bound=Hashable)


def determined(rows: Iterable[Mapping[Unknown, int]]) -> set[Unknown]:
    """Returns the unknowns that the equations leave one value only: those whose unit vectors are in their row space."""
    basis: dict[Unknown, dict[Unknown, Fraction]] = {}
    for row in rows:
        left = {name: Fraction(factor) for name, factor in row.items() if factor}
        for name in [name for name in left if name in basis]:
            _take_off(left, basis[name], left[name])
        if not left:
            continue
        lead, factor = next(iter(left.items()))
        scaled = {name: value / factor for name, value in left.items()}
        for other in basis.values():
            if lead in other:
                _take_off(other, scaled, other[lead])
        basis[lead] = scaled
    return {name for name, row in basis.items() if len(row) == 1}


def _take_off(row: dict[Unknown, Fraction], other: Mapping[Unknown, Fraction], times: Fraction) -> None:
    for name, value in other.items():
        left = row.get(name, Fraction(0)) - times * value
        if left:
            row[name] = left
        else:
            row.pop(name, None)
