"""Regions as they were said, and as of a day: a region that was split since is shared among those that its people may be in now."""

from datetime import date

from hub.domain.reference import Reference

UNKNOWN = "UNKNOWN"
BETWEEN = "|"


def as_of(reference: Reference, code: str, said_on: date, day: date) -> str:
    """Returns the regions that a place, said by its code on a day, may be in on another: one, or several joined by `|`.

    A county that was split is shared by its successors until a town is named; which of them it is the record does not say.
    """
    found = sorted(_now(reference, code, said_on, day))
    return BETWEEN.join(found) if found else UNKNOWN


def _now(reference: Reference, code: str, on: date, day: date) -> set[str]:
    versions = reference.regions.get(code)
    if not versions:
        return set()
    # A place may be said by its old code for a while: then its last version counts.
    version = next((one for one in versions if one.valid_to is None or on < one.valid_to), versions[-1])
    if version.valid_to is None or day < version.valid_to:
        return {code}
    if not version.successors:
        return {code}
    return {now for successor in version.successors for now in _now(reference, successor, version.valid_to, day)}


def places(reference: Reference, code: str, said_on: date, day: date) -> dict[str, str]:
    """Returns the places of something by the breakdowns that regions have: as said, and as of the day."""
    return {"region": code or UNKNOWN, "region_as_of": as_of(reference, code, said_on, day) if code else UNKNOWN}
