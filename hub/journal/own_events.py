"""Appends single events of the hub itself to one of its own feeds, by the function on the server that appends answers."""

import os
import re
import time
from typing import Any

import psycopg
from chuanyu.exchange.v1 import event_pb2

from hub.domain.errors import NotRecorded
from hub.domain.participant import DECISIONS_FEED, HUB

INDEX_FEED = "hub.index"
SNAPSHOT_FEED = "hub.snapshots"
# The hub's own feeds, and the streams of aggregates, which are named by their ids.
_HUBS = re.compile(r"hub(\..*)?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.DOTALL)


def is_hubs_stream(name: str) -> bool:
    """Whether a stream of this name is the hub's own: no participant's feed has such a name."""
    return _HUBS.fullmatch(name) is not None


def append_own(connection: psycopg.Connection[Any], event: event_pb2.Event, feed: str = DECISIONS_FEED, key: bytes = b"") -> int:
    """Returns the position of an event once it is on disk; raises NotRecorded. What was appended with the same *key* is not repeated."""
    kind, at_us = event.WhichOneof("kind"), event.occurred_at.ToMicroseconds()
    said = {"feed": feed, "owner": HUB, "key": key or os.urandom(32), "at": at_us, "kind": kind, "data": event.SerializeToString()}
    said["now"] = time.time_ns() // 1_000
    try:
        connection.execute(_FEED, said)
        row = connection.execute(_APPEND, said).fetchone()
    except psycopg.Error:
        raise NotRecorded from None
    assert row is not None
    return int(row[0])


_FEED = """
    INSERT INTO journal.stream (name, owner, is_feed, next_sequence) SELECT %(feed)s, %(owner)s, true, 1
    WHERE NOT EXISTS (SELECT FROM journal.stream WHERE name = %(feed)s) ON CONFLICT (name) DO NOTHING"""
_APPEND = """
    SELECT decision_position FROM journal.append_answers(
        (SELECT stream_id FROM journal.stream WHERE name = %(feed)s AND is_feed), ARRAY[%(key)s::bytea], ARRAY[%(at)s::bigint],
        ARRAY[%(kind)s], ARRAY[%(data)s::bytea], ARRAY[''], %(now)s::bigint)"""
