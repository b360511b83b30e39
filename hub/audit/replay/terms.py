"""Agreements as they might have been: other terms under a code, a further code, or a code that is taken away."""

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
        code = next((code for code in of_code if terms.code == code or _is_version(terms.code, code)), "")
        if not code:
            found.append(terms)
        elif code not in placed and (other := of_code[code]) is not None:
            found.append(other)
        placed.add(code)
    found += [terms for code, terms in of_code.items() if code not in placed and terms is not None]
    return Agreements(found)


def _is_version(code: str, of: str) -> bool:
    """Whether a code is that of a later version of an agreement."""
    return code.startswith(f"{of}.") and code[len(of) + 1 :].isdigit()
