"""The one order: no position and no number is missing, nothing goes back in time, and each batch leads to its events."""

from collections.abc import Iterator

from hub.audit.fsck.differences import Difference
from hub.audit.fsck.scene import Scene


def examine_head(scene: Scene) -> Iterator[Difference]:
    """The head is the last event's, in position and in time."""
    # One statement reads both: the head moves on meanwhile.
    [(last, position, is_its_time)] = scene.rows(_HEAD)
    if last is not None and last > position:
        yield Difference("beyond-head", position=last, head=position)
    elif is_its_time is False:
        yield Difference("head-time", position=position)


def examine_strays(scene: Scene) -> Iterator[Difference]:
    """Nothing beside the journal leads before its first position or beyond its head, where no page of the journal would meet it."""
    for position, head in scene.rows(_STRAY_EVENTS):
        yield Difference("beyond-head", position=position, head=head)
    for stream, sequence, position in scene.rows(_STRAY_BATCHES):
        yield Difference("batch-elsewhere", stream=stream, sequence=sequence, position=position)
    for feed, sequence, position in scene.rows(_STRAY_CORRECTIONS):
        yield Difference("correction-added", feed=feed, sequence=sequence, position=position)
    for (position,) in scene.rows(_STRAY_REQUESTS):
        yield Difference("request-elsewhere", position=position)
    for (position,) in scene.rows(_STRAY_TOKENS):
        yield Difference("token-added", position=position)


def examine_positions(scene: Scene) -> Iterator[Difference]:
    """Positions and numbers have no hole, times and batches follow them, and each stream ends where its row says."""
    last_sequences: dict[int, int] = {}
    for after, through in scene.pages("positions"):
        page = scene.rows(_PAGE, after=after, through=through)
        is_in_order = all(stream[-1] for stream in page)
        # What is in order needs no look at each event.
        runs = [stream[:-1] for stream in page] if is_in_order else scene.rows(_RUNS, after=after, through=through)
        events = sum(run[1] for run in runs)
        scene.checked.events += events
        if events != through - after:
            scene.checked.holes += through - after - events
            yield Difference("position-missing", first=after + 1, last=through, missing=through - after - events)
        for run in runs:
            yield from _run(scene, last_sequences, *run)
        for position, before in () if is_in_order else scene.rows(_BACK, after=after, through=through):
            yield Difference("time-back", position=position, before=before)
        for stream, sequence, position, leads in scene.rows(_BATCHES, after=after, through=through):
            code = "batch-time" if leads else "batch-elsewhere"
            yield Difference(code, stream=stream, sequence=sequence, position=position)
    yield from _stream_ends(scene, last_sequences)


def _run(
    scene: Scene, last_sequences: dict[int, int], stream_id: int, count: int, lowest: int, highest: int, jumps: int
) -> Iterator[Difference]:
    """A page's events of a stream are one run of numbers that goes on where the page before ended."""
    last = last_sequences.get(stream_id, min(lowest, 1) - 1)
    if jumps or highest - lowest + 1 != count or lowest != last + 1:
        scene.checked.holes += 1
        yield Difference("numbers-broken", stream=stream_id, lowest=lowest, highest=highest, before=last)
    last_sequences[stream_id] = highest


def _stream_ends(scene: Scene, last_sequences: dict[int, int]) -> Iterator[Difference]:
    """Compares each stream's row with its batches and events; events newer than the head that was read are allowed for."""
    # The rows are read first: what is appended in between makes *newer* larger, which is allowed for, never smaller.
    streams = scene.rows(_STREAMS)
    newer: dict[int, int] = dict(
        scene.rows("SELECT stream_id, count(*) FROM journal.event WHERE position > %(head)s GROUP BY 1", head=scene.head)
    )
    for stream_id, name, expected, last_batched in streams:
        last = last_sequences.get(stream_id, min(expected, 1) - 1)
        if not last + 1 <= expected <= last + 1 + newer.get(stream_id, 0):
            yield Difference("stream-end", feed=name, expected=expected, last=last)
        elif last_batched + 1 != expected:
            yield Difference("batch-end", feed=name, expected=expected, last=last_batched)
    # Streams that came after their rows were read have events behind the head alone.
    for stream_id in last_sequences.keys() - {row[0] for row in streams}:
        yield Difference("stream-missing", stream=stream_id, last=last_sequences[stream_id])
    gaps = scene.rows(_BATCH_GAPS)
    scene.checked.holes += len(gaps)
    for stream, sequence in gaps:
        yield Difference("batch-gap", stream=stream, sequence=sequence)


# Beyond so many numbers a stream has none: what is compared with them could not even be computed.
_MOST = 1 << 53
_HEAD = """
    SELECT (SELECT max(position) FROM journal.history), h.position,
           CASE WHEN e.position IS NOT NULL THEN COALESCE(h.recorded_at = e.recorded_at, false) END
    FROM journal.head h LEFT JOIN journal.history e USING (position)"""
