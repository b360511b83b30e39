"""One cheap reading of the hub's state from its database: how far the journal, the views and the feeds are, and how the database is.

It makes a few index look-ups, each a transaction of its own: no count over the journal and no snapshot that stays open. Ages are taken
by the database's clock, which also stamps `recorded_at`; the hub's own clock is only compared with it.
"""

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from hub.journal.sessions import session
from hub.processes import losses
from hub.projections import DECIDED_BY, PROJECTIONS
from hub.projections.waiting import waiting

DECIDING = frozenset(projection.name for projection in DECIDED_BY)
# From when on a view is late: no answer rests on the others, which follow at their own pace.
LATE_S, OTHERS_LATE_S = 1.0, 60.0
# A sealer seals every second. Beyond the first limit it does not keep up; beyond the second nobody seals.
UNSEALED_LATE_S, UNSEALED_LONG_S = 10.0, 600.0
# The losses are no view, but keep a checkpoint like one and are late like one.
FOLLOWERS = (*(projection.name for projection in PROJECTIONS), losses.CHECKPOINT)
# Where everything parks, their exact number says no more.
PARKED_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class ViewVitals:
    """A view: *lag_s* is the age of the oldest event it has not folded, *is_equal* what its last rebuild found (None: no rebuild yet)."""

    name: str
    position: int
    lag_events: int
    lag_s: float
    parked: int
    is_equal: bool | None
    # The archived segment that it waits for, empty if for none.
    waits_for: str = ""

    @property
    def is_late(self) -> bool:
        """Whether it is later than a view of its class may be."""
        return self.lag_s > (LATE_S if self.name in DECIDING else OTHERS_LATE_S)


@dataclass(frozen=True, slots=True)
class FeedVitals:
    """A feed: *silence_s* is the time since its last event, None while it has none."""

    name: str
    owner: str
    last_sequence: int
    silence_s: float | None
    quarantined: int


@dataclass(frozen=True, slots=True)
class DatabaseVitals:
    """The server: *connections* by state, *oldest_snapshot_s* the age of the oldest transaction that keeps old row versions alive.

    It is None where the login does not see other logins' transactions (it needs pg_monitor): what is not seen is not zero.
    """

    size_bytes: int
    connections: dict[str, int]
    connections_max: int
    oldest_snapshot_s: float | None


@dataclass(frozen=True, slots=True)
class StandbyVitals:
    """A standby as its primary sees it: *state* is PostgreSQL's, or `away`; *waits* is `sync` or `quorum` where commits wait for it.

    *lag_s* is how long it takes to have a commit on disk, or how long it has been away (None: nobody knows).
    """

    name: str
    state: str
    waits: str
    behind_bytes: int
    lag_s: float | None
    is_lost: bool


@dataclass(frozen=True, slots=True)
class ClockVitals:
    """The hub's clock minus the database's: the truth lies within *uncertainty_s* (half a round trip) of *drift_s*."""

    drift_s: float
    uncertainty_s: float

    def is_beyond(self, limit_s: float) -> bool:
        """Whether the clocks certainly differ by more than a limit."""
        return abs(self.drift_s) - self.uncertainty_s > limit_s


@dataclass(frozen=True, slots=True)
class LogVitals:
    """The log: *size* is what its last signed head covers (0: none yet), *unsealed_s* the age of the oldest event beyond it."""

    origin: str
    size: int
    unsealed_events: int
    unsealed_s: float

    @property
    def is_late(self) -> bool:
        """Whether the sealer does not keep up."""
        return self.unsealed_s > UNSEALED_LATE_S


@dataclass(frozen=True, slots=True)
class Vitals:
    """Everything at once; *recorded_at* is None for an empty journal, *disk_free_bytes* where no path was given.

    *follows_s* is how far a standby is behind its primary, None of a primary; *lacks_standby* means that commits wait for one that is away.
    """

    position: int
    recorded_at: datetime | None
    partitions_ahead: int
    views: tuple[ViewVitals, ...]
    feeds: tuple[FeedVitals, ...]
    database: DatabaseVitals
    clock: ClockVitals
    log: LogVitals
    disk_free_bytes: int | None
    standbys: tuple[StandbyVitals, ...] = ()
    lacks_standby: bool = False
    follows_s: float | None = None


