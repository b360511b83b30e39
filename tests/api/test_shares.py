"""Shares: how many calls of a participant are worked on at once, in which order the others go on, and what counts as work."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

import pytest
from chuanyu.exchange.v1 import hub_decisions_pb2

from hub.api.edge.quota import Quotas
from hub.api.edge.shares import BACKLOG_PER_S, IS_WORK_FOR_S, LATE_S, WORKED_ON, WORKED_ON_ALONE, Backlog, Company, Share, Shares
from hub.domain.participant import PREFIX, Participant
from hub.domain.quota import Quota


class Calls:
    """Calls of participants at one edge, each worked on until it is to end."""

    def __init__(self) -> None:
        self.company = Company()
        self.shares: dict[str, Shares] = {}
        self.worked_on: list[tuple[str, int]] = []
        self.ends: dict[tuple[str, int], asyncio.Event] = {}
        self.tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._numbers = itertools.count(1)

    async def begin(self, whose: str, count: int, method: str = "Check") -> None:
        """Begins so many calls, and waits until each is worked on or waits."""
        share = self.shares.setdefault(whose, Shares(whose, self.company))[method]
        for _ in range(count):
            call = whose, next(self._numbers)
            self.ends[call] = asyncio.Event()
            self.tasks[call] = asyncio.create_task(self._call(share, call))
        await settled()

    async def _call(self, share: Share, call: tuple[str, int]) -> None:
        async with share.turn():
            self.worked_on.append(call)
            await self.ends[call].wait()

    async def end(self, call: tuple[str, int]) -> None:
        """Ends a call that is worked on."""
        self.ends[call].set()
        await settled()

    async def end_all(self) -> None:
        """Ends all."""
        for event in self.ends.values():
            event.set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    def of(self, whose: str) -> int:
        """How many calls of a participant have been let on so far."""
        return sum(name == whose for name, _ in self.worked_on)


async def settled() -> None:
    """Returns once whatever can go on at once has gone on."""
    for _ in range(5):
        await asyncio.sleep(0)


def played(play: Callable[[Calls], Awaitable[None]]) -> None:
    async def run() -> None:
        calls = Calls()
        await play(calls)
        await calls.end_all()

    asyncio.run(run())


@pytest.fixture
def long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a slow machine takes for a test counts as work."""
    monkeypatch.setattr("hub.api.edge.shares.IS_WORK_FOR_S", 600.0)
    monkeypatch.setattr("hub.api.edge.shares.LOOK_EVERY_S", 600.0)


@pytest.mark.usefixtures("long_work")
def test_of_one_with_many_calls_only_a_few_are_worked_on_and_another_is_not_kept_waiting() -> None:
    async def play(calls: Calls) -> None:
        await calls.begin("little", 1)
        await calls.begin("much", 250)
        assert (calls.of("much"), calls.of("little")) == (WORKED_ON, 1)
        await calls.begin("little", 1)
        assert (calls.of("much"), calls.of("little")) == (WORKED_ON, 2)

    played(play)


@pytest.mark.usefixtures("long_work")
def test_what_waits_goes_on_in_the_order_in_which_it_came_one_for_each_that_ends() -> None:
    async def play(calls: Calls) -> None:
        await calls.begin("little", 1)
        await calls.begin("much", WORKED_ON + 3)
        first, *_ = (call for call in calls.worked_on if call[0] == "much")
        await calls.end(first)
        assert [number for name, number in calls.worked_on if name == "much"] == list(range(2, WORKED_ON + 3))

    played(play)


