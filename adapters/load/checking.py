"""What is looked at before the first card is sent: every row as far as a file can say, and what the hub would refuse.

A number that is taken is taken for good, so nothing is sent while a row is wrong. The hub is asked by `ValidateEvents`, which takes no
number; of a large file it is asked about rows all over it, or about all of them.
"""

import asyncio
import csv
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import grpc
from chuanyu.exchange.v1.card_lifecycle_pb2 import SocialStatus
from chuanyu.exchange.v1.event_pb2 import Event
from chuanyu.exchange.v1.feed_service_pb2 import ValidateEventsRequest

from adapters.kit.connection import HubConnection
from adapters.kit.refusal import from_call
from adapters.load.card_table import CardTable
from adapters.load.columns import Fault
from adapters.load.loading import LoadRefused

SHOWN = 20
# Small and with a pause after each, so many times as long as it took: others ask the same edge.
ASKED_EVENTS, SAMPLED_BATCHES, PAUSE = 20, 500, 2
VALIDATE_TIMEOUT_S = 30.0
TELL_EVERY_ROWS = 50_000


class Wrong(NamedTuple):
    """A row that would be refused: its line, the number it would have, and why."""

    line: int
    sequence: int
    column: str
    words: str


@dataclass
class Checked:
    """What a file has: its cards by province and status, and how many rows are wrong; *wrong* has the first."""

    cards: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[Wrong] = field(default_factory=list)
    wrong_rows: int = 0
    asked: int = 0

    @property
    def provinces(self) -> list[str]:
        """Returns the provinces whose cards these are."""
        return sorted({province for province, _ in self.cards})


class Report:
    """A CSV file of what was refused and why, if one is wanted; it never has what was in a cell."""

    def __init__(self, path: Path | None) -> None:
        """Opens the file."""
        self._open = ExitStack()
        self._rows = csv.writer(self._open.enter_context(path.open("w", newline="", encoding="utf-8"))) if path else None
        if self._rows is not None:
            self._rows.writerow(Wrong._fields)

    def add(self, wrong: Wrong) -> None:
        """Writes a row."""
        if self._rows is not None:
            self._rows.writerow(wrong)

    def close(self) -> None:
        """Closes the file."""
        self._open.close()


class _Keeping:
    def __init__(self, table: CardTable, checked: Checked, report: Report) -> None:
        self._table, self._checked, self._report = table, checked, report

    def add(self, line: int, faults: list[Fault]) -> None:
        sequence = self._table.first_sequence + line - 1 - self._table.above
        self._checked.wrong_rows += 1
        for fault in faults:
            wrong = Wrong(line, sequence, fault.column, fault.words)
            self._report.add(wrong)
            if len(self._checked.wrong) < SHOWN:
                self._checked.wrong.append(wrong)


def check_rows(table: CardTable, report: Report, progress: Callable[[str], None]) -> Checked:
    """Reads every row once: cells, and cards that are there twice."""
    checked = Checked()
    keeping, hashes = _Keeping(table, checked, report), array("q")
    for line, card_no, event, faults in table.rows():
        # By the hashes alone twenty million cards fit; two cards of one hash are compared below. A row without a card is like no other.
        hashes.append(hash(card_no or line))
        if faults:
            keeping.add(line, faults)
        else:
            status = SocialStatus.Name(event.card_registered.status).removeprefix("SOCIAL_STATUS_")
            checked.cards[event.card.issuing_province, status] += 1
        if line % TELL_EVERY_ROWS == 0:
            progress(f"检查 checked {line:,} / {table.lines:,}")
    seen: dict[str, int] = {}
    for row in _alike(hashes):
        card_no, line = table.card_no(row), row + 1 + table.above
        if card_no and seen.setdefault(card_no, line) != line:
            words = f"与第 {seen[card_no]:,} 行同一卡号：只留一行。The same card as line {seen[card_no]:,}: keep one of them."
            keeping.add(line, [Fault("card_no", words)])
    return checked


def _alike(hashes: "array[int]") -> list[int]:
    """Returns the rows whose hash another row has, in order."""
    import pyarrow as arrow
    from pyarrow import compute

    values = arrow.Array.from_buffers(arrow.int64(), len(hashes), [None, arrow.py_buffer(hashes)])
    order = compute.array_sort_indices(values)
    ordered = values.take(order)
    same = compute.equal(ordered[1:], ordered[:-1])
    places = {place + step for place in compute.indices_nonzero(same).to_pylist() for step in (0, 1)}
    return sorted(order[place].as_py() for place in places)


async def ask_hub(
    connection: HubConnection,
    feed: str,
    table: CardTable,
    checked: Checked,
    report: Report,
    *,
    every: bool,
    progress: Callable[[str], None],
) -> None:
    """Asks the hub what it would quarantine: of every row, or of batches all over the file; raises LoadRefused."""
    keeping = _Keeping(table, checked, report)
    for first in _batches(table, every):
        rows = table.pending(feed, first, ASKED_EVENTS)
        request = ValidateEventsRequest(feed=feed, events=[Event.FromString(event) for _, event in rows])
        began_s = time.monotonic()
        try:
            answer = await connection.edge.feeds.ValidateEvents(request, timeout=VALIDATE_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise LoadRefused(f"{feed}: ValidateEvents {from_call(error)}") from error
        await asyncio.sleep(PAUSE * (time.monotonic() - began_s))
        checked.asked += len(rows)
        progress(f"枢纽核对 the hub looked at {checked.asked:,}")
        for fault in answer.faults:
            faults = [
                Fault(violation.field_path, f"{violation.text_zh} {violation.text_en} ({violation.rule_id})")
                for violation in fault.violations
            ]
            keeping.add(table.line_of(first + fault.index), faults)


def _batches(table: CardTable, every: bool) -> Iterator[int]:
    """Yields the numbers that the batches to ask about begin with."""
    count = -(-table.lines // ASKED_EVENTS)
    step = 1 if every or count <= SAMPLED_BATCHES else count / SAMPLED_BATCHES
    for batch in range(count if step == 1 else SAMPLED_BATCHES):
        yield table.first_sequence + int(batch * step) * ASKED_EVENTS
