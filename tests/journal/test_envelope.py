"""The leaf of an event: the same by the writer, in Python and in SQL, and every row that is inserted has it."""

import random
import struct
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import hub_decisions_pb2
from psycopg import pq

from hub.domain.looks import Look, Looker
from hub.journal.batch import PG_EPOCH_US, Batch, Tail, pack_tail
from hub.journal.envelope import entry, inner_hash, leaf_hash
from hub.journal.group import commit_group, write_rows
from hub.journal.looks import record_look
from hub.journal.statements import run
from hub.journal.writer_connection import SESSION
from tests.projections.test_projections import record_a_history
from tests.recording import SICHUAN, Recording, about

ROWS = 2_000
OF_ROWS = """
    SELECT e.position, (extract(epoch FROM e.recorded_at) * 1000000)::bigint, e.sequence, s.name,
           (extract(epoch FROM e.occurred_at) * 1000000)::bigint, e.kind, e.digest, e.data, e.leaf,
           journal.leaf(e.position, e.recorded_at, e.sequence, s.name, e.occurred_at, e.kind, e.digest, e.data)
    FROM journal.event e JOIN journal.stream s USING (stream_id) ORDER BY e.position"""


def leaf_of(position: int, at_us: int, sequence: int, stream: str, occurred_us: int | None, kind: str, digest: Any, data: Any) -> bytes:
    inner = inner_hash(digest, occurred_us, data)
    return leaf_hash(entry(position, at_us, sequence, stream.encode(), kind.encode(), digest, inner))


def rows_of(dsn: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(OF_ROWS).fetchall()


def test_the_bytes_of_an_entry_are_as_the_format_says() -> None:
    digest, data = bytes(range(32)), b"event"
    inner = sha256(digest[16:] + struct.pack(">q", 7) + data).digest()
    written = entry(3, 5, 2, b"sc.usage", b"shown", digest, inner_hash(digest, 7, data))
    assert written == b"\x01" + struct.pack(">QqQ", 3, 5, 2) + b"\x08sc.usage" + b"\x05shown" + b"\x10" + digest[:16] + inner
    assert leaf_hash(written) == sha256(b"\0" + written).digest()
    assert inner_hash(None, None, data) == sha256(b"\x80" + bytes(7) + data).digest()


def test_sql_and_python_make_the_same_leaf_of_any_row(dsn: str) -> None:
    rng = random.Random(20_261_129)
    rows = [
        (
            rng.randrange(1, 2**62),
            rng.randrange(0, 4_000_000_000_000_000),
            rng.randrange(0, 2**62),
            rng.choice(["sc.card-center", "hub.decisions", "一卡通", "x" * 255]),
            rng.choice([None, rng.randrange(-4_000_000_000_000_000, 4_000_000_000_000_000)]),
            rng.choice(["decision_made", "k", ""]),
            rng.choice([None, b"", rng.randbytes(10), rng.randbytes(16), rng.randbytes(32)]),
            rng.randbytes(rng.choice([0, 1, 200, 4_000])),
        )
        for _ in range(ROWS)
    ]
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            """SELECT journal.leaf(position, '1970-01-01Z'::timestamptz + recorded * interval '1 microsecond', sequence, stream,
                                   '1970-01-01Z'::timestamptz + occurred * interval '1 microsecond', kind, digest, data)
            FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::bytea[], %s::bytea[])
                 WITH ORDINALITY r (position, recorded, sequence, stream, occurred, kind, digest, data, n) ORDER BY n""",
            [list(column) for column in zip(*rows, strict=True)],
        ).fetchall()
    assert [bytes(leaf) for (leaf,) in found] == [leaf_of(*row) for row in rows]


@pytest.fixture
def connection(dsn: str) -> Iterator[pq.PGconn]:
    """A writer's session."""
    connection = pq.PGconn.connect(dsn.encode())
    run(connection, SESSION.encode())
    yield connection
    connection.finish()


def test_whatever_is_recorded_has_its_leaf_and_a_digest(dsn: str, journal: Recording, connection: pq.PGconn) -> None:
    record_a_history(dsn, journal)
    record_look(dsn, Looker(SICHUAN), Look(None, hub_decisions_pb2.SHOWN_RECORD_LIVES), time.time_ns() // 1_000)
    for function, more in (("append_answers", ", ARRAY['answer']"), ("append_decisions", "")):
        run(
            connection,
            f"""SELECT FROM journal.{function}((SELECT stream_id FROM journal.stream WHERE name = 'hub.decisions'),
            ARRAY['{function}'::bytea], ARRAY[0::bigint]{more}, ARRAY['data'::bytea], ARRAY[''])""".encode(),
        )
    rows = rows_of(dsn)
    assert len(rows) > 70
    assert len({row[3] for row in rows}) > 5
    for *columns, leaf, by_sql in rows:
        assert columns[6] is not None
        assert leaf == by_sql == leaf_of(*columns)


def test_a_batch_that_overlaps_has_the_leaves_of_its_places(dsn: str, journal: Recording, connection: pq.PGconn) -> None:
    first = journal.append(about("A00000001"), about("A00000002"))
    tails = _tails(3)
    digests = [bytes([number]) * 32 for number in range(3)]
    for known in (1, 3):
        commit_group(connection, [Batch(journal.streams["sc.usage"], SICHUAN, 1, tails[:known], digests[:known])])
    rows = rows_of(dsn)
    assert (first, [row[0] for row in rows]) == ([1, 2], [1, 2, 3, 4, 5])
    assert all(leaf == by_sql for *_, leaf, by_sql in rows)


def _tails(count: int) -> list[Tail]:
    return [pack_tail(0, b"identity_presented", bytes([number]) * 32, b"event") for number in range(count)]


def test_a_group_of_the_release_before_is_taken_without_leaves(dsn: str, journal: Recording, connection: pq.PGconn) -> None:
    stream, now_us = journal.streams["sc.usage"], time.time_ns() // 1_000
    found = run(connection, f"BEGIN; SELECT * FROM journal.lock_group('{{{stream}}}'::bigint[], {now_us})".encode())
    head, recorded_us = int(found.get_value(0, 0) or 0), int(found.get_value(0, 1) or 0)
    assert (found.nfields, recorded_us > now_us - PG_EPOCH_US - 60_000_000) == (4, True)
    columns = _tails(1)[0][0][:-4]
    row = struct.pack(">hiqiqiqiq", 8, 8, head + 1, 8, recorded_us, 8, stream, 8, 1) + columns
    run(
        connection,
        f"""SELECT journal.close_group({head + 1}, {recorded_us}, '{{{stream}}}', '{{2}}',
            '{{{stream}}}', '{{1}}', '{{1}}', '{{{head + 1}}}', '{{""}}', '{{}}', '{{}}', '{{}}');
        COPY journal.event (position, recorded_at, stream_id, sequence, occurred_at, kind, digest, data)
        FROM STDIN (FORMAT BINARY); COMMIT""".encode(),
    )
    write_rows(connection, [row])
    [row_of] = rows_of(dsn)
    assert row_of[-2:] == (None, leaf_of(*row_of[:-2]))