@pytest.mark.usefixtures("long_work")
@pytest.mark.parametrize(("late_s", "expected"), [(LATE_S, WORKED_ON // 2), (2 * LATE_S, WORKED_ON // 4), (1.0, 1)])
def test_the_later_the_loop_is_the_fewer_calls_of_one_are_worked_on(late_s: float, expected: int) -> None:
    async def play(calls: Calls) -> None:
        await calls.begin("little", 1)
        calls.company.late(late_s)
        await calls.begin("much", 250)
        assert calls.of("much") == expected
        await calls.begin("little", 1)
        assert calls.of("little") == (2 if expected > 1 else 1)

    played(play)


def test_that_the_loop_was_late_is_noticed_while_others_call_and_forgotten_soon() -> None:
    async def run() -> None:
        company = Company()
        for name in ("little", "much"):
            company.came(name, time.monotonic())
        time.sleep(0.1)
        await asyncio.sleep(0.001)
        assert company.share_of(WORKED_ON) == 1
        async with asyncio.timeout(30):
            while company.share_of(WORKED_ON) < WORKED_ON:
                await asyncio.sleep(0.02)

    asyncio.run(run())


def test_who_reads_what_was_begins_one_page_after_the_other_while_others_call_and_waits_longer_when_the_loop_is_late() -> None:
    async def run() -> None:
        company = Company()
        backlog, alone = Backlog("much", company), [0.0, 0.0]
        assert [backlog.wait_s(BACKLOG_PER_S) for _ in alone] == alone
        company.came("little", time.monotonic())
        assert backlog.wait_s(BACKLOG_PER_S) == 0
        assert 0.5 < backlog.wait_s(BACKLOG_PER_S) <= 1
        assert Backlog("third", company).wait_s(1) == 0
        company.late(2 * LATE_S)
        other = Backlog("other", company)
        assert other.wait_s(BACKLOG_PER_S) == 0
        assert 2 < other.wait_s(BACKLOG_PER_S) <= 4

    asyncio.run(run())


@pytest.mark.usefixtures("long_work")
def test_who_is_alone_has_the_best_group_worked_on() -> None:
    async def play(calls: Calls) -> None:
        calls.company.came("much", -1_000.0)
        await calls.begin("much", 250)
        assert calls.of("much") == WORKED_ON_ALONE

    played(play)


@pytest.mark.usefixtures("long_work")
def test_a_call_that_is_given_up_while_it_waits_takes_nobodys_turn() -> None:
    async def play(calls: Calls) -> None:
        await calls.begin("little", 1)
        await calls.begin("much", WORKED_ON + 2)
        calls.tasks["much", WORKED_ON + 2].cancel()
        await settled()
        await calls.end(("much", 2))
        assert calls.worked_on[-1] == ("much", WORKED_ON + 3)
        assert calls.of("much") == WORKED_ON + 1

    played(play)


@pytest.mark.usefixtures("long_work")
def test_what_waits_for_one_method_keeps_no_call_of_another_waiting() -> None:
    async def play(calls: Calls) -> None:
        await calls.begin("little", 1)
        await calls.begin("much", 250, "Explain")
        await calls.begin("much", 1, "Check")
        assert calls.of("much") == WORKED_ON + 1

    played(play)


def test_a_call_that_waits_for_something_else_keeps_the_next_waiting_for_a_moment_only() -> None:
    async def play(calls: Calls) -> None:
        await calls.begin("little", 1)
        await calls.begin("much", WORKED_ON)
        began = asyncio.get_running_loop().time()
        await calls.begin("much", 1)
        async with asyncio.timeout(30):
            while calls.of("much") <= WORKED_ON:
                await asyncio.sleep(0.005)
        assert asyncio.get_running_loop().time() - began > IS_WORK_FOR_S / 2

    played(play)


@pytest.mark.usefixtures("long_work")
def test_the_participants_of_an_edge_share_it() -> None:
    quotas = Quotas(Quota(1, 1, 1, 1))

    def shares(name: str) -> Shares:
        return quotas.of(Participant(hub_decisions_pb2.ParticipantRegistered(participant=f"{PREFIX}{name}"))).shares

    async def play(calls: Calls) -> None:
        calls.shares = {name: shares(f"sc.{name}") for name in ("little", "much")}
        await calls.begin("little", 1)
        await calls.begin("much", 250)
        assert calls.of("much") == WORKED_ON
        assert shares("sc.much") is calls.shares["much"]

    played(play)
