"""Units of a transit concession 优待次数: what was granted, used and is left, by city and person, in the serving city's period [S24][S25].

A city gives its elders so many units a month or a year; more may be asked for. Units belong to the person: they go on with another medium
and another card. The business day of a ride says which period it is charged to, however late its file comes. A gate that is offline knows
no balance, so that fewer units than none are possible, and are a finding.
"""

from collections.abc import Iterable
from typing import NamedTuple

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.domain.card_facts import Fact
from hub.domain.instants import HOUR_US, day_of, epoch_day
from hub.domain.reference import Reference
from hub.domain.usage import business_day

RIDE = "transit_journey_completed"
BINDINGS = ("transit_concession_bound", "transit_concession_rebound")
# Which binding each medium carries; an elder's own card is none of them.
CARRIES: dict[int, str] = {
    acceptance.MEDIUM_CONTACT: "SOCIAL_CARD",
    acceptance.MEDIUM_CONTACTLESS: "SOCIAL_CARD",
    acceptance.MEDIUM_YUKUAI_CODE: "YUKUAI_CODE",
}
_MUNICIPALITY = "50"
# The parameters that say what a city grants, and how often.
QUOTA = ("elderTransitQuotaUnits", "elderTransitQuotaPeriod")


class Entry(NamedTuple):
    """One entry of the ledger: its city and business day, when and where it was recorded, and the units it takes (or gives, if negative).

    *left* is what the source said was left afterwards, None where it did not say.
    """

    city: str
    day: str
    occurred_us: int
    position: int
    units: int
    left: int | None = None


class Scheme(NamedTuple):
    """What a city gives: so many units a MONTH or a YEAR, and so many more for a request."""

    city: str
    period: str
    units: int


class Balance(NamedTuple):
    """The units of a person in a city and period (yyyy or yyyy-MM), and the newest entry's position, 0 without one.

    *told_left* is what a source said last; *left* goes on from there, else from what was granted.
    """

    city: str
    period: str
    granted: int
    topped_up: int
    used: int
    left: int
    told_left: int | None
    position: int

    @property
    def is_overdrawn(self) -> bool:
        """Whether more was used than there was."""
        return self.left < 0

    @property
    def is_broken(self) -> bool:
        """Whether what a source said does not agree with what was recorded."""
        return self.told_left is not None and self.left != self.granted + self.topped_up - self.used


def city_of(region: str) -> str:
    """Returns the city of a region, "" for none: a municipality is one city."""
    if region.startswith(_MUNICIPALITY):
        return "500000"
    return f"{region[:4]}00" if region else ""


def scheme_at(reference: Reference, region: str, at_us: int) -> Scheme | None:
    """Returns what the city of a region gives on the day of an instant, None where it gives nothing there."""
    day = day_of(epoch_day(at_us))
    units, period = (reference.policy(name, region, day) for name in QUOTA)
    if units is None or period is None or not units.value or not period.value:
        return None
    return Scheme(city_of(region), period.value, units.number)


def year_began(at_us: int) -> str:
    """Returns the first day of the year before an instant's business day could be in: no period began earlier."""
    return f"{day_of(epoch_day(at_us) - 1).year}-01-01"


def entries_in(entries: Iterable[Entry], scheme: Scheme, region: str, at_us: int) -> list[Entry]:
    """Returns the entries of a city that are charged to the period of an instant and had happened by then, in order."""
    period = _period(scheme, region, at_us)
    own = (one for one in entries if one.city == scheme.city and one.day.startswith(period) and one.occurred_us <= at_us)
    return sorted(own, key=lambda one: (one.occurred_us, one.position))


def balance(entries: Iterable[Entry], scheme: Scheme, region: str, at_us: int) -> Balance:
    """Returns the units of a person at an instant, by the entries of all cards."""
    own = entries_in(entries, scheme, region, at_us)
    used = sum(one.units for one in own if one.units > 0)
    topped_up = -sum(one.units for one in own if one.units < 0)
    told, left = None, scheme.units
    for one in own:
        left -= one.units
        if one.left is not None:
            told = left = one.left
    position = own[-1].position if own else 0
    return Balance(scheme.city, _period(scheme, region, at_us), scheme.units, topped_up, used, left, told, position)


def _period(scheme: Scheme, region: str, at_us: int) -> str:
    today = business_day(RIDE, region, at_us)
    return today[:4] if scheme.period == "YEAR" else today[:7]


def binding_of(facts: Iterable[Fact], region: str, at_us: int) -> Fact | None:
    """Returns the last fact that bound the concession of a region's city, None if there is none; one without a place is of its province."""
    city, province, found = city_of(region), region[:2], None
    for fact in facts:
        if fact.kind in BINDINGS and fact.occurred_us <= at_us:
            is_here = city_of(fact.detail["at"]) == city if "at" in fact.detail else fact.detail["by"] == province
            found = fact if is_here else found
    return found


def is_elsewhere(facts: Iterable[Fact], reference: Reference, region: str, at_us: int, medium: int) -> bool:
    """Whether the concession had been bound to another medium than a ride's for longer than gates of the old one may not know of it."""
    bound, carried = binding_of(facts, region, at_us), CARRIES.get(medium)
    if bound is None or carried is None or bound.detail["binding"] in ("NONE", carried):
        return False
    grace = reference.policy("elderTransitRebindGraceHours", region, day_of(epoch_day(bound.occurred_us)))
    return at_us > bound.occurred_us + (grace.number if grace is not None else 0) * HOUR_US
