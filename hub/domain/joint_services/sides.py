"""What one side does with a service item on a day, by the versions that it has of it."""

from collections.abc import Iterable
from typing import NamedTuple

from chuanyu.exchange.v1 import service_items_pb2 as protos

from hub.domain.joint_services.periods import Period

State = protos.ServiceItemState


class Side(NamedTuple):
    """What one side does with an item on a day; *version* is None where nothing holds."""

    province: str
    state: int
    version: protos.ServiceItemVersion | None


def side_on(known: Iterable[Period], province: str, day: int) -> Side:
    """Returns what a side does on a day, by the periods in order of days."""
    before = None
    for period in known:
        if period.covers(day):
            return Side(province, period.version.state, period.version)
        if day < period.from_day:
            known_later = before is None and period.version.known_by_only and period.version.state == State.SERVICE_ITEM_STATE_LIVE
            return Side(province, State.SERVICE_ITEM_STATE_NOT_KNOWN if known_later else State.SERVICE_ITEM_STATE_NOT_YET, None)
        before = period
    return Side(province, State.SERVICE_ITEM_STATE_WITHDRAWN if before is not None else State.SERVICE_ITEM_STATE_NOT_YET, None)
