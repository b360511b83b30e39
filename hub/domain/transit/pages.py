"""Pages of a list of refused trips: all of one list are of one position and one day, and a token is good for its own list alone."""

import hashlib
from datetime import date
from typing import NamedTuple

from chuanyu.exchange.v1 import transit_service_pb2 as protos

from hub.domain.errors import RequestInvalid
from hub.domain.joint_services.answers import day_asked

_DIGEST_LENGTH = 16
_BEGINNING = (-1, -1)


class Place(NamedTuple):
    """Where a page begins: after a refusal (instant, position); *position* is 0 where the newest is asked for."""

    position: int
    on: date
    after: tuple[int, int] = _BEGINNING


def place_of(request: protos.ListRejectedTripsRequest, today: date) -> Place:
    """Returns where the page begins; raises RequestInvalid for an impossible day, or for the token of another list."""
    if not request.page_token:
        return Place(request.as_of_position, day_asked(request.on, "on", today))
    digest, *rest = request.page_token.split(".")
    try:
        position, on, occurred_us, after = (int(part) for part in rest)
        place = Place(position, date.fromordinal(on), (occurred_us, after))
    except (ValueError, OverflowError):
        raise RequestInvalid([("page_token", "page_of_another_list")]) from None
    if digest != _digest(request):
        raise RequestInvalid([("page_token", "page_of_another_list")])
    return place


def token_of(place: Place, request: protos.ListRejectedTripsRequest) -> str:
    """Returns the token of the page that begins at a place."""
    return ".".join([_digest(request), *map(str, (place.position, place.on.toordinal(), *place.after))])


def _digest(request: protos.ListRejectedTripsRequest) -> str:
    """Names the list: the question but for its page and how long to wait."""
    named = protos.ListRejectedTripsRequest()
    named.CopyFrom(request)
    for field in ("page_token", "page_size", "min_position"):
        named.ClearField(field)
    return hashlib.sha256(named.SerializeToString(deterministic=True)).hexdigest()[:_DIGEST_LENGTH]
