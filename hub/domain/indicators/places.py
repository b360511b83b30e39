"""Regions as they were said, and as of a day: a region that was split since is shared among those that its people may be in now."""

from collections.abc import Mapping
from datetime import date

from hub.domain.reference import Reference
from hub.domain.reference.rows import Region

UNKNOWN = "UNKNOWN"
BETWEEN = "|"
# Beside a region, until its place is asked for: the first day of the version of the region that was meant, empty for that of the day.
MEANT = "meant"


def as_of(reference: Reference, code: str, said_on: date, day: date) -> str:
    """Returns the regions that a place, said by its code on a day, may be in on another: one, or several joined by `|`.

    A county that was split is shared by its successors until a town is named; which of them it is the record does not say.
    """
    found = sorted(_now(reference, code, said_on, day))
    return BETWEEN.join(found) if found else UNKNOWN


def _version(reference: Reference, code: str, on: date) -> Region | None:
    versions = reference.regions.get(code)
    if not versions:
        return None
    # A place may be said by its old code for a while: then its last version counts.
    return next((one for one in versions if one.valid_to is None or on < one.valid_to), versions[-1])


def _now(reference: Reference, code: str, on: date, day: date) -> set[str]:
    version = _version(reference, code, on)
    if version is None:
        return set()
    if version.valid_to is None or day < version.valid_to or not version.successors:
        return {code}
    return {now for successor in version.successors for now in _now(reference, successor, version.valid_to, day)}


def said(reference: Reference, code: str, said_on: date | None) -> dict[str, str]:
    """Returns a region as it was said on a day, or on the day that is asked about (None)."""
    version = _version(reference, code, said_on) if said_on is not None else None
    return {"region": code, MEANT: version.valid_from.isoformat() if version is not None else ""}


def located(reference: Reference, places: Mapping[str, str], day: date) -> dict[str, str]:
    """Returns the places of something by the breakdowns that regions have: as said, and as of the day."""
    if MEANT not in places:
        return dict(places)
    found = {name: value for name, value in places.items() if name != MEANT}
    code, meant = places["region"], places[MEANT]
    now = as_of(reference, code, date.fromisoformat(meant) if meant else day, day) if code else UNKNOWN
    return found | {"region": code or UNKNOWN, "region_as_of": now}
