"""What comes in keeps to the pace of the views that answers rest on: who sends most waits, who sends little does not."""

import asyncio
import threading
import time
from collections.abc import Iterator

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import feed_service_pb2
from google.rpc import error_details_pb2

from hub.api.edge.statuses import to_status
from hub.api.feeds import pace
from hub.api.feeds.pace import Pace
from hub.domain.errors import HeldBack
from hub.monitoring.readiness_query import Reading
from hub.monitoring.vitals import ClockVitals
from tests.clients import DEADLINE_S, Province, refused_in_stream
from tests.hub_process import CHONGQING, SICHUAN, BegunHub, RunningHub
from tests.messages import journey, question, registered

BULK, OTHER, SMALL = "bulk", "other", "small"
SHORT_S = 0.02


def reading(position: int, head: int, lag_s: float = 0.0) -> Reading:
    return Reading(2, 3, "card_standing", position, lag_s, ClockVitals(0.0, 0.001), head)


async def filled(per_owner: dict[str, int]) -> Pace:
    """A pace whose views have all of it still to fold: 5,000 events are the most there may be at first."""
    held = Pace(40.0)
    held.seen(reading(0, 0), 0)
    for owner, count in per_owner.items():
        for _ in range(count // 500):
            await held.take(owner, 500, SHORT_S)
    return held


async def order_of(held: Pace, then: Reading, *owners: str) -> list[str]:
    """Who of those that wait goes in after a reading, in their order."""
    went: list[str] = []

    async def wait(owner: str) -> None:
        try:
            await held.take(owner, 500, 0.2)
            went.append(owner)
        except HeldBack:
            pass

    waiting = [asyncio.create_task(wait(owner)) for owner in owners]
    await asyncio.sleep(0)
    held.seen(then, 0)
    await asyncio.gather(*waiting)
    return went


async def is_held(held: Pace, owner: str, count: int = 500) -> bool:
    try:
        await held.take(owner, count, SHORT_S)
    except HeldBack:
        return True
    return False


def test_what_the_views_can_fold_in_time_goes_in_at_once() -> None:
    async def goes_in() -> bool:
        return not await is_held(await filled({BULK: 4_500}), BULK)

    assert asyncio.run(goes_in())


def test_what_is_beyond_that_is_held_back() -> None:
    async def held() -> bool:
        return await is_held(await filled({BULK: 5_000}), BULK)

    assert asyncio.run(held())


def test_what_is_held_back_goes_in_once_the_views_have_folded() -> None:
    async def went() -> list[str]:
        return await order_of(await filled({BULK: 5_000}), reading(4_500, 5_000), BULK)

    assert asyncio.run(went()) == [BULK]


def test_who_sends_little_is_not_held_back() -> None:
    async def held() -> bool:
        return await is_held(await filled({BULK: 5_000}), SMALL, 20)

    assert not asyncio.run(held())


def test_who_sent_least_goes_first() -> None:
    async def went() -> list[str]:
        return await order_of(await filled({BULK: 4_000, OTHER: 1_000}), reading(4_500, 5_000), BULK, OTHER)

    assert asyncio.run(went()) == [OTHER, BULK]


def test_late_views_hold_back_however_little_is_unfolded() -> None:
    async def held() -> bool:
        late = await filled({BULK: 1_000})
        late.seen(reading(0, 1_000, lag_s=12.0), 0)
        return await is_held(late, BULK)

    assert asyncio.run(held())


def test_a_batch_goes_in_where_nothing_is_unfolded_however_little_there_may_be() -> None:
    async def held() -> bool:
        return await is_held(Pace(0.1), BULK)

    assert not asyncio.run(held())


def test_a_page_that_takes_long_leaves_less_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "LONG_PAGE_S", SHORT_S)

    async def held() -> bool:
        slow = await filled({})
        await asyncio.sleep(10 * SHORT_S)
        # Less than 4 events in 0.2 s: less than 200 in ten seconds.
        slow.seen(reading(0, 4, lag_s=0.2), 0)
        return await is_held(slow, BULK)

    assert asyncio.run(held())


def test_few_events_that_are_folded_as_they_come_do_not_count_as_slow_views() -> None:
    async def held() -> bool:
        quick = await filled({})
        for position in range(1, 5):
            await asyncio.sleep(SHORT_S)
            quick.seen(reading(position, position + 1), 0)
        return await is_held(quick, BULK, 4_500)

    assert not asyncio.run(held())


def test_views_that_stand_still_hold_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "STILL_AFTER_S", SHORT_S)

    async def held() -> bool:
        still = await filled({BULK: 5_000})
        await asyncio.sleep(2 * SHORT_S)
        return await is_held(still, BULK)

    assert not asyncio.run(held())


def test_an_end_of_the_readings_lets_all_go_on() -> None:
    async def goes_on() -> bool:
        held = await filled({BULK: 5_000})
        waiting = asyncio.create_task(held.take(BULK, 500, 10.0))
        await asyncio.sleep(0)
        held.release()
        await asyncio.wait_for(waiting, 1.0)
        return True

    assert asyncio.run(goes_on())


def test_a_refusal_says_when_to_come_back() -> None:
    status = refused_in_stream(to_status(HeldBack(1.0)))
    assert (status.code, status.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "HELD_BACK")
    assert status.details(error_details_pb2.RetryInfo)[0].retry_delay.seconds == 1


# A real load on a hub whose views fold slowly: three milliseconds and more a card. Without a pace they would be folded six seconds late.
CARDS, BATCH = 2_000, 250
SLOW = """
    CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.003); RETURN NEW; END';
    CREATE TRIGGER slowly BEFORE INSERT ON views.card_standing FOR EACH ROW EXECUTE FUNCTION public.slowly()"""


@pytest.fixture(scope="module")
def hub(begun_hub: BegunHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with begun_hub(tmp_path_factory.mktemp("hub"), {"HUB_MAX_LAG_S": "5"}, apart=True) as hub:
        with psycopg.connect(hub.dsn, autocommit=True) as connection:
            connection.execute(SLOW.encode())
        yield hub


def load(province: Province) -> int:
    """Streams the cards as fast as they are taken; returns how many were recorded."""
    batches = [
        feed_service_pb2.StreamEventsRequest(
            feed="cq.card-center", first_sequence=start + 1, events=[registered(f"A{start + n:08d}") for n in range(BATCH)]
        )
        for start in range(0, CARDS, BATCH)
    ]
    answers = province.feeds.StreamEvents(iter(batches), timeout=2 * DEADLINE_S)
    return sum(len(answer.appended.positions) for answer in answers)


def is_folded(hub: RunningHub) -> bool:
    with psycopg.connect(hub.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM views.card_standing").fetchone()
    return row == (CARDS,)


def test_a_load_of_one_side_makes_no_answer_of_the_other_late(hub: RunningHub) -> None:
    chongqing, sichuan = Province(hub, CHONGQING), Province(hub, SICHUAN)
    recorded: list[int] = []
    loading = threading.Thread(target=lambda: recorded.append(load(chongqing)))
    loading.start()
    asked = 0
    while loading.is_alive() or not is_folded(hub):
        # Neither the question nor the small batch may be refused: each would raise, as a batch does that is held back for long.
        sichuan.cards.CheckAcceptance(question(f"load-{asked}", "A00000001"), timeout=DEADLINE_S)
        sichuan.append("sc.usage", asked + 1, journey("A00000001"))
        asked += 1
        time.sleep(0.1)
    loading.join()
    assert recorded == [CARDS]
    assert asked > 5
