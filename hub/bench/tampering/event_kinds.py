"""The kinds of tampering with events themselves, their order and their streams: only the log over them shows what they were."""

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1.acceptance_pb2 import AcceptanceOutcome
from google.protobuf.message import DecodeError

from hub.bench.tampering.kinds import Attack, Kind

_JOURNEYS = """
    SELECT position, digest, occurred_at, data FROM journal.event WHERE kind = 'transit_journey_completed' ORDER BY 1"""
_DECISIONS = "SELECT position, data FROM journal.event WHERE kind = 'decision_made' ORDER BY 1"


def byte_flipped(attack: Attack) -> None:
    """Changes one byte of an event. What an answer says, by which rules and on which record, are kinds of their own."""
    position, kind, data = attack.one_of("SELECT position, kind, data FROM journal.event ORDER BY 1")
    forged = _flipped(attack, data)
    while kind == "decision_made" and steers(data, forged):
        forged = _flipped(attack, data)
    attack.change("UPDATE journal.event SET data = %s WHERE position = %s", forged, position)


def _flipped(attack: Attack, data: bytes) -> bytes:
    at = attack.chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ attack.chance.randrange(1, 256)]) + data[at + 1 :]


def steers(data: bytes, forged: bytes) -> bool:
    """Whether nothing but an answer's outcome, rules or basis differs: the check then says which it was, and not which byte."""
    try:
        was, now = event_pb2.Event.FromString(data), event_pb2.Event.FromString(forged)
    except DecodeError:
        return False
    for field in ("outcome", "rules_digest", "as_of_position"):
        setattr(now.decision_made, field, getattr(was.decision_made, field))
    return now.SerializeToString() == data


def content_replaced(attack: Attack) -> None:
    """Replaces what an event says, its digest with it."""
    position = attack.one_of("SELECT position FROM journal.event WHERE kind = 'transit_journey_completed' ORDER BY 1")[0]
    statement = "UPDATE journal.event SET data = data || %s, digest = %s WHERE position = %s"
    attack.change(statement, b"\x3a\x06510000", attack.some_bytes(32), position)


def event_dropped(attack: Attack) -> None:
    """Drops one event."""
    attack.change("DELETE FROM journal.event WHERE position = %s", attack.one_of("SELECT position FROM journal.event ORDER BY 1")[0])


def events_exchanged(attack: Attack) -> None:
    """Exchanges what two events of a feed say, with the time and the digest that belong to it or without."""
    rows = attack.rows(_JOURNEYS)
    one, other = attack.chance.sample(rows, 2)
    whole = attack.chance.random() < 0.5
    for (position, *own), (_, *others, data) in ((one, other), (other, one)):
        statement = "UPDATE journal.event SET digest = %s, occurred_at = %s, data = %s WHERE position = %s"
        attack.change(statement, *(others if whole else own[:2]), data, position)


