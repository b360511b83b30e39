"""The load on ingest: prepared batches over mutual TLS, from a process of its own so that its cost is not the hub's."""

import contextlib
import itertools
import multiprocessing
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2
from chuanyu.exchange.v1.acceptance_pb2 import MEDIUM_CONTACTLESS
from chuanyu.exchange.v1.card_lifecycle_pb2 import CARD_GENERATION_THIRD, CARD_KIND_REGULAR, SOCIAL_STATUS_ACTIVE
from chuanyu.exchange.v1.references_pb2 import CARD_IDENTIFIER_KIND_CARD_NO
from chuanyu.exchange.v1.usage_transit_pb2 import TRANSIT_MODE_METRO

from hub.bench.setup import CARDS, PARTICIPANT
from hub.child import end_with_parent
from hub.trust.authority import participant_files

STREAM_METHOD = "/chuanyu.exchange.v1.FeedService/StreamEvents"
BATCH_EVENTS = 500
FUND_BATCH, ROW_FEN = "BENCH-1", 10_000
# 2025-09-01 09:30:15 in +08:00.
_START_S = 1_756_690_215


@dataclass(frozen=True, slots=True)
class Order:
    """What a load process sends: batches for each feed from a sequence on, paced at *events_per_s* in all (0: as fast as it goes).

    The feeds are dealt out to the targets in turn.
    """

    targets: tuple[str, ...]
    certificates_dir: Path
    feeds: tuple[str, ...]
    first_sequences: tuple[int, ...]
    batches: int
    events_per_s: int = 0
    batch_events: int = BATCH_EVENTS
    lifecycle: bool = False
    # So many rows of a fund batch, sent and paid, instead of uses.
    fund_rows: int = 0
    participant: str = PARTICIPANT


def card_no(number: int) -> str:
    """The number on one of the cards of the load."""
    return f"A{number:08d}"


def _name_card(event: event_pb2.Event, number: int) -> None:
    event.card.issuing_province, event.card.clear = "50", card_no(number)
    event.card.kind = CARD_IDENTIFIER_KIND_CARD_NO


def card_event(number: int) -> event_pb2.Event:
    """The registration of one of the cards of the load."""
    event = event_pb2.Event(issuer_region="500199")
    event.occurred_at.seconds = _START_S - 86_400
    event.source.system = "cqcard"
    _name_card(event, number % CARDS)
    registered = event.card_registered
    registered.status, registered.generation = SOCIAL_STATUS_ACTIVE, CARD_GENERATION_THIRD
    registered.card_kind, registered.transit_enabled = CARD_KIND_REGULAR, True
    return event


def usage_event(number: int) -> event_pb2.Event:
    """A transit journey as Chongqing's daily file carries it; cards repeat as they do in real traffic."""
    card = number * 7919 % CARDS
    event = event_pb2.Event(
        business_date="2025-09-01", service_region="510100", issuer_region="500199", scenario="TRA.MET", medium=MEDIUM_CONTACTLESS
    )
    event.occurred_at.seconds = _START_S + number % 86_400
    event.source.system, event.source.file_name, event.source.line_no = "cqtk", "CQTK_USE_20250901_0001.dat", number % 1_000_000 + 1
    _name_card(event, card)
    journey = event.transit_journey_completed
    journey.tap.mode = TRANSIT_MODE_METRO
    journey.tap.line, journey.tap.station, journey.tap.purse_counter = "01", "0611", number % 65_536
    journey.tap.psam, journey.tap.psam_sequence, journey.tap.tac = "653000012345", number % 1_000_000, "139F03A1"
    journey.line_in, journey.station_in, journey.fare_full_fen, journey.fare_paid_fen = "01", "0606", 400, 360
    return event


