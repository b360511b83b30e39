"""Records a look from a command, by the same function on the server as the edges, and finds looks and decisions that are recorded."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from hub.domain.errors import NotRecorded
from hub.domain.looks import KIND, Look, Looker, look_event
from hub.domain.participant import DECISIONS_FEED, HUB
from hub.journal.archived import asked, pages_back
from hub.journal.reader import Recorded
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.journal.times import first_position_since


def record_look(dsn: str, looker: Looker, look: Look, at_us: int) -> int:
    """Returns the position of a look once it is on disk: nothing may be shown before."""
    store = AggregateStore(dsn)
    store.ensure_feeds([(DECISIONS_FEED, HUB)])
    store.close()
    with session(dsn, "hub_writer", "hub-writer") as connection:
        return record_look_on(connection, looker, look, at_us)


def record_look_on(connection: psycopg.Connection, looker: Looker, look: Look, at_us: int) -> int:
    """Returns the position of a look once it is on disk; the feed of decisions is there. Raises NotRecorded."""
    event = look_event(looker, look, at_us)
    try:
        row = connection.execute(
            _APPEND, {"feed": DECISIONS_FEED, "key": os.urandom(32), "at": at_us, "kind": KIND, "data": event.SerializeToString()}
        ).fetchone()
    except psycopg.Error:
        raise NotRecorded from None
    assert row is not None
    return int(row[0])


class Searched(NamedTuple):
    """Which recorded answers are wanted: of one kind, about cards by key (none: all), by texts that are in them, recorded from … to."""

    kind: str
    card_keys: Sequence[bytes] = ()
    texts: Sequence[str] = ()
    from_us: int | None = None
    to_us: int | None = None
    most: int = 100


def search(connection: psycopg.Connection, wanted: Searched) -> list[Recorded]:
    """Returns what was recorded, newest first. It reads the journal between the two instants, of which nothing but the kind is indexed."""
    first = 1 if wanted.from_us is None else first_position_since(connection, wanted.from_us)
    last = 2**62 if wanted.to_us is None else first_position_since(connection, wanted.to_us) - 1
    # A string is in a message with its length before it, so that no other that ends alike is found.
    needles = [bytes([len(text.encode())]) + text.encode() for text in wanted.texts]
    said = {"kind": wanted.kind, "first": first, "last": last, "most": wanted.most, "needles": needles, "keys": list(wanted.card_keys)}
    rows, away = asked(connection, [(first, last)], lambda: connection.execute(_SEARCH, said).fetchall())
    # A segment also has the rows that stayed.
    found = [Recorded(*row) for row in rows if not any(one.first <= row[0] <= one.last for one in away)]
    for page in pages_back(away, (first, last), {wanted.kind}) if len(found) < wanted.most else ():
        found += [one for one in reversed(page) if _is_wanted(one, wanted, needles)]
        if len(found) >= wanted.most:
            break
    return found[: wanted.most]


def _is_wanted(one: Recorded, wanted: Searched, needles: Sequence[bytes]) -> bool:
    """Whether an archived event is one that the statement would have found."""
    is_about = not wanted.card_keys or any(key in one.data for key in wanted.card_keys)
    return is_about and all(needle in one.data for needle in needles)


_APPEND = """
    SELECT decision_position FROM journal.append_answers(
        (SELECT stream_id FROM journal.stream WHERE name = %(feed)s AND is_feed), ARRAY[%(key)s::bytea], ARRAY[%(at)s::bigint],
        ARRAY[%(kind)s], ARRAY[%(data)s::bytea], ARRAY[''], %(at)s::bigint)"""
_SEARCH = """
    SELECT position, (extract(epoch FROM recorded_at) * 1000000)::bigint, stream_id, sequence, kind, data FROM journal.event e
    WHERE position BETWEEN %(first)s AND %(last)s AND kind = %(kind)s
      AND (cardinality(%(keys)s::bytea[]) = 0 OR EXISTS (SELECT FROM unnest(%(keys)s::bytea[]) k WHERE position(k IN data) > 0))
      AND NOT EXISTS (SELECT FROM unnest(%(needles)s::bytea[]) n WHERE position(n IN data) = 0)
    ORDER BY position DESC LIMIT %(most)s"""
