"""What a bundle is asked for: a decision, a card or a person, a run of numbers of a feed, a day, a run of positions, or an audit."""

from datetime import date
from typing import Any, NamedTuple

import psycopg

from hub.domain.audit_errors import AuditNotDelivered, AuditUnknown
from hub.domain.audit_request import AuditRequest, code_of, number_of
from hub.domain.errors import DecisionNotFound, HubError
from hub.domain.instants import DAY_US, epoch_day_of, midnight_us
from hub.domain.rule_book import BOOK
from hub.journal.joins import EVENTS_OF
from hub.journal.reader import Recorded, events_at
from hub.journal.times import first_position_since
from hub.runs import Run, joined


class RangeNotThere(HubError):
    """日志中没有这些编号或位置，或先后颠倒；见 `hub status` the journal has not all of these; the smaller is first; see `hub status`."""


class Question(NamedTuple):
    """*about* says which of the other fields count; *keys* are (card or person, key), sorted as they are written.

    *card* is the identifier that a decision is about, or by which a card was asked for; its other identifiers are added to *keys*.
    """

    about: str
    position: int = 0
    as_of: int = 0
    rules: int = 0
    keys: tuple[tuple[str, bytes], ...] = ()
    feed: str = ""
    day: str = ""
    first: int = 0
    last: int = 0
    card: bytes = b""
    audit: str = ""

    @property
    def said(self) -> dict[str, Any]:
        """The question as a bundle has it."""
        keys = sorted(f"{what}:{key.hex()}" for what, key in self.keys)
        fields: dict[str, dict[str, Any]] = {
            "decision": {"position": self.position, "as_of": self.as_of, "keys": keys, "rules": self.rules},
            "card": {"card": self.card.hex(), "keys": keys},
            "feed": {"feed": self.feed, "first": self.first, "last": self.last},
            "range": {"first": self.first, "last": self.last},
            "day": {"day": self.day, "feed": self.feed},
            "audit": {"code": self.audit},
        }
        return {"about": self.about, **fields[self.about]}


class Wanted(NamedTuple):
    """Where the events are that answer a question: *runs* of positions, ascending; of those in *closed* only headers are shown.

    *asked* are the first position that was asked for and the last, 0 where there is none.
    """

    runs: list[Run]
    closed: frozenset[int] = frozenset()
    asked: tuple[int, int] = (0, 0)


def of_decision(connection: psycopg.Connection, position: int) -> Question:
    """Returns the question about a recorded decision and the card that it is about; raises DecisionNotFound."""
    found = events_at(connection, [position])
    if not found or found[0].kind != "decision_made":
        raise DecisionNotFound
    decision = found[0].event.decision_made
    card = found[0].event.card.key
    rules = _rules_at(connection, decision.rules_digest, position)
    return Question("decision", position, decision.as_of_position, rules, (("card", card),), card=card)


def of_card(key: bytes) -> Question:
    """Returns the question about a card by the key of one of its identifiers."""
    return Question("card", keys=(("card", key),), card=key)


def of_person(key: bytes) -> Question:
    """Returns the question about a person."""
    return Question("card", keys=(("person", key),))


def _rules_at(connection: psycopg.Connection, digest: bytes, before: int) -> int:
    """Returns where the version of the rules took effect last before a position, 0 if that was not recorded."""
    rows = connection.execute(_RULES, {"name": str(BOOK), "before": before}).fetchall()
    published = [event for event in (Recorded(*row) for row in rows) if event.event.rules_published.rules_digest == digest]
    return max((event.position for event in published), default=0)


def of_feed(connection: psycopg.Connection, question: Question) -> Wanted:
    """Finds a run of numbers; raises RangeNotThere."""
    rows = connection.execute(_NUMBERS, question._asdict()).fetchall()
    runs = [(first, first + count) for first, count in rows]
    if not question.first or sum(end - first for first, end in runs) != question.last - question.first + 1:
        raise RangeNotThere
    return Wanted(joined(runs), asked=(runs[0][0], runs[-1][1] - 1))