# Each is one statement, which sees an event and what is beside it together, whatever is appended meanwhile.
_STRAY_EVENTS = "SELECT position, (SELECT position FROM journal.head) FROM journal.history WHERE position < 1 LIMIT 10"
_STRAY_BATCHES = f"""
    SELECT stream_id, first_sequence, first_position FROM journal.batch
    WHERE (first_position BETWEEN 1 AND (SELECT position FROM journal.head) AND first_sequence BETWEEN -1 AND {_MOST}
           AND last_sequence BETWEEN first_sequence AND {_MOST}) IS NOT TRUE LIMIT 10"""  # noqa: S608 (our own text)
_STRAY_CORRECTIONS = """
    SELECT (SELECT name FROM journal.stream s WHERE s.stream_id = c.stream_id), sequence, position FROM journal.correction c
    WHERE position NOT BETWEEN 1 AND (SELECT position FROM journal.head) LIMIT 10"""
_STRAY_REQUESTS = "SELECT position FROM journal.request WHERE position NOT BETWEEN 1 AND (SELECT position FROM journal.head) LIMIT 10"
_STRAY_TOKENS = "SELECT position FROM journal.redeemed_token WHERE position NOT BETWEEN 1 AND (SELECT position FROM journal.head) LIMIT 10"
# Events that follow one another in number and position and were recorded at one time, as those of a batch, are one run. Where each run has
# all its positions, runs in order are events in order, and there are few to sort. By stream: how many events, from which number to which,
# how many runs do not follow the one before, and whether each run is whole and does not go back in time.
_PAGE = """
    SELECT stream_id, sum(count)::bigint, min(lowest), max(highest), count(*) FILTER (WHERE lowest <> before::numeric + 1),
           bool_and(COALESCE(count = highest - lowest::numeric + 1, false) AND COALESCE(recorded_at >= recorded_before, true))
    FROM (SELECT *, lag(highest) OVER (PARTITION BY stream_id ORDER BY first) AS before,
                 lag(recorded_at, 1, (SELECT e.recorded_at FROM journal.history e WHERE e.position = %(after)s)) OVER (ORDER BY first)
                     AS recorded_before
          FROM (SELECT stream_id, recorded_at, count(*), min(sequence) AS lowest, max(sequence) AS highest, min(position) AS first
                FROM journal.history WHERE position > %(after)s AND position <= %(through)s
                GROUP BY stream_id, recorded_at, sequence::float8 - position) r) r
    GROUP BY stream_id ORDER BY stream_id"""
# A page by stream, event by event: how many, from which number to which, and how many do not follow the one before them.
_RUNS = """
    SELECT stream_id, count(*), min(sequence), max(sequence),
           count(*) FILTER (WHERE sequence <> before::numeric + 1) + count(*) - count(sequence) FROM (
        SELECT stream_id, sequence, lag(sequence) OVER (PARTITION BY stream_id ORDER BY position) AS before
        FROM journal.history WHERE position > %(after)s AND position <= %(through)s) e
    GROUP BY stream_id ORDER BY stream_id"""
_BACK = """
    SELECT position, before FROM (
        SELECT position, recorded_at, lag(position) OVER w AS before, lag(recorded_at) OVER w AS recorded_before
        FROM journal.history WHERE position >= %(after)s AND position <= %(through)s WINDOW w AS (ORDER BY position)) e
    WHERE recorded_at < recorded_before LIMIT 10"""
# What lies between the first and the last event of a batch is its own, since the numbers of a stream follow its positions.
_BATCHES = """
    SELECT b.stream_id, b.first_sequence, b.first_position,
           (f.stream_id, f.sequence, l.stream_id, l.sequence)
               IS NOT DISTINCT FROM (b.stream_id, b.first_sequence, b.stream_id, b.last_sequence) AS leads
    FROM journal.batch b
    LEFT JOIN journal.history f ON f.position = b.first_position
    LEFT JOIN journal.history l ON l.position = b.first_position + b.last_sequence - b.first_sequence
    WHERE b.first_position > %(after)s AND b.first_position <= %(through)s
      AND (f.stream_id, f.sequence, f.recorded_at, l.stream_id, l.sequence, l.recorded_at)
          IS DISTINCT FROM (b.stream_id, b.first_sequence, b.recorded_at, b.stream_id, b.last_sequence, b.recorded_at) LIMIT 10"""
_STREAMS = """
    SELECT s.stream_id, s.name, s.next_sequence,
           COALESCE((SELECT b.last_sequence FROM journal.batch b WHERE b.stream_id = s.stream_id ORDER BY b.first_sequence DESC LIMIT 1),
                    LEAST(s.next_sequence, 1) - 1)
    FROM journal.stream s ORDER BY s.stream_id"""
_BATCH_GAPS = """
    SELECT b.stream_id, b.first_sequence FROM (
        SELECT stream_id, first_sequence, lag(last_sequence, 1, LEAST(first_sequence, 1) - 1)
               OVER (PARTITION BY stream_id ORDER BY first_sequence) AS before
        FROM journal.batch) b WHERE b.first_sequence <> b.before + 1"""
