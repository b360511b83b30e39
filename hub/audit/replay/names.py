"""A name that matches nothing is refused, never taken for a change without effect: what the refusal says of the names that there are."""

from collections.abc import Iterable
from difflib import get_close_matches

from hub.domain.masking import without_identifiers

_MOST = 8


def instead_of(name: str, known: Iterable[str]) -> str:
    """Returns a name with those that are most like it, or with the first ones that there are."""
    by_fold = {one.casefold(): one for one in sorted(known)}
    alike = [by_fold[one] for one in get_close_matches(name.casefold(), by_fold, _MOST, 0.6)]
    shown = without_identifiers(name)
    if alike:
        return f"{shown}；相近的有 the nearest are: {', '.join(alike)}"
    some = list(by_fold.values())
    more = f" …（共 of {len(some)}）" if len(some) > _MOST else ""
    return f"{shown}；现有 there are: {', '.join(some[:_MOST]) or '—'}{more}"
