"""Answers questions about cards in groups: one SQL round trip for all that wait, `decide` for each, and the decision to the writer.

One thread, one connection, no cache to go stale: agreements are kept parsed and read again when their view has moved. Every
answer carries the position of the very snapshot it was read from.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, hub_decisions_pb2

from hub.domain.acceptance import Answer, Question, decide, rules_digest
from hub.domain.agreement import Terms, terms_of
from hub.domain.card import Fact
from hub.domain.errors import JournalUnavailable, ViewBehind
from hub.domain.participant import HUB
from hub.domain.reference import Reference
from hub.journal.group import Batch, pack_tail
from hub.journal.writer import JournalWriter, Waiting
from hub.projections import DECIDED_BY
from hub.projections.card_standing import facts_of

log = logging.getLogger(__name__)

GROUP_CHECKS = 256


@dataclass(slots=True)
class CardRead:
    """What a group read found for one card, and at which position."""

    facts: list[Fact]
    agreements: tuple[Terms, ...]
    as_of_position: int


@dataclass(slots=True)
class Check:
    """A question on its way; with *event* it is decided and recorded, without it the card is only read."""

    card_key: bytes
    min_position: int
    read_future: asyncio.Future[CardRead]
    question: Question | None = None
    event: event_pb2.Event | None = None
    request_key: bytes = b""
    trace_parent: str = ""
    waiting: Waiting | None = None
    answer: Answer | None = None
    as_of_position: int = 0


@dataclass(slots=True)
class _Snapshot:
    as_of_position: int
    revision: int
    facts: dict[bytes, list[Fact]] = field(default_factory=dict)


class Checker:
    """Start it on the event loop that calls it."""

    def __init__(self, dsn: str, writer: JournalWriter, decisions_stream: int, reference: Reference) -> None:
        """*decisions_stream* is the row of feed hub.decisions."""
        self._dsn = dsn
        self._writer = writer
        self._stream = decisions_stream
        self._reference = reference
        self._checks: queue.SimpleQueue[Check | None] = queue.SimpleQueue()
        self._agreements: tuple[int, tuple[Terms, ...]] = (-1, ())
        self._connection: psycopg.Connection | None = None
        self._thread = threading.Thread(target=self._work, name="checker", daemon=True)

    def start(self) -> None:
        """Begins to work in its own thread."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Answers what waits and ends the thread."""
        self._checks.put(None)
        await asyncio.to_thread(self._thread.join)

    async def read(self, card_key: bytes, min_position: int) -> CardRead:
        """Reads a card; raises ViewBehind or JournalUnavailable."""
        check = Check(card_key, min_position, self._loop.create_future())
        self._checks.put(check)
        return await check.read_future

    def submit(self, check: Check) -> None:
        """Hands a check to the thread; its place in the writer's queue is reserved already."""
        self._checks.put(check)

    def new_read_future(self) -> asyncio.Future[CardRead]:
        """Makes the future a check needs."""
        return self._loop.create_future()

    def _work(self) -> None:
        ended = False
        while not ended:
            group: list[Check] = []
            block = True
            while len(group) < GROUP_CHECKS:
                try:
                    check = self._checks.get(block)
                except queue.Empty:
                    break
                block = False
                if check is None:
                    ended = True
                else:
                    group.append(check)
            if group:
                self._answer(group)
        if self._connection is not None:
            self._connection.close()

    def _answer(self, group: Sequence[Check]) -> None:
        try:
            snapshot = self._read([check.card_key for check in group])
            agreements = self._agreements[1]
        except psycopg.Error as error:
            log.warning("checker: the database cannot be read", extra={"error": type(error).__name__})
            self._connection = None
            self._loop.call_soon_threadsafe(_fail, group)
            return
        read: list[tuple[Check, CardRead]] = []
        behind: list[Check] = []
        for check in group:
            facts = snapshot.facts.get(check.card_key, [])
            if snapshot.as_of_position < check.min_position:
                check.as_of_position = snapshot.as_of_position
                behind.append(check)
            elif check.event is None or check.question is None or check.waiting is None:
                read.append((check, CardRead(facts, agreements, snapshot.as_of_position)))
            else:
                check.as_of_position = snapshot.as_of_position
                self._decide(check, facts, agreements, check.question, check.event, check.waiting)
        if read or behind:
            self._loop.call_soon_threadsafe(_settle, read, behind)

    def _decide(
        self, check: Check, facts: list[Fact], agreements: tuple[Terms, ...], question: Question, event: event_pb2.Event, waiting: Waiting
    ) -> None:
        """Decides one check; a fault in it is that check's alone."""
        try:
            check.answer = decide(facts, agreements, self._reference, question)
            batch = self._batch(event, check, check.answer)
        except Exception as fault:
            self._loop.call_soon_threadsafe(_set_exception, waiting.future, fault)
            return
        self._writer.enqueue(waiting, batch, urgent=True)

    def _batch(self, event: event_pb2.Event, check: Check, answer: Answer) -> Batch:
        decision = event.decision_made
        decision.outcome = acceptance_pb2.AcceptanceOutcome.Value(f"ACCEPTANCE_OUTCOME_{answer.outcome}")
        decision.reason_codes.extend(answer.reason_codes)
        decision.agreement_codes.extend(answer.agreement_codes)
        decision.as_of_position = check.as_of_position
        decision.rules_digest = rules_digest()
        assert check.question is not None
        tail = pack_tail(check.question.at_us, b"decision_made", None, event.SerializeToString())
        return Batch(self._stream, HUB, None, [tail], trace_parent=check.trace_parent, request_key=check.request_key)

    def _read(self, keys: Sequence[bytes]) -> _Snapshot:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._dsn, autocommit=True, application_name="hub-checker")
            self._connection.execute("SET ROLE hub_reader")
            self._connection.prepare_threshold = 1
        while True:
            snapshot = self._read_once(self._connection, keys)
            if snapshot.revision == self._agreements[0]:
                return snapshot
            self._agreements = _load_agreements(self._connection)

    def _read_once(self, connection: psycopg.Connection, keys: Sequence[bytes]) -> _Snapshot:
        with connection.cursor(binary=True) as cursor:
            cursor.execute(_READ_CARDS, (list(set(keys)),))
            rows = cursor.fetchall()
        snapshot = _Snapshot(0, 0)
        for asked, facts, as_of_position, revision in rows:
            if asked is None:
                snapshot.as_of_position, snapshot.revision = as_of_position, revision
                continue
            known = snapshot.facts.get(asked)
            snapshot.facts[asked] = facts_of(facts) if known is None else sorted([*known, *facts_of(facts)], key=lambda f: (f[0], f[1]))
        return snapshot


