"""What terms must satisfy before anyone signs them, and that no two agreements say something about the same use.

Each refusal names the field or the other agreement. Shape (which values a field may have at all) is annotated in the protos.
"""

from collections.abc import Iterable

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.domain.agreement import Terms
from hub.domain.agreement_history import FOREVER_US
from hub.domain.errors import AgreementOverlap, RegionNotInForce, ScenarioUnknown, ValidityReversed
from hub.domain.instants import day_of, epoch_day, microseconds
from hub.domain.reference import Reference
from hub.domain.reference.reading import is_named


def check_terms(terms: decisions.AgreementTerms, reference: Reference) -> None:
    """Raises ValidityReversed, ScenarioUnknown or RegionNotInForce; scenarios and regions are those of the first local day."""
    from_us = microseconds(terms.valid_from)
    if terms.HasField("valid_to") and microseconds(terms.valid_to) <= from_us:
        raise ValidityReversed(field="valid_to")
    first = epoch_day(from_us)
    day = day_of(first)
    if not terms.scenarios:
        raise ScenarioUnknown("none is named", field="scenarios")
    in_catalogue = [code for code in reference.scenario_codes if reference.scenario(code, day) is not None]
    for pattern in terms.scenarios:
        if not any(is_named(pattern, code) for code in in_catalogue):
            raise ScenarioUnknown(field="scenarios", scenario=pattern)
    for prefix in terms.serving_regions:
        # Towns keep the code of the county they came from, so only counties and above show whether a prefix means anything.
        is_known = any(len(code) == 6 and code.startswith(prefix) and reference.is_region(code, first) for code in reference.regions)
        if not is_known or prefix[:2] not in terms.serving_provinces:
            raise RegionNotInForce(field="serving_regions", region=prefix)


def check_overlap(mine: Iterable[Terms], others: Iterable[Terms]) -> None:
    """Raises AgreementOverlap, naming the other agreement, where both would answer the same question at some instant.

    A suspended agreement counts: it may be resumed.
    """
    others = tuple(others)
    for terms in mine:
        for other in others:
            if overlap(terms, other):
                raise AgreementOverlap(agreement=other.code, rule="no_overlap")


def overlap(one: Terms, other: Terms) -> bool:
    """Whether two sets of terms meet in scenario, direction, place, medium and time all at once."""
    return (
        one.from_us < (FOREVER_US if other.to_us is None else other.to_us)
        and other.from_us < (FOREVER_US if one.to_us is None else one.to_us)
        and not one.issuer_provinces.isdisjoint(other.issuer_provinces)
        and any(is_named(a, b) or is_named(b, a) for a in one.scenarios for b in other.scenarios)
        and _meet(one.venues, other.venues)
        and _meet(one.media, other.media)
        and any(a.startswith(b) or b.startswith(a) for a in _places(one) for b in _places(other))
    )


def _places(terms: Terms) -> tuple[str, ...]:
    """The region prefixes it serves; none listed means the whole of the serving provinces."""
    listed = tuple(prefix for prefix in terms.serving_regions if prefix[:2] in terms.serving_provinces)
    return listed if terms.serving_regions else tuple(terms.serving_provinces)


def _meet(some: frozenset[str] | frozenset[int], others: frozenset[str] | frozenset[int]) -> bool:
    """Whether two lists have an item in common; an empty list means all."""
    return not some or not others or not frozenset(some).isdisjoint(others)
