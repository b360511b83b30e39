"""The loss process: reads requests and issuers' answers in the journal's order and records what follows from them as aggregates.

It follows the views, never the head: an event is handled when the card and the losses are folded up to it, and of the card's facts only
those up to that position count, so what it decides follows from the journal alone. What it records carries ids and instants
of the events it rests on: handled again after a crash, or from position 1, an event appends nothing twice.
"""

from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.card import standing
from hub.domain.card_policy import policies_of, policy_of
from hub.domain.instants import HOUR_US
from hub.domain.loss import Loss, Report, is_lost_already
from hub.domain.participant import Participant
from hub.domain.quarantine import QUARANTINE_FEED, told_in
from hub.domain.reference import Reference
from hub.journal.corrections import Change, changes
from hub.journal.envelope import BLIND
from hub.journal.reader import Recorded, read_page
from hub.journal.recorder import AggregateStore
from hub.journal.times import recorded_at
from hub.journal.traces import link_back
from hub.processes.rounds import Rounds
from hub.projections.views.card_alias import CARD_ALIAS, identifiers_of
from hub.projections.views.card_standing import CARD_STANDING, facts_of
from hub.projections.views.losses import LOSSES
from hub.telemetry import names, span_export
from hub.telemetry.spans import Call, Kind

PAGE_EVENTS = 5_000
CHECKPOINT = "process.loss"
_REQUEST = "loss_request_submitted"
KINDS = frozenset({_REQUEST, "loss_request_refused", "temporary_loss_reported", "formal_loss_reported"})
EXPIRED_AT_ONCE = 500
_RESTS_ON = [CARD_STANDING.name, CARD_ALIAS.name, LOSSES.name]
_CARD_NO = references.CARD_IDENTIFIER_KIND_CARD_NO


class _Stream(NamedTuple):
    """Whose events these are: a feed's name and its owner's province."""

    name: str
    province: str


