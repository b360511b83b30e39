"""Counts a province's cards for their issuer."""

from functools import partial

from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.admin.card_count import count_cards
from hub.api.cards.view_wait import when_seen
from hub.api.edge.directory import Caller
from hub.api.edge.turns import Reads
from hub.domain.errors import NotPermitted
from hub.intake.request_rules import refuse_invalid

# A count reads every card, with others beside it that want answers: as long as one took, the next waits.
RESTS = 1.0


class CountDesk:
    """Has a connection of its own, so that no other question waits for a count."""

    def __init__(self, dsn: str) -> None:
        """Connects with the first count."""
        self._reads = Reads(dsn, "hub_reader", "hub-counts", rest=RESTS)

    def close(self) -> None:
        """Closes what it reads with."""
        self._reads.close()

    async def count(self, request: protos.CountCardsRequest, caller: Caller) -> protos.CountCardsResponse:
        """Returns how many cards there are; raises RequestInvalid, NotPermitted or ViewBehind."""
        refuse_invalid(request)
        if not caller.rights.issues(request.issuing_province):
            raise NotPermitted("only their issuer counts a province's cards")
        answer: protos.CountCardsResponse = await when_seen(partial(self._reads.read, caller.urn, count_cards, request))
        return answer
