"""Fair shares: work is done by turns of participants, and no few of them take the room of all."""

import asyncio
import threading
import time
from itertools import pairwise

import pytest

from hub.api.edge.seats import FIRST_SEATS, has_room
from hub.api.edge.turns import Turns
from hub.api.subscriptions.service import SUBSCRIPTIONS


def done_in_order(jobs: list[tuple[str, int]], give_up: int = -1) -> list[tuple[str, int]]:
    """In which order one thread does jobs (whose, number) that wait together; the one numbered *give_up* is given up while it waits."""
    order: list[tuple[str, int]] = []
    begun = threading.Event()

    async def play() -> None:
        turns = Turns("test")
        first = asyncio.create_task(turns.run("first", begun.wait))
        await asyncio.sleep(0)
        tasks = [asyncio.create_task(turns.run(whose, order.append, (whose, number))) for whose, number in jobs]
        await asyncio.sleep(0)
        if give_up >= 0:
            tasks[give_up].cancel()
            await asyncio.sleep(0)
        begun.set()
        await asyncio.gather(first, *tasks, return_exceptions=True)
        turns.close()

    asyncio.run(play())
    return order


def test_who_asks_for_much_waits_for_its_own_and_the_others_take_turns() -> None:
    jobs = [("much", 1), ("much", 2), ("much", 3), ("little", 1), ("other", 1), ("other", 2)]
    assert done_in_order(jobs) == [("much", 1), ("little", 1), ("other", 1), ("much", 2), ("other", 2), ("much", 3)]


def test_work_that_is_given_up_while_it_waits_is_never_begun() -> None:
    assert done_in_order([("a", 1), ("a", 2), ("a", 3)], give_up=1) == [("a", 1), ("a", 3)]


def test_a_fault_of_the_work_reaches_who_waits_and_the_thread_goes_on() -> None:
    async def play() -> int:
        turns = Turns("test")
        with pytest.raises(ZeroDivisionError):
            await turns.run("a", divmod, 1, 0)
        result: int = await turns.run("a", max, 1, 2)
        turns.close()
        return result

    assert asyncio.run(play()) == 2


def test_a_thread_that_rests_begins_nothing_meanwhile() -> None:
    spans: list[tuple[float, float]] = []

    def work() -> None:
        began = time.monotonic()
        threading.Event().wait(0.02)
        spans.append((began, time.monotonic()))

    async def play() -> None:
        turns = Turns("test", rest=2.0)
        await asyncio.gather(*(turns.run("a", work) for _ in range(3)))
        turns.close()

    asyncio.run(play())
    assert all(second[0] - first[1] >= 2 * (first[1] - first[0]) for first, second in pairwise(spans))


def subscriptions_of(wanted: list[int]) -> list[int]:
    """How many subscriptions participants get that come one after the other and want so many."""
    taken: list[int] = []
    for wish in wanted:
        own = 0
        while own < wish and has_room(own, SUBSCRIPTIONS - sum(taken) - own):
            own += 1
        taken.append(own)
    return taken


def test_four_participants_that_open_all_they_may_leave_room_for_fifty_others() -> None:
    assert subscriptions_of([64] * 4 + [FIRST_SEATS] * 50) == [51, 41, 33, 26] + [FIRST_SEATS] * 50