class LossProcess:
    """Handles pages of the journal; used from one thread. Only one of several processes works at a time, the others wait."""

    def __init__(self, connection: psycopg.Connection, store: AggregateStore, reference: Reference) -> None:
        """*connection* reads journal and views and keeps the checkpoint, *store* saves the losses."""
        self._connection, self._store, self._reference = connection, store, reference
        self._streams: dict[int, _Stream] = {}
        self._touched: dict[UUID, Loss] = {}
        self._rounds = Rounds(connection, CHECKPOINT, _RESTS_ON)

    def advance(self, now_us: int, page_events: int = PAGE_EVENTS) -> int:
        """Handles one page and ends the blocks that have run out by *now_us*; returns how many positions it moved."""
        if not self._has_work(now_us):
            return 0
        with self._rounds.begin() as current:
            if current is None:
                return 0
            self._touched.clear()
            current.end = min(current.after + page_events, current.seen)
            self._handle_page(current.after, current.end)
            if current.end == current.seen:
                self._expire(now_us if current.seen == current.head else min(now_us, self._recorded_us(current.seen)))
        return current.end - current.after

    def _has_work(self, now_us: int) -> bool:
        """Whether there may be something to do: one statement that locks nothing, where a page is four and a commit."""
        asked = {"checkpoint": CHECKPOINT, "views": _RESTS_ON, "after": self._rounds.after, "now": now_us}
        row = self._connection.execute(_LOOK, asked).fetchone()
        return row is not None and bool(row[0])

    def _handle_page(self, after: int, end: int) -> None:
        if end <= after:
            return
        changed = changes(self._connection, after, end)
        for recorded in read_page(self._connection, after, end, KINDS, also=changed):
            call = Call(names.PROCESS_SPAN, kind=Kind.CONSUMER)
            self._handle(recorded, changed.get(recorded.position, Change((), recorded)))
            self._observe(call, recorded)

    def _observe(self, call: Call, recorded: Recorded) -> None:
        """Keeps a span of an event that was handled if its append is kept."""
        if span_export.is_on():
            link_back(self._connection, call, recorded.position - 1, recorded.position, "process")
            span_export.ended(call)

    def _handle(self, recorded: Recorded, change: Change) -> None:
        """Handles what is in force by an event and what is no more; a request that is in force again is asked for again, by that event."""
        report = Report(self._stream(recorded.stream_id).name, recorded.sequence, recorded.position, recorded.occurred_us)
        for before in change.out:
            if before.kind == _REQUEST:
                self._withdraw(before, report)
        current = change.into
        if current is None:
            return
        if current.kind == _REQUEST:
            self._request(current, report._replace(occurred_us=current.occurred_us), recorded.recorded_us)
        elif current.kind in KINDS and self._province_of(current) == current.event.card.issuing_province:
            # Only the issuer answers; a temporary loss that the other side reports by itself is no answer.
            self._answer(current, report._replace(occurred_us=current.occurred_us))

    def _answer(self, recorded: Recorded, report: Report) -> None:
        if recorded.kind == "loss_request_refused":
            self._refuse(recorded, report)
            return
        for loss in self._losses_of(recorded.event.card.key):
            if loss.confirm(report, recorded.kind):
                self._save(loss)

    def _request(self, recorded: Recorded, report: Report, report_us: int) -> None:
        """Takes a request that is in force from *report_us* on; *report* names the event that makes it so."""
        event = recorded.event
        request, card = event.loss_request_submitted, self._card_of(event.card)
        loss = self._of_day(card.key, request.loss_type, report.occurred_us)
        if loss is not None and loss.knows(report):
            return
        lost_since_us = self._lost_since_us(card, request.loss_type, report, report_us)
        if loss is not None:
            loss.repeat(report, is_lost=lost_since_us is not None)
        else:
            loss = Loss.open(card, request.loss_type, request.accepted_at_region, report, self._blind(report.position))
            if lost_since_us is not None:
                loss.confirm_at_once(lost_since_us)
        hours = policy_of(self._reference, card.issuing_province, report.occurred_us).provisional_block_hours
        loss.place_block(report.occurred_us + hours * HOUR_US)
        loss.forward(report_us)
        self._save(loss)

    def _refuse(self, recorded: Recorded, report: Report) -> None:
        refusal = recorded.event.loss_request_refused
        for loss in self._losses_of(recorded.event.card.key):
            if _is_about(loss, refusal.request) and loss.refuse(report, refusal.reason_code):
                self._save(loss)

    def _withdraw(self, before: Recorded, report: Report) -> None:
        """Ends the losses of a request that is corrected or reversed now; the correction may name another card."""
        request = references.EventRef(feed=self._stream(before.stream_id).name, sequence=before.sequence)
        for loss in self._losses_of(before.event.card.key):
            if _is_about(loss, request) and loss.withdraw(report):
                self._save(loss)

    def _recorded_us(self, position: int) -> int:
        """When an event was recorded: while the views lag, an answer that came in time may still be unread."""
        at_us = recorded_at(self._connection, position)
        assert at_us is not None, "it was read just now"
        return at_us

    def _expire(self, now_us: int) -> None:
        rows = self._connection.execute(_EXPIRED, {"now": now_us, "limit": EXPIRED_AT_ONCE}).fetchall()
        for (name,) in rows:
            loss = self._get(UUID(name))
            if loss is not None and loss.expire(now_us):
                self._save(loss)

    def _get(self, loss_id: UUID) -> Loss | None:
        return self._touched.get(loss_id) or self._store.get(Loss, loss_id)

    def _save(self, loss: Loss) -> None:
        self._rounds.saved(self._store.save(loss))
        self._touched[loss.id] = loss

    def _of_day(self, card_key: bytes, loss_type: int, requested_us: int) -> Loss | None:
        """Returns the loss of a card, a kind and a local day, if there is one: its view has all that was recorded before."""
        ids = {UUID(name) for (name,) in self._connection.execute(_OF_CARD, {"key": card_key, "type": loss_type}).fetchall()}
        known = [loss for loss in self._touched.values() if loss.card is not None and loss.card.key == card_key]
        ids |= {loss.id for loss in known if loss.loss_type == loss_type}
        found = (self._get(name) for name in sorted(ids))
        return next((loss for loss in found if loss is not None and loss.is_of_day(requested_us)), None)

    def _blind(self, position: int) -> bytes:
        """Returns what blinds an event: it names the loss, so that two processes that handle it at once name the same one."""
        row: Any = self._connection.execute(BLIND, {"position": position}).fetchone()
        return bytes(row[0])

    def _losses_of(self, card_key: bytes) -> list[Loss]:
        """Returns the losses of a card that may still be answered, by any of its identifiers."""
        keys = identifiers_of(self._connection, card_key)
        ids = {UUID(name) for (name,) in self._connection.execute(_ANSWERABLE, {"keys": keys}).fetchall()}
        ids |= {loss.id for loss in self._touched.values() if loss.card is not None and loss.card.key in keys}
        found = (self._get(name) for name in sorted(ids))
        return [loss for loss in found if loss is not None]

    def _card_of(self, card: references.CardRef) -> references.CardRef:
        """Names the card by its number where the issuer has tied the identifier to one, so that one card has one loss."""
        row = self._connection.execute("SELECT card_key FROM views.card_alias WHERE key = %s", (card.key,)).fetchone()
        return card if row is None else references.CardRef(issuing_province=card.issuing_province, kind=_CARD_NO, key=bytes(row[0]))

    def _lost_since_us(self, card: references.CardRef, loss_type: int, report: Report, report_us: int) -> int | None:
        """Since when the card was lost as the request was made or came, by the facts up to the request; None if it was not."""
        rows = self._connection.execute(
            "SELECT facts FROM views.card_standing WHERE key = ANY (%s)", (identifiers_of(self._connection, card.key),)
        ).fetchall()
        known = [fact for (text,) in rows for fact in facts_of(text) if fact.position <= report.position]
        facts = sorted(known, key=lambda fact: (fact.occurred_us, fact.position))
        policy = policies_of(self._reference, card.issuing_province)
        for at_us in (report.occurred_us, report_us):
            found = standing(facts, at_us, policy)
            if is_lost_already(loss_type, found.social_status):
                return report.occurred_us if found.lost_at_us is None else found.lost_at_us
        return None

    def _province_of(self, recorded: Recorded) -> str:
        """Returns the province that reported the event: a released one is in the hub's own feed."""
        stream = self._stream(recorded.stream_id)
        if stream.name != QUARANTINE_FEED:
            return stream.province
        row: Any = self._connection.execute("SELECT stream_id FROM journal.stream WHERE name = %s", (told_in(recorded.event),)).fetchone()
        return self._stream(row[0]).province

    def _stream(self, stream_id: int) -> _Stream:
        found = self._streams.get(stream_id)
        if found is None:
            row: Any = self._connection.execute("SELECT name, owner FROM journal.stream WHERE stream_id = %s", (stream_id,)).fetchone()
            participant = self._store.get(Participant, Participant.create_id(row[1]))
            found = self._streams[stream_id] = _Stream(row[0], participant.province if participant is not None else "")
        return found


def _is_about(loss: Loss, request: references.EventRef) -> bool:
    """Whether a request opened the loss or joined it."""
    return any((report.feed, report.sequence) == (request.feed, request.sequence) for report in loss.requests)


_LOOK = """
    SELECT c.position <> %(after)s OR c.position < (SELECT min(position) FROM views.checkpoint WHERE view = ANY (%(views)s))
           OR EXISTS (SELECT FROM views.loss WHERE expires_us <= %(now)s)
    FROM views.checkpoint c WHERE c.view = %(checkpoint)s"""
_OF_CARD = """
    SELECT s.name FROM views.loss l JOIN journal.stream s USING (stream_id)
    WHERE l.card_key = %(key)s AND l.loss_type = %(type)s"""
_ANSWERABLE = """
    SELECT s.name FROM views.loss l JOIN journal.stream s USING (stream_id)
    WHERE l.card_key = ANY (%(keys)s) AND l.state IN ('OPEN', 'EXPIRED')"""
_EXPIRED = """
    SELECT s.name FROM views.loss l JOIN journal.stream s USING (stream_id)
    WHERE l.expires_us <= %(now)s ORDER BY l.expires_us LIMIT %(limit)s"""
