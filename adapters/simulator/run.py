"""Drives two running adapters with the traffic and waits until the hub has everything.

Messages of one lane keep their order, lanes run side by side. The number of messages under way is bounded, so the
adapters set the pace unless a rate is asked for. An adapter that is restarted meanwhile is waited for.
"""

import asyncio
import contextlib
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from adapters.chongqing.command import load_secret
from adapters.kit import AdapterError
from adapters.simulator.day import SPAN
from adapters.simulator.events import DEFAULT_AGE, local_start
from adapters.simulator.inbox import Inbox, free_file_numbers
from adapters.simulator.messages import CODES, ChongqingCall, ChongqingFile, Earlier, Message, SichuanMessage
from adapters.simulator.province import (
    PATIENCE_S,
    AdapterUnreachable,
    Connection,
    card_service,
    encoded,
    gateway,
    load_province_keys,
    opened,
    read_reply,
    sealed,
)
from adapters.simulator.tally import Tally, kind_of
from adapters.simulator.traffic import Traffic

SICHUAN_LANES, CHONGQING_LANES, WAITING_A_LANE = 6, 4, 4
RANGES_KEPT: Final = 1_000
LOOK_AGAIN_S: Final = 0.2
# Long enough for a hub that is restarted; after that the tally says that not everything has arrived.
SETTLE_S, SETTLE_AFTER_STOP_S = 120.0, 15.0
PROGRESS_S: Final = 0.5
# Codes that say how the card stands: the fact is recorded whatever they are. Other codes may say so in words.
SICHUAN_TAKEN: Final = ("0000", "2001", "2002", "2003")
CHONGQING_TAKEN: Final = ("00", "01", "11", "21")
RECORDED: Final = "已登记"
CHANGES: Final = frozenset(("gzxh", "czxh"))


class StartTooLate(AdapterError):
    """The traffic fills a whole day and may not lie in the future: begin a day or more ago."""


@dataclass(frozen=True)
class SimulationSettings:
    """Where the adapters are and what to send them; `events` 0 means without end, `rate` 0 as fast as it is taken."""

    inbox: Path
    sichuan_keys: Path
    chongqing_secret: Path
    sichuan_url: str = "http://127.0.0.1:8051"
    chongqing_url: str = "http://127.0.0.1:8050"
    seed: int = 1
    events: int = 20_000
    rate: float = 0.0
    start: datetime | None = None


async def simulate(
    settings: SimulationSettings, stop: asyncio.Event, progress: Callable[[Tally], None] = lambda _: None
) -> Tally:
    """Sends the traffic until its end or *stop*, waits for the hub, and returns the tally; *progress* is called often.

    Raises AdapterError when a key is missing or an adapter stays away.
    """
    start = local_start(settings.start)
    if start > local_start(None) + DEFAULT_AGE - SPAN:
        raise StartTooLate(start.isoformat())
    traffic = Traffic(settings.seed, start, settings.events, settings.rate, free_file_numbers(settings.inbox))
    tally = Tally(settings.seed, start.isoformat())
    with ThreadPoolExecutor(SICHUAN_LANES + CHONGQING_LANES + 2) as threads:
        run = _Run(settings, tally, threads, stop)
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(run.watch(progress))
                await run.send(traffic, group)
                await run.settle()
                watch.cancel()
        except* AdapterError as errors:
            raise errors.exceptions[0] from None
        finally:
            run.close()
    progress(tally)
    return tally


