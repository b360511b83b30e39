"""Sends messages side by side: those of one lane keep their order, each lane has a connection of its own.

What waits in a lane is bounded, so the adapters set the pace. Answers are compared with the plan as they come.
"""

import asyncio
import contextlib
import zlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from adapters.sichuan.keys import Keys
from adapters.simulator.answers import AnswersFile
from adapters.simulator.inbox import Inbox
from adapters.simulator.messages import CODES, ChongqingCall, ChongqingFile, Earlier, Message, SichuanMessage
from adapters.simulator.province import Connection, encoded, opened, read_reply, sealed
from adapters.simulator.tally import Tally, kind_of

SICHUAN_LANES, CHONGQING_LANES, WAITING_A_LANE = 6, 4, 4
BATCHES_KEPT: Final = 1_000
LOOK_AGAIN_S: Final = 0.2
# Codes that say the card's standing: the fact is recorded whatever they are. Other codes may say so in words.
SICHUAN_TAKEN: Final = ("0000", "2001", "2002", "2003")
CHONGQING_TAKEN: Final = ("00", "01", "11", "21")
RECORDED: Final = "已登记"
NUMBER_REPEATED: Final = "1003"
CHANGES: Final = frozenset(("gzxh", "czxh"))


class Workers:
    """All lanes of a run; `work` are their tasks."""

    def __init__(
        self,
        sichuan: Sequence[Connection],
        chongqing: Sequence[Connection],
        inbox: Inbox,
        threads: ThreadPoolExecutor,
        keys: Keys,
        secret: bytes,
        tally: Tally,
        told: AnswersFile,
    ) -> None:
        """Takes a connection for each lane and a thread for each connection."""
        self._told = told
        self._inbox, self._threads, self._keys, self._secret, self._tally = inbox, threads, keys, secret, tally
        self._sichuan = [(connection, asyncio.Queue[SichuanMessage](WAITING_A_LANE)) for connection in sichuan]
        self._chongqing = [(connection, asyncio.Queue[ChongqingCall](WAITING_A_LANE)) for connection in chongqing]
        self._files = asyncio.Queue[ChongqingFile](WAITING_A_LANE)
        # First sequence of each batch, for lines that change one of an earlier batch; 0 if no reply gave it.
        self._first_of: OrderedDict[str, asyncio.Future[int]] = OrderedDict()

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """Returns what has to run while messages are put."""
        sichuan = [self._tell_sichuan(connection, queue) for connection, queue in self._sichuan]
        chongqing = [self._tell_chongqing(connection, queue) for connection, queue in self._chongqing]
        return [*sichuan, *chongqing, self._drop_files()]

    async def put(self, message: Message) -> None:
        """Gives *message* to its lane as soon as there is room."""
        if isinstance(message, ChongqingFile):
            await self._files.put(message)
        elif isinstance(message, ChongqingCall):
            await _of(self._chongqing, message.lane).put(message)
        else:
            if message.trans_code == "SBK2105":
                self._first_of[message.msg_id] = asyncio.get_running_loop().create_future()
                if len(self._first_of) > BATCHES_KEPT:
                    self._first_of.popitem(last=False)
            await _of(self._sichuan, message.lane).put(message)

    async def drain(self) -> None:
        """Returns when everything that was put is answered or dropped."""
        for _, queue in self._sichuan:
            await queue.join()
        for _, calls in self._chongqing:
            await calls.join()
        await self._files.join()

    async def _tell_sichuan(self, connection: Connection, queue: asyncio.Queue[SichuanMessage]) -> None:
        while True:
            message = await queue.get()
            value = await self._resolved(message.value)
            code, text, data = await self._in_thread(partial(self._exchange, connection, message, value))
            if message.msg_id in self._first_of and not message.fault:
                self._first_of[message.msg_id].set_result(int(data["xhq"]) if data else 0)
            # A reply that was lost, to an adapter stopped for instance: the message had been taken and is known now.
            # One whose planted fault is answered so is refused each time it is sent.
            is_planted = message.fault is not None and CODES.get(message.fault) == NUMBER_REPEATED
            is_known = code == NUMBER_REPEATED and connection.was_retried and not is_planted
            self._judge(message, f"sichuan {code}", text, taken=code in SICHUAN_TAKEN or is_known)
            queue.task_done()

    def _exchange(self, connection: Connection, message: SichuanMessage, value: Any) -> tuple[str, str, Any]:
        return opened(connection.post(sealed(message, value, self._keys)), self._keys)

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

    async def _tell_chongqing(self, connection: Connection, queue: asyncio.Queue[ChongqingCall]) -> None:
        while True:
            call = await queue.get()
            reply = read_reply(await self._in_thread(partial(connection.post, encoded(call, self._secret))))
            self._judge(call, f"chongqing {reply.code}", reply.text, taken=reply.code in CHONGQING_TAKEN)
            queue.task_done()

    def _judge(self, message: Message, answer: str, text: str, *, taken: bool) -> None:
        """Counts the *answer* and notes one that was not planned."""
        self._tally.replies[answer] += 1
        taken = taken or text.startswith(RECORDED)
        if not taken:
            self._tally.refused[answer] += 1
        self._told.note(message, answer, taken=taken)
        planned = CODES.get(message.fault) if message.fault else None
        if taken == bool(planned) or (planned and planned != answer.partition(" ")[2]):
            self._tally.surprise(f"{kind_of(message)} {message.fault or ''}: {answer} {text}")

    async def _drop_files(self) -> None:
        """Drops files in order, but lets one whose name is taken wait while others go on."""
        waiting: list[ChongqingFile] = []
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S if waiting else None):
                    waiting.append(await self._files.get())
            for file in list(waiting):
                if await self._in_thread(partial(self._inbox.takes, file)):
                    await self._in_thread(partial(self._inbox.drop, file))
                    self._told.note(file)
                    waiting.remove(file)
                    self._files.task_done()

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _of(lanes: Sequence[tuple[Connection, Any]], name: str) -> Any:
    """Returns the queue of the lane called *name*, the same in every run."""
    return lanes[zlib.crc32(name.encode()) % len(lanes)][1]