def tail_cut(attack: Attack) -> None:
    """Cuts the end of the journal off, with all that belongs to it, so that nothing is missing in between."""
    [(head,)] = attack.rows("SELECT position FROM journal.head")
    last = attack.chance.randrange(head // 2, head)
    cut(attack, last)


def cut(attack: Attack, last: int) -> None:
    """Ends the journal at a position, as if nothing had come behind it."""
    for table in ("correction", "request", "redeemed_token", "event"):
        attack.connection.execute(f"DELETE FROM journal.{table} WHERE position > %s".encode(), (last,))  # noqa: S608 (our own tables)
    attack.change("DELETE FROM journal.batch WHERE first_position > %s", last)
    attack.connection.execute(
        b"""UPDATE journal.batch SET last_sequence = first_sequence + %s - first_position
            WHERE first_position + last_sequence - first_sequence > %s""",
        (last, last),
    )
    attack.change(
        """UPDATE journal.stream s SET next_sequence = COALESCE((SELECT max(sequence) + 1 FROM journal.event e
               WHERE e.stream_id = s.stream_id), 1)"""
    )
    attack.connection.execute(b"DELETE FROM journal.stream s WHERE NOT is_feed AND next_sequence = 1")
    attack.change(
        "UPDATE journal.head SET position = %s, recorded_at = (SELECT recorded_at FROM journal.event WHERE position = %s)", last, last
    )
    attack.connection.execute(b"UPDATE views.checkpoint SET position = LEAST(position, %s)", (last,))


def time_set_back(attack: Attack) -> None:
    """Has a batch be recorded earlier than it was, in its events and in its row."""
    stream, first, position, count = attack.one_of(
        "SELECT stream_id, first_sequence, first_position, last_sequence - first_sequence + 1 FROM journal.batch ORDER BY first_position"
    )
    seconds = attack.chance.randrange(1, 86_400)
    statement = "UPDATE journal.event SET recorded_at = recorded_at - %s * interval '1 s' WHERE position BETWEEN %s AND %s"
    attack.change(statement, seconds, position, position + count - 1)
    statement = "UPDATE journal.batch SET recorded_at = recorded_at - %s * interval '1 s' WHERE stream_id = %s AND first_sequence = %s"
    attack.change(statement, seconds, stream, first)


def _decision_changed(attack: Attack) -> tuple[int, event_pb2.Event]:
    position, data = attack.one_of(_DECISIONS)
    return position, event_pb2.Event.FromString(data)


def _put(attack: Attack, position: int, event: event_pb2.Event) -> None:
    attack.change("UPDATE journal.event SET data = %s WHERE position = %s", event.SerializeToString(), position)


def answer_changed(attack: Attack) -> None:
    """Has an answer say something else than it said."""
    position, event = _decision_changed(attack)
    outcomes = [value for value in AcceptanceOutcome.values() if value not in (0, event.decision_made.outcome)]
    event.decision_made.outcome = AcceptanceOutcome.ValueType(attack.chance.choice(outcomes))
    _put(attack, position, event)


def rules_of_an_answer_changed(attack: Attack) -> None:
    """Has an answer name other rules than those that gave it."""
    position, event = _decision_changed(attack)
    event.decision_made.rules_digest = attack.some_bytes(32)
    _put(attack, position, event)


def basis_of_an_answer_shifted(attack: Attack) -> None:
    """Has an answer rest on an earlier record than it did."""
    position, event = _decision_changed(attack)
    event.decision_made.as_of_position = attack.chance.randrange(1, event.decision_made.as_of_position)
    _put(attack, position, event)


def feeds_exchanged(attack: Attack) -> None:
    """Exchanges the names of two feeds of one participant."""
    owner = attack.one_of("SELECT owner FROM journal.stream WHERE is_feed GROUP BY 1 HAVING count(*) FILTER (WHERE next_sequence > 1) > 1")[
        0
    ]
    named = attack.rows("SELECT stream_id, name FROM journal.stream WHERE is_feed AND owner = %s AND next_sequence > 1 ORDER BY 1", owner)
    (one, name), (other, other_name) = attack.chance.sample(named, 2)
    attack.change("UPDATE journal.stream SET name = 'zz' WHERE stream_id = %s", one)
    attack.change("UPDATE journal.stream SET name = %s WHERE stream_id = %s", name, other)
    attack.change("UPDATE journal.stream SET name = %s WHERE stream_id = %s", other_name, one)


def partition_replaced(attack: Attack) -> None:
    """Detaches the partition with the events and attaches a made-up one in its place."""
    attack.connection.execute(b"CREATE TABLE journal.made_up (LIKE journal.event INCLUDING ALL)")
    attack.connection.execute(b"INSERT INTO journal.made_up SELECT * FROM journal.event")
    position = attack.one_of("SELECT position FROM journal.made_up WHERE kind = 'transit_journey_completed' ORDER BY 1")[0]
    attack.change("UPDATE journal.made_up SET data = data || %s WHERE position = %s", b"\x3a\x06510000", position)
    attack.connection.execute(b"ALTER TABLE journal.event DETACH PARTITION journal.event_000000")
    attack.connection.execute(b"ALTER TABLE journal.event_000000 RENAME TO put_away")
    attack.connection.execute(b"ALTER TABLE journal.made_up RENAME TO event_000000")
    attack.connection.execute(b"ALTER TABLE journal.event ATTACH PARTITION journal.event_000000 FOR VALUES FROM (0) TO (67108864)")
    attack.connection.execute(b"GRANT SELECT ON journal.event_000000 TO hub_projector")


_LOG = "--tlog"
EVENTS = (
    Kind(1, "byte-altered", byte_flipped, _LOG),
    Kind(1, "event-altered", content_replaced, _LOG),
    Kind(2, "position-missing", event_dropped),
    Kind(3, "events-swapped", events_exchanged, _LOG),
    Kind(4, "tail-cut", tail_cut, _LOG),
    Kind(6, "time-altered", time_set_back, _LOG),
    Kind(8, "decision-altered", answer_changed, _LOG),
    Kind(9, "decision-rules-altered", rules_of_an_answer_changed, _LOG),
    Kind(11, "stream-renamed", feeds_exchanged, _LOG),
    Kind(15, "partition-replaced", partition_replaced, _LOG),
    Kind(27, "decision-basis-altered", basis_of_an_answer_shifted, _LOG),
)