def _load_agreements(connection: psycopg.Connection) -> tuple[int, tuple[Terms, ...]]:
    rows = connection.execute("SELECT code, terms, position FROM views.agreement ORDER BY code").fetchall()
    terms = tuple(terms_of(code, hub_decisions_pb2.AgreementTerms.FromString(bytes(data))) for code, data, _ in rows)
    return max((row[2] for row in rows), default=0), terms


def _set_exception(future: asyncio.Future[Any], fault: BaseException) -> None:
    if not future.done():
        future.set_exception(fault)


def _fail(group: Sequence[Check]) -> None:
    for check in group:
        _set_exception(check.waiting.future if check.waiting else check.read_future, JournalUnavailable())


def _settle(read: Sequence[tuple[Check, CardRead]], behind: Sequence[Check]) -> None:
    for check, card in read:
        if not check.read_future.done():
            check.read_future.set_result(card)
    for check in behind:
        _set_exception(check.waiting.future if check.waiting else check.read_future, ViewBehind(as_of_position=check.as_of_position))


# One snapshot: the facts of every identifier of each asked card, then one row with how far the views and agreements are.
_READ_CARDS = f"""
    WITH named AS (
        SELECT a.key AS asked, COALESCE(l.card_key, a.key) AS card_key
        FROM unnest(%s::bytea[]) a (key) LEFT JOIN views.card_alias l ON l.key = a.key)
    SELECT asked, facts, NULL::bigint AS as_of_position, NULL::bigint AS revision FROM (
        SELECT n.asked, s.facts FROM named n JOIN views.card_standing s ON s.key = n.card_key
        UNION ALL
        SELECT n.asked, s.facts FROM named n JOIN views.card_alias l ON l.card_key = n.card_key JOIN views.card_standing s ON s.key = l.key) f
    UNION ALL
    SELECT NULL, NULL, (SELECT min(position) FROM views.checkpoint WHERE view = ANY ('{{{",".join(p.name for p in DECIDED_BY)}}}')),
           COALESCE((SELECT max(position) FROM views.agreement), 0)"""  # noqa: S608 (names of our own views)