def fund_event(rows: int, number: int) -> event_pb2.Event:
    """An event about a batch of funds: it is sent, then each of its rows is, then the bank answers each of them, then it is closed."""
    event = event_pb2.Event(service_region="500103", scenario="FND.PAY")
    event.occurred_at.seconds = _START_S + (number > 1) + (number > 2 * rows + 1)
    event.source.system = "bench"
    if number == 1:
        event.fund_batch_sent.batch_no, event.fund_batch_sent.row_count = FUND_BATCH, rows
        event.fund_batch_sent.amount_total_fen = rows * ROW_FEN
        return event
    if number > 2 * rows + 1:
        event.fund_batch_closed.batch_no, event.fund_batch_closed.paid_total_fen = FUND_BATCH, rows * ROW_FEN
        return event
    row_no = (number - 2) % rows + 1
    if number < rows + 2:
        _name_card(event, row_no % CARDS)
        event.fund_row_sent.batch_no, event.fund_row_sent.row_no, event.fund_row_sent.attempt = FUND_BATCH, row_no, 1
        event.fund_row_sent.amount_fen = ROW_FEN
        return event
    paid = event.fund_row_paid
    paid.batch_no, paid.row_no, paid.amount_fen, paid.bank_serial = FUND_BATCH, row_no, ROW_FEN, f"B{row_no}"
    return event


def batch(feed: str, first_sequence: int, events: int = BATCH_EVENTS, make: Callable[[int], event_pb2.Event] = usage_event) -> bytes:
    """One request of a stream, serialised."""
    numbers = range(first_sequence, first_sequence + events)
    return feed_service_pb2.StreamEventsRequest(feed=feed, first_sequence=first_sequence, events=map(make, numbers)).SerializeToString()


class Load:
    """A load process: it prepares, says so, starts on a word, and reports (events acknowledged, seconds)."""

    def __init__(self, order: Order) -> None:
        """Starts the process, which begins to prepare."""
        context = multiprocessing.get_context("spawn")
        self._ready, self._go, self._results = context.Event(), context.Event(), context.Queue()
        self._process = context.Process(target=_send, args=(order, self._ready, self._go, self._results), daemon=True)
        self._process.start()
        self._ready.wait(120)

    def start(self) -> None:
        """Lets it send."""
        self._go.set()

    def result(self, timeout_s: float = 300.0) -> tuple[int, float]:
        """Waits for its report; raises RuntimeError if it was refused."""
        try:
            events, seconds, refusal = self._results.get(timeout=timeout_s)
        except queue.Empty:
            raise RuntimeError("the load process did not report") from None
        self._process.join()
        if refusal:
            raise RuntimeError(f"the hub refused the load: {refusal}")
        return int(events), float(seconds)

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process.pid is not None
        return self._process.pid

    def stop(self) -> None:
        """Ends a paced load before its time."""
        self._process.terminate()
        self._process.join()


def _maker(order: Order) -> Callable[[int], event_pb2.Event]:
    if order.fund_rows:
        return partial(fund_event, order.fund_rows)
    return card_event if order.lifecycle else usage_event


def _send(order: Order, ready: Any, go: Any, results: Any) -> None:
    end_with_parent()
    prepared = [
        [batch(feed, first + number * order.batch_events, order.batch_events, _maker(order)) for number in range(order.batches)]
        for feed, first in zip(order.feeds, order.first_sequences, strict=True)
    ]
    files = participant_files(order.certificates_dir, order.participant)
    with contextlib.ExitStack() as stack:
        channels = [stack.enter_context(files.channel(target)) for target in order.targets]
        for channel in channels:
            grpc.channel_ready_future(channel).result(10)
        ready.set()
        go.wait()
        started = time.perf_counter()
        calls = itertools.cycle([channel.stream_stream(STREAM_METHOD) for channel in channels])
        streams = [next(calls)(_paced(batches, order, started, index)) for index, batches in enumerate(prepared)]
        acknowledged, refusal = 0, ""
        for answers in itertools.zip_longest(*streams):
            for answer in filter(None, answers):
                response = feed_service_pb2.StreamEventsResponse.FromString(answer)
                acknowledged += len(response.appended.positions)
                refusal = refusal or response.refused.message
        results.put((acknowledged, time.perf_counter() - started, refusal))


def _paced(batches: list[bytes], order: Order, started: float, index: int) -> Iterator[bytes]:
    interval = order.batch_events * len(order.feeds) / order.events_per_s if order.events_per_s else 0.0
    for number, request in enumerate(batches):
        if interval:
            wait = started + (number + index / len(order.feeds)) * interval - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
        yield request