class _Run:
    """One run under way."""

    def __init__(
        self, settings: SimulationSettings, tally: Tally, threads: ThreadPoolExecutor, stop: asyncio.Event
    ) -> None:
        self._tally, self._threads, self._stop, self._rate = tally, threads, stop, settings.rate
        self._keys, self._secret = load_province_keys(settings.sichuan_keys), load_secret(settings.chongqing_secret)
        self._inbox, self._stopped = Inbox(settings.inbox), threading.Event()
        self._sichuan = [gateway(settings.sichuan_url, self._stopped) for _ in range(SICHUAN_LANES + 1)]
        self._chongqing = [card_service(settings.chongqing_url, self._stopped) for _ in range(CHONGQING_LANES + 1)]
        # First sequence of each batch, for lines that change one of an earlier batch.
        self._first_of: OrderedDict[str, asyncio.Future[int]] = OrderedDict()
        self._queues = [asyncio.Queue[Message](WAITING_A_LANE) for _ in range(SICHUAN_LANES + CHONGQING_LANES)]
        self._files = asyncio.Queue[ChongqingFile](WAITING_A_LANE)
        self._began = time.monotonic()
        self._before: list[dict[str, Any]] = []

    async def send(self, traffic: Traffic, group: asyncio.TaskGroup) -> None:
        """Sends everything and returns when all of it is answered."""
        self._before = await self._first_statuses()
        self._began = time.monotonic()
        workers = [group.create_task(self._lane(number)) for number in range(len(self._queues))]
        workers.append(group.create_task(self._file_lane()))
        for message in traffic.registrations():
            await self._offer(message)
        await self._drain()
        portions = traffic.portions()
        while not self._stop.is_set() and (portion := next(portions, None)) is not None:
            for message in portion:
                await self._offer(message)
        await self._drain()
        for worker in workers:
            worker.cancel()

    async def _offer(self, message: Message) -> None:
        """Gives *message* to its lane when it is due and the lane has room."""
        if self._rate:
            due = self._began + self._tally.planned_events / self._rate
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    await self._stop.wait()
        if self._stop.is_set():
            return
        self._tally.offer(message)
        if isinstance(message, ChongqingFile):
            await self._files.put(message)
            return
        if isinstance(message, SichuanMessage):
            lane = zlib.crc32(message.lane.encode()) % SICHUAN_LANES
            if message.trans_code == "SBK2105":
                self._first_of[message.msg_id] = asyncio.get_running_loop().create_future()
                if len(self._first_of) > RANGES_KEPT:
                    self._first_of.popitem(last=False)
        else:
            lane = SICHUAN_LANES + zlib.crc32(message.lane.encode()) % CHONGQING_LANES
        await self._queues[lane].put(message)

    async def _drain(self) -> None:
        for queue in self._queues:
            await queue.join()
        await self._files.join()

    async def _lane(self, number: int) -> None:
        queue = self._queues[number]
        while True:
            message = await queue.get()
            if isinstance(message, SichuanMessage):
                await self._tell_sichuan(message, self._sichuan[number])
            elif isinstance(message, ChongqingCall):
                await self._tell_chongqing(message, self._chongqing[number - SICHUAN_LANES])
            queue.task_done()

    async def _tell_sichuan(self, message: SichuanMessage, connection: Connection) -> None:
        value = await self._resolved(message.value)

        def exchange() -> tuple[str, str, Any]:
            return opened(connection.post(sealed(message, value, self._keys)), self._keys)

        code, text, data = await self._in_thread(exchange)
        if message.msg_id in self._first_of and not message.fault:
            self._first_of[message.msg_id].set_result(int(data["xhq"]) if data else 0)
        self._judge(message, f"sichuan {code}", text, taken=code in SICHUAN_TAKEN)

    async def _resolved(self, value: Any) -> Any:
        """Returns *value* with references to earlier lines made numbers.

        A number that no reply gave, because the hub was away then, is left out: the line speaks for itself.
        """
        if isinstance(value, list):
            return [await self._resolved_line(line) for line in value]
        return await self._resolved_line(value)

    async def _resolved_line(self, line: dict[str, Any]) -> dict[str, Any]:
        for name in CHANGES & line.keys():
            earlier = line[name]
            assert isinstance(earlier, Earlier), "the traffic knows no numbers"
            known = self._first_of.get(earlier.msg_id)
            first = await known if known else 0
            line = line | {name: str(first + earlier.line - 1) if first else ""}
        return line

    async def _tell_chongqing(self, call: ChongqingCall, connection: Connection) -> None:
        reply = await self._in_thread(lambda: read_reply(connection.post(encoded(call, self._secret))))
        self._judge(call, f"chongqing {reply.code}", reply.text, taken=reply.code in CHONGQING_TAKEN)

    def _judge(self, message: Message, answer: str, text: str, *, taken: bool) -> None:
        """Counts the *answer* and notes one that was not planned."""
        self._tally.replies[answer] += 1
        taken = taken or text.startswith(RECORDED)
        if not taken:
            self._tally.refused[answer] += 1
        planned = CODES.get(message.fault) if message.fault else None
        if taken == bool(planned) or (planned and planned != answer.partition(" ")[2]):
            self._tally.surprise(f"{kind_of(message)} {message.fault or ''}: {answer} {text}")

    async def _file_lane(self) -> None:
        """Drops files in order, but lets one whose name is taken wait while others go on."""
        waiting: list[ChongqingFile] = []
        while True:
            if waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        waiting.append(await self._files.get())
            else:
                waiting.append(await self._files.get())
            for file in list(waiting):
                if await self._in_thread(partial(self._inbox.takes, file)):
                    await self._in_thread(partial(self._inbox.drop, file))
                    waiting.remove(file)
                    self._files.task_done()

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _statuses(self) -> list[dict[str, Any]]:
        return [await self._in_thread(connections[-1].status) for connections in (self._sichuan, self._chongqing)]

    async def _first_statuses(self) -> list[dict[str, Any]]:
        """Returns the adapters' /status, waiting for adapters that are still starting."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self._statuses()
            except AdapterUnreachable:
                if self._stop.is_set() or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(LOOK_AGAIN_S)

    async def settle(self) -> None:
        """Waits until the hub has acknowledged everything, then counts what the outboxes took."""
        patience_s = SETTLE_AFTER_STOP_S if self._stop.is_set() else SETTLE_S
        deadline = time.monotonic() + patience_s
        while True:
            with contextlib.suppress(AdapterUnreachable):
                self._count(await self._statuses())
            if self._tally.settled or time.monotonic() > deadline:
                break
            await asyncio.sleep(LOOK_AGAIN_S)

    def _count(self, now: list[dict[str, Any]]) -> None:
        """Puts into the tally what the adapters' /status says has happened since the beginning."""
        tally, pending, waiting = self._tally, 0, 0
        tally.quarantined = tally.files_refused = tally.lines_refused = 0
        for before, after in zip(self._before, now, strict=True):
            for feed, state in after["feeds"].items():
                tally.events[feed] = state["next_sequence"] - before["feeds"][feed]["next_sequence"]
                tally.quarantined += state["quarantined"] - before["feeds"][feed]["quarantined"]
                pending += state["pending"]
            if files := after.get("files"):
                waiting += files["waiting"]
                tally.files_refused += files["rejected"] - before["files"]["rejected"]
                tally.lines_refused += files["refused_lines"] - before["files"]["refused_lines"]
        tally.settled = not pending and not waiting
        tally.seconds = time.monotonic() - self._began

    async def watch(self, progress: Callable[[Tally], None]) -> None:
        """Calls *progress* with what the adapters say now, until cancelled."""
        while True:
            await asyncio.sleep(PROGRESS_S)
            if self._before:
                with contextlib.suppress(AdapterUnreachable):
                    self._count(await self._statuses())
                progress(self._tally)

    def close(self) -> None:
        """Lets threads that wait for an adapter go, and closes every connection."""
        self._stopped.set()
        for connection in (*self._sichuan, *self._chongqing):
            connection.close()
