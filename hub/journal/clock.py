"""The journal's time where it is ahead of the clocks: an operator accepts it, by an event, or nothing is recorded until they catch up."""

import os
from typing import NamedTuple

from chuanyu.exchange.v1 import event_pb2

from hub.domain.errors import HubError
from hub.domain.participant import HUB
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session, take_turn

FEED = "hub.clock"
KIND = "recorded_time_accepted"
# As in journal.time_to_record: what is further ahead is no slewing clock.
MOST_AHEAD_S = 60.0


class TimeNotAhead(HubError):
    """日志时间没有超前，无需接受 the journal's time is not ahead of the clocks, or is accepted already"""


class Acceptance(NamedTuple):
    """Where the event is, and how far the journal's time was ahead of the hub's clock."""

    position: int
    ahead_s: int


def accept(dsn: str, operator: str, reason_code: str, now_us: int) -> Acceptance:
    """Records that the journal's time is accepted as it is; raises TimeNotAhead."""
    store = AggregateStore(dsn)
    store.ensure_feeds([(FEED, HUB)])
    store.close()
    with session(dsn, "hub_writer", "hub-writer") as connection, connection.transaction():
        # Who comes at the same time waits here, and finds it accepted.
        take_turn(connection, "journal.head")
        row = connection.execute(_AHEAD, {"now": now_us}).fetchone()
        if row is None or row[0] <= MOST_AHEAD_S:
            raise TimeNotAhead
        event = event_pb2.Event()
        event.occurred_at.FromMicroseconds(now_us)
        accepted = event.recorded_time_accepted
        accepted.ahead_s, accepted.operator, accepted.reason_code = int(row[0]), operator, reason_code
        named = {"feed": FEED, "key": os.urandom(32), "at": now_us, "kind": KIND, "data": event.SerializeToString()}
        recorded = connection.execute(_APPEND, named).fetchone()
        assert recorded is not None
        return Acceptance(int(recorded[0]), int(row[0]))


_AHEAD = """
    SELECT extract(epoch FROM h.recorded_at)::float8 - %(now)s::bigint / 1e6 FROM journal.head h
    WHERE h.recorded_at > journal.accepted_time()"""
# The hub's clock is not said: this is what may be ahead of it.
_APPEND = """
    SELECT decision_position FROM journal.append_answers(
        (SELECT stream_id FROM journal.stream WHERE name = %(feed)s), ARRAY[%(key)s::bytea], ARRAY[%(at)s::bigint],
        ARRAY[%(kind)s], ARRAY[%(data)s::bytea], ARRAY[''], NULL::bigint)"""