def of_range(head: int, question: Question) -> Wanted:
    """Finds a run of positions; raises RangeNotThere."""
    if not 0 < question.first <= question.last <= head:
        raise RangeNotThere
    return Wanted([(question.first, question.last + 1)], asked=(question.first, question.last))


def of_audit(connection: psycopg.Connection, code: str) -> Wanted:
    """Finds the events of a request for an audit, up to its delivery; raises AuditUnknown or AuditNotDelivered."""
    stream = str(AuditRequest.create_id(code_of(number_of(code))))
    rows = connection.execute(_OF_STREAM, {"name": stream}).fetchall()
    if not rows:
        raise AuditUnknown
    delivered = next((position for position, kind in rows if kind == "audit_delivered"), 0)
    if not delivered:
        raise AuditNotDelivered
    positions = [position for position, _ in rows if position <= delivered]
    return Wanted(joined([(position, position + 1) for position in positions]), asked=(positions[0], delivered))


def of_day(connection: psycopg.Connection, head: int, question: Question) -> Wanted:
    """Finds what was recorded on a day, and its neighbours, of which only the headers are shown; raises RangeNotThere."""
    begin_us = midnight_us(epoch_day_of(date.fromisoformat(question.day)))
    first, end = (min(first_position_since(connection, at_us), head + 1) for at_us in (begin_us, begin_us + DAY_US))
    if not question.feed:
        runs = [(first, end)] if end > first else []
        neighbours = [position for position in (first - 1, end) if 0 < position <= head]
    else:
        found = connection.execute(_BETWEEN, {"feed": question.feed, "first": first, "end": end}).fetchall()
        runs = [(max(start, first), min(start + count, end)) for start, count in found]
        beside = connection.execute(_BESIDE, {"feed": question.feed, "first": first, "end": end, "head": head}).fetchone()
        assert beside is not None
        neighbours = [position for position in beside if position is not None]
    if not runs and not neighbours:
        raise RangeNotThere
    shown = sorted([*runs, *((position, position + 1) for position in neighbours)])
    return Wanted(joined(shown), frozenset(neighbours), (runs[0][0], runs[-1][1] - 1) if runs else (0, 0))


_RULES = f"""
    SELECT e.position, (extract(epoch FROM e.recorded_at) * 1000000)::bigint, e.stream_id, e.sequence, e.kind, e.data
    FROM journal.stream s {EVENTS_OF}
    WHERE s.name = %(name)s AND e.kind = 'rules_published' AND e.position < %(before)s"""  # noqa: S608 (our own text)
_OF_STREAM = f"""
    SELECT e.position, e.kind FROM journal.stream s {EVENTS_OF}
    WHERE s.name = %(name)s AND NOT s.is_feed ORDER BY e.position"""  # noqa: S608 (our own text)
_NUMBERS = """
    SELECT b.first_position + GREATEST(%(first)s, b.first_sequence) - b.first_sequence,
           LEAST(%(last)s, b.last_sequence) - GREATEST(%(first)s, b.first_sequence) + 1
    FROM journal.stream s JOIN journal.batch b USING (stream_id)
    WHERE s.name = %(feed)s AND s.is_feed AND b.last_sequence >= %(first)s AND b.first_sequence <= %(last)s ORDER BY b.first_sequence"""
_BETWEEN = """
    SELECT b.first_position, b.last_sequence - b.first_sequence + 1
    FROM journal.stream s JOIN journal.batch b USING (stream_id)
    WHERE s.name = %(feed)s AND s.is_feed AND b.first_position < %(end)s
      AND b.first_position + b.last_sequence - b.first_sequence >= %(first)s ORDER BY b.first_sequence"""
# The last event of a feed before a position, and its first from another on.
_BESIDE = """
    WITH f AS (
        SELECT b.first_position AS first, b.first_position + b.last_sequence - b.first_sequence AS last
        FROM journal.stream s JOIN journal.batch b USING (stream_id) WHERE s.name = %(feed)s AND s.is_feed)
    SELECT (SELECT max(LEAST(last, %(first)s - 1)) FROM f WHERE first < %(first)s),
           (SELECT min(GREATEST(first, %(end)s)) FROM f WHERE last >= %(end)s AND GREATEST(first, %(end)s) <= %(head)s)"""
