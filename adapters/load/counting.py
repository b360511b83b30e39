"""The comparison at the end: the cards of the file, and the cards that the hub counts."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import grpc
from chuanyu.exchange.v1.card_lifecycle_pb2 import SocialStatus
from chuanyu.exchange.v1.card_service_pb2 import CountCardsRequest, CountCardsResponse

from adapters.kit.connection import HubConnection
from adapters.kit.refusal import from_call
from adapters.load.loading import AGAIN, WAIT_S, LoadRefused

COUNT_TIMEOUT_S = 120.0
# So long the views may need to have folded what was loaded.
PATIENCE_S = 600.0


class Counted(NamedTuple):
    """A province's cards of one status: how many the file has, how many the hub."""

    province: str
    status: str
    file: int
    hub: int


async def compare(connection: HubConnection, provinces: Iterable[str], cards: Counter[tuple[str, str]], position: int) -> list[Counted]:
    """Counts the cards of each province at the hub, once its view has reached *position*; raises LoadRefused."""
    counted = []
    for province in provinces:
        answer = await _count(connection, CountCardsRequest(issuing_province=province, min_position=position))
        hub = {SocialStatus.Name(one.status).removeprefix("SOCIAL_STATUS_"): one.cards for one in answer.registered}
        statuses = sorted({status for of, status in cards if of == province} | set(hub))
        counted += [Counted(province, status, cards[province, status], hub.get(status, 0)) for status in statuses]
    return counted


async def _count(connection: HubConnection, request: CountCardsRequest) -> CountCardsResponse:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer: CountCardsResponse = await connection.cards.CountCards(request, timeout=COUNT_TIMEOUT_S)
            return answer
        except grpc.aio.AioRpcError as error:
            refusal = from_call(error)
            if refusal.code not in AGAIN or time.monotonic() > deadline:
                raise LoadRefused(f"CountCards: {refusal}") from error
            await asyncio.sleep(refusal.retry_after_s or WAIT_S)
