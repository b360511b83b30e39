"""A client's questions, subscriptions and reads, each to its end: what passes is waited for, and asked again as it was."""

import asyncio
import importlib.util
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, hotlist_service_pb2, subscription_service_pb2
from chuanyu.exchange.v1 import reconciliation_service_pb2 as totals
from chuanyu.exchange.v1.hotlist_service_pb2_grpc import HotlistServiceStub
from chuanyu.exchange.v1.subscription_service_pb2_grpc import SubscriptionServiceStub

from adapters.kit import HubConnection, HubUnreachable, Refusal
from adapters.kit.refusal import from_call

CALL_S = 5.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 5.0
READER = Path(__file__).parents[2] / "docs/hotlist_reader.py"
PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)


async def until_answered(connection: HubConnection, call: Callable[[], Awaitable[Any]]) -> Any:
    """Makes a call again, with growing pauses, until it is answered or refused for good; raises Refusal."""
    pause_s = FIRST_PAUSE_S
    while True:
        target = connection.target
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            refusal = from_call(error)
        except HubUnreachable:
            refusal = Refusal(grpc.StatusCode.UNAVAILABLE)
        except Refusal as error:
            refusal = error
        if refusal.code not in PASSING:
            raise refusal
        if refusal.code is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            connection.fail_over(target)
        await asyncio.sleep(max(pause_s, refusal.retry_after_s or 0.0))
        pause_s = min(2 * pause_s, LAST_PAUSE_S)


async def ask(connection: HubConnection, question: bytes) -> dict[str, Any]:
    """Asks under one request id."""
    request = card_service_pb2.CheckAcceptanceRequest.FromString(question)
    answer = await until_answered(connection, lambda: connection.cards.CheckAcceptance(request, timeout=CALL_S))
    outcome = acceptance_pb2.AcceptanceOutcome.Name(answer.outcome).removeprefix("ACCEPTANCE_OUTCOME_")
    return {"request_id": answer.request_id, "outcome": outcome, "position": answer.position}


async def subscribe(connection: HubConnection, from_position: int, kinds: list[str], events: int) -> dict[str, Any]:
    """Takes so many events; a stream that ends, in whatever way, is opened again after the last position received."""
    positions: list[int] = []
    cursor = from_position

    async def take() -> None:
        nonlocal cursor
        stub: Any = SubscriptionServiceStub(connection.channel)
        stream = stub.Subscribe(subscription_service_pb2.SubscribeRequest(from_position=cursor, kinds=kinds))
        async for answer in stream:
            cursor = answer.delivered.position if answer.HasField("delivered") else answer.progress.position
            if answer.HasField("delivered"):
                positions.append(cursor)
                if len(positions) == events:
                    stream.cancel()
                    return

    while len(positions) < events:
        await until_answered(connection, take)
    return {"positions": positions, "cursor": cursor}


async def report_totals(connection: HubConnection, body: bytes) -> dict[str, Any]:
    """Reports the same totals until they are answered."""
    request = totals.SubmitControlTotalsRequest.FromString(body)
    answer = await until_answered(connection, lambda: connection.submit_totals(request, CALL_S))
    return {"comparison": totals.ComparisonState.Name(answer.comparison.state)}


async def read_hotlist(connection: HubConnection, public_key: bytes, cards: list[str]) -> dict[str, Any]:
    """Takes the newest snapshot, verifies it, and says which of the cards are on it."""

    async def take() -> bytes:
        stub: Any = HotlistServiceStub(connection.channel)
        return b"".join([piece.chunk async for piece in stub.GetHotlist(hotlist_service_pb2.GetHotlistRequest(), timeout=CALL_S)])

    reader = _reader()
    held = reader.read(public_key, await until_answered(connection, take))
    now_s = int(time.time())
    return {"epoch": held.epoch, "listed": [name for name in cards if held.answer(name, now_s) == "LISTED"]}


def _reader() -> Any:
    """The reference reader, which is a page of the documentation and no package."""
    spec = importlib.util.spec_from_file_location("hotlist_reader", READER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
