"""The bounded store of the last hours' spans, for machines without a collector: one SQLite file that several processes write.

It is disposable: nothing waits for it, a full or broken disk costs spans only, and it prunes itself by age and by size.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

KEEP_HOURS = 6.0
KEEP_BYTES = 256 * 1024 * 1024
PRUNE_EVERY_S = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS span (
    trace_id BLOB NOT NULL, start_ns INTEGER NOT NULL, service TEXT NOT NULL, data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS span_trace ON span (trace_id);
CREATE INDEX IF NOT EXISTS span_start ON span (start_ns);
CREATE TABLE IF NOT EXISTS link (linked_trace_id BLOB NOT NULL, trace_id BLOB NOT NULL, start_ns INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS link_linked ON link (linked_trace_id);
"""


class Stored(NamedTuple):
    """A span as it is kept, and the service that made it."""

    service: str
    span: Span


class SpanStore:
    """Writes and reads one file; each use opens it again, so that it may be deleted at any time."""

    def __init__(
        self, path: Path, keep_hours: float = KEEP_HOURS, keep_bytes: int = KEEP_BYTES, prune_every_s: float = PRUNE_EVERY_S
    ) -> None:
        """Nothing is opened or made before the first write."""
        self._prune_every_s = prune_every_s
        self.path, self._keep_ns, self._keep_bytes = path, int(keep_hours * 3.6e12), keep_bytes
        self._pruned_at = -prune_every_s

    def write(self, request: ExportTraceServiceRequest) -> None:
        """Adds the spans of an OTLP request; raises sqlite3.Error or OSError when the disk does not take them."""
        stored = [
            Stored(_service(group.resource), span)
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        rows = [(span.trace_id, span.start_time_unix_nano, service, span.SerializeToString()) for service, span in stored]
        links = [(link.trace_id, span.trace_id, span.start_time_unix_nano) for _, span in stored for link in span.links]
        try:
            self._insert(rows, links)
        except sqlite3.OperationalError:
            # A full disk or another writer: the next ones may go in.
            raise
        except sqlite3.DatabaseError:
            # A file that is damaged is of no use to anyone; the hours in it are gone.
            self._discard()
            self._insert(rows, links)

    def _insert(self, rows: Sequence[tuple[bytes, int, str, bytes]], links: Sequence[tuple[bytes, bytes, int]]) -> None:
        with closing(self._open()) as connection, connection:
            connection.executemany("INSERT INTO span (trace_id, start_ns, service, data) VALUES (?, ?, ?, ?)", rows)
            connection.executemany("INSERT INTO link (linked_trace_id, trace_id, start_ns) VALUES (?, ?, ?)", links)
            if time.monotonic() - self._pruned_at > self._prune_every_s:
                self._pruned_at = time.monotonic()
                self._prune(connection)

    def traces_since(self, since_ns: int, limit: int) -> list[bytes]:
        """Returns the ids of traces with a span since an instant, newest first."""
        if not self.path.exists():
            return []
        with closing(self._open()) as connection:
            return [
                row[0]
                for row in connection.execute(
                    "SELECT trace_id FROM span WHERE start_ns >= ? GROUP BY trace_id ORDER BY min(start_ns) DESC LIMIT ?", (since_ns, limit)
                )
            ]

    def spans(self, trace_id: bytes) -> list[Stored]:
        """Returns the spans of a trace in order of their beginning; empty if there is none."""
        return next(self.spans_of([trace_id]))

    def spans_of(self, trace_ids: Iterable[bytes]) -> Iterator[list[Stored]]:
        """Yields the spans of each trace in order of their beginning; empty where there is none."""
        if not self.path.exists():
            yield from ([] for _ in trace_ids)
            return
        with closing(self._open()) as connection:
            for trace_id in trace_ids:
                rows = connection.execute("SELECT service, data FROM span WHERE trace_id = ? ORDER BY start_ns", (trace_id,))
                yield [Stored(service, Span.FromString(data)) for service, data in rows.fetchall()]

    def following(self, trace_id: bytes) -> list[Stored]:
        """Returns the spans of other traces that link to this one, such as the folds of its events, in order of their beginning."""
        if not self.path.exists():
            return []
        with closing(self._open()) as connection:
            rows = connection.execute(
                """SELECT DISTINCT s.service, s.data, s.start_ns
                   FROM link l JOIN span s ON s.trace_id = l.trace_id AND s.start_ns = l.start_ns
                   WHERE l.linked_trace_id = ? ORDER BY s.start_ns""",
                (trace_id,),
            ).fetchall()
        return [stored for stored in (Stored(row[0], Span.FromString(row[1])) for row in rows) if stored.span.links]

    def with_prefix(self, prefix: str) -> list[bytes]:
        """Returns the ids of traces that begin with hexadecimal digits."""
        low, high = bytes.fromhex(prefix.ljust(32, "0")), bytes.fromhex(prefix.ljust(32, "f"))
        if not self.path.exists():
            return []
        with closing(self._open()) as connection:
            found = connection.execute("SELECT DISTINCT trace_id FROM span WHERE trace_id BETWEEN ? AND ? LIMIT 10", (low, high))
            return [row[0] for row in found]

    def _discard(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.touch(mode=0o600)
        connection = sqlite3.connect(self.path, timeout=2.0)
        # Losing the last spans in a crash of the machine costs nothing that must be kept.
        connection.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA journal_size_limit = 4194304; {_SCHEMA}")
        return connection

    def _prune(self, connection: sqlite3.Connection) -> None:
        """Deletes what is too old, and of the oldest what is too much; freed pages are used again."""
        _forget(connection, time.time_ns() - self._keep_ns)
        pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
        if (used := (pages - free) * size) > self._keep_bytes:
            # A tenth more than must go, so that it need not go on at once.
            share = 1 - 0.9 * self._keep_bytes / used
            cut = connection.execute(
                "SELECT start_ns FROM span ORDER BY start_ns LIMIT 1 OFFSET (SELECT CAST(count(*) * ? AS INTEGER) FROM span)", (share,)
            ).fetchone()
            _forget(connection, cut[0] + 1)


def _forget(connection: sqlite3.Connection, before_ns: int) -> None:
    for table in ("span", "link"):
        connection.execute(f"DELETE FROM {table} WHERE start_ns < ?", (before_ns,))  # noqa: S608 (two constants)


class StoreExporter(SpanExporter):
    """The way of a process's own spans into the store."""

    def __init__(self, store: SpanStore) -> None:
        """*store* may be shared."""
        self._store = store

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Writes them; FAILURE when the disk does not take them."""
        try:
            self._store.write(encode_spans(spans))
        except (sqlite3.Error, OSError):
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Has nothing open."""


def _service(resource: object) -> str:
    return next((str(a.value.string_value) for a in getattr(resource, "attributes", ()) if a.key == "service.name"), "")