def connect(dsn: str) -> psycopg.Connection:
    """Opens a connection that only reads, as the login itself: a lesser role cannot see how old others' snapshots are."""
    settings = {"default_transaction_read_only": "on", "statement_timeout": "10s"}
    return session(dsn, None, "hub-vitals", settings, connect_timeout_s=5)


def read(connection: psycopg.Connection, disk: Path | None = None) -> Vitals:
    """Takes the whole reading; *disk* is a path on the disk to look at. Raises psycopg.errors.UndefinedTable before the views are made."""
    clock = read_clock(connection)
    row: Any = connection.execute(_JOURNAL).fetchone()
    position, recorded_at, partitions_ahead = row
    return Vitals(
        position,
        recorded_at.astimezone(UTC) if position else None,
        partitions_ahead,
        read_views(connection),
        read_feeds(connection),
        read_database(connection),
        clock,
        read_log(connection),
        disk_free(disk) if disk else None,
        *read_replication(connection),
    )


def read_clock(connection: psycopg.Connection) -> ClockVitals:
    """Compares the clocks in one round trip."""
    began = time.monotonic()
    row: Any = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    half_s = (time.monotonic() - began) / 2
    return ClockVitals(time.time() - half_s - row[0], half_s)


def read_views(connection: psycopg.Connection) -> tuple[ViewVitals, ...]:
    """Reads how far each view and the loss process are, in the order of their declaration."""
    rows = {row[0]: row for row in connection.execute(_VIEWS, {"views": list(FOLLOWERS), "most": PARKED_AT_MOST}).fetchall()}
    waits = waiting(connection)
    return tuple(ViewVitals(*rows[name], waits_for=waits.get(name, "")) for name in FOLLOWERS if name in rows)


def read_feeds(connection: psycopg.Connection) -> tuple[FeedVitals, ...]:
    """Reads how far each feed is, by name."""
    return tuple(FeedVitals(*fields) for fields in connection.execute(_FEEDS).fetchall())


def partitions_ahead(connection: psycopg.Connection) -> int:
    """Counts the partitions that lie wholly ahead of the head."""
    row: Any = connection.execute(_JOURNAL).fetchone()
    return int(row[2])


def read_log(connection: psycopg.Connection) -> LogVitals:
    """Reads how far the log is sealed."""
    row: Any = connection.execute(_LOG).fetchone()
    return LogVitals(*row)


def read_database(connection: psycopg.Connection) -> DatabaseVitals:
    """Reads how the server is."""
    row: Any = connection.execute(_DATABASE).fetchone()
    size, most, oldest_s = row
    return DatabaseVitals(size, dict(connection.execute(_CONNECTIONS).fetchall()), most, oldest_s)


def read_replication(connection: psycopg.Connection) -> tuple[tuple[StandbyVitals, ...], bool, float | None]:
    """Reads the standbys of a primary, whether it waits for one that is away, and how far behind its primary a standby is."""
    row: Any = connection.execute(f"SELECT {LACKS_STANDBY}, {FOLLOWS_S}").fetchone()
    return tuple(StandbyVitals(*fields) for fields in connection.execute(_STANDBYS).fetchall()), row[0], row[1]


def disk_free(path: Path) -> int | None:
    """Returns the free bytes of the disk that a path, or the nearest directory above it, lies on; None where it is unknown."""
    with suppress(OSError):
        return shutil.disk_usage(next(known for known in (path, *path.resolve().parents) if known.exists())).free
    return None


PARTITIONS_AHEAD = """(SELECT count(*) FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid
    WHERE i.inhparent = 'journal.event'::regclass AND substr(p.relname, 7)::bigint * h.partition_size > h.position)"""
# The age of the oldest event beyond a checkpoint `c`, with `h` the head; the next position may be missing, so the next one that is there.
LAG_S = """CASE WHEN c.position >= h.position THEN 0 ELSE GREATEST(0, COALESCE((
    SELECT extract(epoch FROM clock_timestamp() - e.recorded_at)::float8
    FROM journal.event e WHERE e.position > c.position ORDER BY e.position LIMIT 1), 0)) END"""
# Whether commits wait for a synchronous standby and none is there. Who may not see other logins' sessions does not know.
LACKS_STANDBY = """(current_setting('synchronous_standby_names') <> '' AND NOT pg_is_in_recovery()
    AND pg_has_role('pg_read_all_stats', 'USAGE')
    AND NOT EXISTS (SELECT FROM pg_stat_replication r WHERE r.state = 'streaming' AND r.sync_state IN ('sync', 'quorum')))"""
