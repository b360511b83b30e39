"""How a statement gets from numbers to positions, and from positions to events: by keys, however little the server knows of how many.

The server cannot know how few events are asked for by the bounds of a batch or by a position that it finds itself; joined in the plain way
it reads the whole journal beside them. A subquery with OFFSET 0 is asked for each row on its own, by the key of the journal.
"""

# The position of the event that a row *t* (stream_id, sequence) names. Whether the batch goes so far is asked after it was found: asked
# together, it may have the server read all earlier batches of the stream.
POSITION_OF = """CROSS JOIN LATERAL (
        SELECT b.first_position + t.sequence - b.first_sequence AS position FROM (
            SELECT * FROM journal.batch b WHERE b.stream_id = t.stream_id AND b.first_sequence <= t.sequence
            ORDER BY b.first_sequence DESC LIMIT 1) b
        WHERE b.last_sequence >= t.sequence) o"""
# The stream and number of the event at the position of *o*: of the batch that begins last before it, if that goes so far.
NAME_AT = """CROSS JOIN LATERAL (
        SELECT b.stream_id, b.first_sequence + o.position - b.first_position AS sequence FROM (
            SELECT * FROM journal.batch b WHERE b.first_position <= o.position ORDER BY b.first_position DESC LIMIT 1) b
        WHERE b.first_position + b.last_sequence - b.first_sequence >= o.position) n"""
# The event at the position of *o*.
EVENT_AT = "LEFT JOIN LATERAL (SELECT * FROM journal.event e WHERE e.position = o.position OFFSET 0) e ON true"
# The first event of a batch *b*; all of its events; and those of a row *s* that has a stream_id.
FIRST_EVENT = "CROSS JOIN LATERAL (SELECT * FROM journal.event e WHERE e.position = b.first_position OFFSET 0) e"
EVENTS_OF_BATCH = """CROSS JOIN LATERAL (
        SELECT * FROM journal.event e
        WHERE e.position BETWEEN b.first_position AND b.first_position + b.last_sequence - b.first_sequence OFFSET 0) e"""
EVENTS_OF = f"CROSS JOIN LATERAL (SELECT * FROM journal.batch b WHERE b.stream_id = s.stream_id OFFSET 0) b {EVENTS_OF_BATCH}"  # noqa: S608


def named_sql(stream_id: int, first: int, last: int) -> str:
    """Returns the statement that reads (position, digest) of the events of a stream from one number to another, in order."""
    return f"""
        SELECT e.position, e.digest FROM journal.batch b {EVENTS_OF_BATCH}
        WHERE b.stream_id = {stream_id:d} AND b.last_sequence >= {first:d} AND b.first_sequence <= {last:d}
          AND b.first_sequence >= COALESCE((SELECT max(p.first_sequence) FROM journal.batch p
                                            WHERE p.stream_id = {stream_id:d} AND p.first_sequence <= {first:d}), 0)
          AND e.sequence BETWEEN {first:d} AND {last:d}
        ORDER BY e.sequence"""  # noqa: S608 (integers only)
