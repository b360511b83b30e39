"""How many cards of a province the hub knows: what a province compares its card stock with. Service and command ask here."""

import psycopg
from chuanyu.exchange.v1 import card_lifecycle_pb2
from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.admin.snapshots import snapshot
from hub.projections.views.card_standing import CARD_STANDING


def count_cards(connection: psycopg.Connection, request: protos.CountCardsRequest) -> protos.CountCardsResponse:
    """Counts every card of a province in one snapshot; raises ViewBehind."""
    with snapshot(connection, CARD_STANDING, request.min_position) as position:
        counted: dict[str | None, int] = dict(connection.execute(_COUNT, (request.issuing_province,)).fetchall())
    answer = protos.CountCardsResponse(unregistered=counted.pop(None, 0), as_of_position=position)
    for name, cards in sorted(counted.items()):
        answer.registered.add(status=card_lifecycle_pb2.SocialStatus.Value(f"SOCIAL_STATUS_{name}"), cards=cards)
    return answer


# Facts are written by one encoder, in one order: the first registration is the first match.
_COUNT = rf"""SELECT substring(facts FROM '"card_registered",\{{"status":"([A-Z_]+)"'), count(*)
    FROM views.{CARD_STANDING.name} WHERE issuing_province = %s GROUP BY 1"""  # noqa: S608 (the name of our own view)