# How far a standby is behind its primary: not at all while it has replayed all that comes in; NULL of a primary.
FOLLOWS_S = """CASE WHEN pg_is_in_recovery() THEN
    CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
              AND EXISTS (SELECT FROM pg_stat_wal_receiver w WHERE w.status = 'streaming') THEN 0
    ELSE GREATEST(0, extract(epoch FROM clock_timestamp()
                     - COALESCE(pg_last_xact_replay_timestamp(), pg_postmaster_start_time())))::float8 END END"""
# Known by what the primary keeps for them, also while they are away; a login without pg_monitor does not see them.
_STANDBYS = """
    SELECT COALESCE(r.application_name, s.slot_name), COALESCE(r.state, 'away'),
           CASE WHEN r.sync_state IN ('sync', 'quorum') THEN r.sync_state ELSE '' END,
           GREATEST(0, pg_wal_lsn_diff(pg_current_wal_lsn(), COALESCE(r.flush_lsn, s.restart_lsn)))::bigint,
           extract(epoch FROM CASE WHEN r.pid IS NULL THEN clock_timestamp() - s.inactive_since
                              ELSE COALESCE(r.flush_lag, interval '0') END)::float8,
           COALESCE(s.wal_status = 'lost', false)
    FROM pg_stat_replication r FULL JOIN (SELECT * FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT temporary) s
         ON s.active_pid = r.pid
    WHERE NOT pg_is_in_recovery() AND pg_has_role('pg_read_all_stats', 'USAGE') AND COALESCE(r.state, '') <> 'backup' ORDER BY 1"""
_JOURNAL = f"SELECT h.position, h.recorded_at, {PARTITIONS_AHEAD} FROM journal.head h"  # noqa: S608 (our own text)
_VIEWS = f"""
    SELECT c.view, c.position, GREATEST(0, h.position - c.position), {LAG_S},
           (SELECT count(*) FROM (SELECT FROM views.parked p WHERE p.view = c.view LIMIT %(most)s) p), v.is_equal
    FROM views.checkpoint c CROSS JOIN journal.head h LEFT JOIN views.verification v USING (view)
    WHERE c.view = ANY (%(views)s)"""  # noqa: S608 (our own text)
# A signed head of size n covers the positions up to n - 1, so the tail begins where LAG_S would look beyond a checkpoint.
_LOG = f"""
    SELECT c.origin, c.size, GREATEST(0, h.position - c.position), {LAG_S}
    FROM journal.head h, (
        SELECT COALESCE(max(i.origin), '') AS origin, COALESCE(max(p.size), 0) AS size, COALESCE(max(p.size) - 1, 0) AS position
        FROM (SELECT incarnation, origin FROM tlog.incarnation ORDER BY incarnation DESC LIMIT 1) i
        LEFT JOIN LATERAL (SELECT size FROM tlog.checkpoint t WHERE t.incarnation = i.incarnation ORDER BY size DESC LIMIT 1) p ON true) c
    """  # noqa: S608 (our own text)
_FEEDS = """
    SELECT s.name, s.owner, s.next_sequence - 1,
           (SELECT GREATEST(0, extract(epoch FROM clock_timestamp() - b.recorded_at))::float8
            FROM journal.batch b WHERE b.stream_id = s.stream_id ORDER BY b.first_sequence DESC LIMIT 1),
           COALESCE((SELECT f.quarantined FROM views.feed_progress f WHERE f.stream_id = s.stream_id), 0)
    FROM journal.stream s WHERE s.is_feed ORDER BY s.name"""
# An open transaction holds back the removal of old row versions by its snapshot, or by having written.
_DATABASE = """
    SELECT pg_database_size(current_database()), current_setting('max_connections')::int,
           CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN
               COALESCE((SELECT max(extract(epoch FROM clock_timestamp() - a.xact_start))::float8 FROM pg_stat_activity a
                         WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
                           AND a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()), 0)
           END"""
_CONNECTIONS = """
    SELECT COALESCE(a.state, 'unknown'), count(*) FROM pg_stat_activity a WHERE a.backend_type = 'client backend' GROUP BY 1 ORDER BY 1"""
