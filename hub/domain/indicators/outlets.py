"""What is counted of outlets (K13): those there are at the end of a day, and whether each has a star.

An outlet is as the report with the newest first day says, and of two such as the newest: so a report of an outlet that is there already
changes its stars from a day on, and one with a last day closes it.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from chuanyu.exchange.v1 import indicator_facts_pb2 as facts

from hub.domain.indicators.counted import Asked, Counts, One
from hub.domain.indicators.places import said
from hub.domain.instants import epoch_day_of, midnight_us
from hub.domain.reported import Reported

Name = tuple[str, str]


def name_of_outlet(one: Reported) -> Name:
    """Returns the province and the code by which an outlet is known."""
    return one.province, one.message.outlet_code


def turns(told: Sequence[Reported]) -> Iterator[int]:
    """Yields the instants by which an outlet may become another: the begin of each first day, and of each day after a last one."""
    for one in told:
        yield began(one)
        if one.message.valid_to:
            yield _midnight(date.fromisoformat(one.message.valid_to) + timedelta(days=1))


def began(one: Reported) -> int:
    """Returns the instant from which on an outlet is as a report says."""
    return _midnight(date.fromisoformat(one.message.valid_from))


def _midnight(day: date) -> int:
    return midnight_us(epoch_day_of(day))


def _outlets(told: Sequence[Reported], asked: Asked) -> Iterator[One]:
    """K13: an outlet that there is at the end of the day, and whether it has a star."""
    day = asked.day.isoformat()
    begun = [one for one in told if one.message.valid_from <= day]
    last = max(begun, key=lambda one: (one.message.valid_from, *one.when), default=None)
    if last is None or (last.message.valid_to and last.message.valid_to < day):
        return
    operator = facts.OutletOperator.Name(last.message.operator).removeprefix("OUTLET_OPERATOR_")
    places = said(asked.reference, last.event.service_region, date.fromisoformat(last.message.valid_from))
    yield One(name_of_outlet(last), last.message.stars > 0, {"province": last.province, "operator": operator, **places})


OF_AN_OUTLET: Counts[Sequence[Reported]] = {"K13": _outlets}
