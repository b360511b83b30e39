"""Drives two running adapters with the traffic and waits until the hub has everything."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.chongqing.command import SecretUnusable, load_secret
from adapters.kit import AdapterError
from adapters.simulator.answers import AnswersFile
from adapters.simulator.clock import SPAN
from adapters.simulator.events import DEFAULT_AGE, local_start
from adapters.simulator.inbox import Inbox, free_file_numbers
from adapters.simulator.messages import ChongqingFile, Message
from adapters.simulator.progress import SETTLE_AFTER_STOP_S, Arrival
from adapters.simulator.province import card_service, gateway, load_province_keys
from adapters.simulator.tally import Tally
from adapters.simulator.traffic import Traffic
from adapters.simulator.workers import CHONGQING_LANES, SICHUAN_LANES, Workers

Progress = Callable[[Tally], None]


class StartTooLate(AdapterError):
    """The traffic fills a whole day and may not lie in the future: begin a day or more ago."""


@dataclass(frozen=True)
class SimulationSettings:
    """Where the adapters are and what to send them; `events` 0 means without end, `rate` 0 as fast as it is taken.

    `start` is an aware instant, None for 25 hours ago. What the provinces were answered is written to a file of its own.
    """

    inbox: Path
    sichuan_keys: Path
    chongqing_secret: Path
    sichuan_url: str = "http://127.0.0.1:8051"
    chongqing_url: str = "http://127.0.0.1:8050"
    seed: int = 1
    events: int = 20_000
    rate: float = 0.0
    start: datetime | None = None
    told: Path | None = None


async def simulate(settings: SimulationSettings, stop: asyncio.Event, progress: Progress = lambda _: None) -> Tally:
    """Sends the traffic until its end or *stop*, waits for the hub, and returns the tally; *progress* is called often.

    Adapters that are still starting, or are restarted meanwhile, are waited for. Raises AdapterError when a key is
    missing, the start is too late, or an adapter stays away for a minute.
    """
    start = local_start(settings.start)
    if start > local_start(None) + DEFAULT_AGE - SPAN:
        raise StartTooLate(start.isoformat())
    if not settings.chongqing_secret.exists():
        raise SecretUnusable(str(settings.chongqing_secret))
    stopped, inbox = threading.Event(), Inbox(settings.inbox)
    traffic = Traffic(settings.seed, start, settings.events, settings.rate, free_file_numbers(settings.inbox))
    tally = Tally(settings.seed, start.isoformat())
    sichuan = [gateway(settings.sichuan_url, stopped) for _ in range(SICHUAN_LANES + 1)]
    chongqing = [card_service(settings.chongqing_url, stopped) for _ in range(CHONGQING_LANES + 1)]
    keys, secret = load_province_keys(settings.sichuan_keys), load_secret(settings.chongqing_secret)
    told = AnswersFile(settings.told)
    with ThreadPoolExecutor(SICHUAN_LANES + CHONGQING_LANES + 3) as threads:
        arrival = Arrival((sichuan.pop(), chongqing.pop()), threads, tally, stop)
        lanes = Workers(sichuan, chongqing, inbox, threads, keys, secret, tally, told)
        try:
            await arrival.begin()
            async with asyncio.TaskGroup() as group:
                tasks: list[asyncio.Task[Any]] = [group.create_task(work) for work in (*lanes.work(), arrival.watch(progress, stopped))]
                sending = group.create_task(_send(traffic, lanes, tally, settings.rate, stop))
                tasks += [sending, group.create_task(stop.wait())]
                await asyncio.wait({sending, tasks[-1]}, return_when=asyncio.FIRST_COMPLETED)
                # What was offered is still sent after a stop, unless an adapter is away.
                await asyncio.wait({sending}, timeout=SETTLE_AFTER_STOP_S)
                await arrival.settle()
                for task in tasks:
                    task.cancel()
        except ExceptionGroup as group_of_errors:
            raise _first(group_of_errors) from None
        finally:
            # Threads that wait for an adapter end at once.
            stopped.set()
            for connection in (*sichuan, *chongqing, *arrival.connections):
                connection.close()
            told.close()
    progress(tally)
    return tally


def _first(group: ExceptionGroup) -> Exception:
    """Returns what an operator can mend, else the first error of all."""
    mendable, others = group.split(AdapterError)
    return (mendable or others or group).exceptions[0]


async def _send(traffic: Traffic, lanes: Workers, tally: Tally, rate: float, stop: asyncio.Event) -> None:
    """Offers everything and returns when all of it is answered."""
    pace = _Pace(rate, stop)
    for message in traffic.registrations():
        await _offer(message, tally.planned_events, pace, lanes, tally)
    await lanes.drain()
    portions = traffic.portions()
    while not stop.is_set() and (portion := next(portions, None)) is not None:
        await _offer_portion(portion, pace, lanes, tally)
    await lanes.drain()


async def _offer_portion(portion: Sequence[Message], pace: "_Pace", lanes: Workers, tally: Tally) -> None:
    """Offers calls and messages evenly over the time of the portion: a file in one go must not leave a pause."""
    begins, events = tally.planned_events, sum(message.events for message in portion)
    steady = sum(message.events for message in portion if not isinstance(message, ChongqingFile))
    offered = 0
    for message in portion:
        await _offer(message, begins + events * offered // max(1, steady), pace, lanes, tally)
        if not isinstance(message, ChongqingFile):
            offered += message.events


async def _offer(message: Message, events_before: int, pace: "_Pace", lanes: Workers, tally: Tally) -> None:
    await pace.wait(events_before)
    if not pace.stop.is_set():
        tally.offer(message)
        await lanes.put(message)


class _Pace:
    """Holds back what is not due yet; a rate of 0 holds nothing back."""

    def __init__(self, rate: float, stop: asyncio.Event) -> None:
        self._rate, self.stop, self._began = rate, stop, time.monotonic()

    async def wait(self, events_before: int) -> None:
        """Returns when *events_before* events are due since the beginning, or at *stop*."""
        if not self._rate:
            return
        delay_s = self._began + events_before / self._rate - time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, delay_s)):
                await self.stop.wait()
