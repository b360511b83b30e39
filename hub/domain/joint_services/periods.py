"""When each of several versions holds: a later one takes over from its first day on, whatever an earlier one says of its own end."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from chuanyu.exchange.v1 import service_items_pb2 as protos

from hub.domain.agreement_history import FOREVER_US, cut


class Period(NamedTuple):
    """A version and the days on which it holds, half-open as ordinals; no end is None."""

    from_day: int
    to_day: int | None
    version: protos.ServiceItemVersion

    def covers(self, day: int) -> bool:
        """Whether it holds on a day."""
        return self.from_day <= day and (self.to_day is None or day < self.to_day)


def periods(versions: Iterable[protos.ServiceItemVersion]) -> tuple[Period, ...]:
    """Returns in order of days when each version holds, given in the order in which they were approved; one that never does is left out."""
    signed = list(versions)
    spans = cut([(_day(one.valid_from), _day(one.valid_to) if one.valid_to else FOREVER_US, False) for one in signed])
    known = [Period(from_day, None if to_day == FOREVER_US else to_day, one) for one, (from_day, to_day) in zip(signed, spans, strict=True)]
    return tuple(sorted((one for one in known if one.to_day is None or one.from_day < one.to_day), key=lambda one: one.from_day))


def _day(written: str) -> int:
    return date.fromisoformat(written).toordinal()
