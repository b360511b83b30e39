"""Agreements as they might have been: other terms under a code, a further code, or a code that is taken away.

A code names an agreement as answers do, such as ORD-TRANSIT/1. The name before the slash names all of its versions.
"""

from collections.abc import Iterable
from typing import NamedTuple

from hub.domain.agreement import Agreements, Terms


class TermsChange(NamedTuple):
    """The terms of a code from now on; none where the agreement is taken away."""

    code: str
    terms: Terms | None


def changed_terms(known: Agreements, changes: Iterable[TermsChange]) -> Agreements:
    """Returns the agreements under some changes: in the place of a code's versions, and further codes after all others."""
    of_code = {change.code: change.terms for change in changes}
    found, placed = list[Terms](), set[str]()
    for terms in known:
        code = next((code for code in of_code if is_of(code, terms.code)), "")
        if not code:
            found.append(terms)
        elif code not in placed and (other := of_code[code]) is not None:
            found.append(other)
        placed.add(code)
    found += [terms for code, terms in of_code.items() if code not in placed and terms is not None]
    return Agreements(found)


def versions_of(code: str, known: Iterable[Terms]) -> list[Terms]:
    """Returns the terms that a code names: its own and those of its later versions; none where it names nothing."""
    return [terms for terms in known if is_of(code, terms.code)]


def is_of(code: str, version: str) -> bool:
    """Whether a code names a version: it is its code, or that without what follows it, such as .2 for an amendment or /1 for a row."""
    numbers = version.removeprefix(code)
    is_longer = version.startswith(code) and numbers[:1] in ("/", ".")
    return version == code or (is_longer and all(part.isdecimal() for part in numbers[1:].replace(".", "/").split("/")))
