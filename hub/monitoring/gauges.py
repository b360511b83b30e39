"""Publishes the hub's vitals as gauges every two seconds, from a thread and a connection of its own.

While the database is away its gauges have no points: an alert must see that nothing is known rather than what was true before.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from hub.audit.verdicts import Verdict
from hub.domain.participant import PREFIX
from hub.monitoring import vitals
from hub.monitoring.hole_watch import HoleWatch
from hub.monitoring.vitals import FeedVitals, Vitals
from hub.telemetry import names
from hub.telemetry.instruments import Gauge, Labels
from hub.telemetry.outage import Outage

# What a day of a certificate is in the unit of the metric.
DAY_S = 86_400

log = logging.getLogger(__name__)

EVERY_S = 2.0
# Certificates last for months, and to know them all takes reading every participant. A check is made once a night.
CERTIFICATES_EVERY_S = 60.0
STOP_PATIENCE_S = 2.0

Days = Callable[[], Mapping[str, float]]
LastCheck = Callable[[], Verdict | None]


class VitalsPublisher:
    """Publishes in a thread from `start` to `stop`; survives restarts of the database."""

    def __init__(
        self, dsn: str, disk: Path, certificate_days: Days, every_s: float = EVERY_S, *, last_check: LastCheck = lambda: None
    ) -> None:
        """*disk* is a path on the disk to look at; *certificate_days* says how long each certificate runs, *last_check* what fsck found."""
        self._dsn, self._disk, self._certificate_days, self._every_s = dsn, disk, certificate_days, every_s
        self._last_check = last_check
        self._stop = threading.Event()
        self._watch = HoleWatch()
        self._certificates_at = -CERTIFICATES_EVERY_S
        self._reason = "正在启动 starting"
        # A daemon, since it may wait for a database that is stopped rather than gone.
        self._thread = threading.Thread(target=self._run, name="vitals", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._stop.set()
        self._thread.join(STOP_PATIENCE_S)

    def report(self) -> dict[str, str]:
        """Returns why a process that only follows the journal is not ready, "" if it is: its readiness is its database's."""
        return {"database": self._reason}

    def _run(self) -> None:
        outage = Outage(log, "vitals")
        while not self._stop.is_set():
            try:
                with vitals.connect(self._dsn) as connection:
                    while not self._stop.is_set():
                        self._publish(connection)
                        outage.over()
                        self._stop.wait(self._every_s)
            except psycopg.Error as error:
                outage.failed(error)
            except Exception:
                # What only looks must not end, nor end anything.
                log.exception("vitals: fault of the hub; trying again")
            self._reason = "数据库不可读 database: cannot be read"
            withdraw()
            self._stop.wait(self._every_s)

    def _publish(self, connection: psycopg.Connection) -> None:
        publish(vitals.read(connection, self._disk))
        names.HOLES.set(self._watch.look(connection))
        self._reason = ""
        if time.monotonic() - self._certificates_at >= CERTIFICATES_EVERY_S:
            names.CERTIFICATE_EXPIRY.replace({(name,): days * DAY_S for name, days in self._certificate_days().items()})
            publish_check(self._last_check())
            self._certificates_at = time.monotonic()


@contextmanager
def publishing(dsn: str, disk: Path, certificate_days: Days, last_check: LastCheck) -> Iterator[VitalsPublisher]:
    """Publishes as long as the context lasts."""
    publisher = VitalsPublisher(dsn, disk, certificate_days, last_check=last_check)
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop()


def publish(read: Vitals) -> None:
    """Sets every gauge that a reading has a value for."""
    for gauge, points in _GAUGES:
        gauge.replace(points(read))


def publish_check(verdict: Verdict | None) -> None:
    """Sets what the last check came to; where none is known there are no points."""
    gauges = names.FSCK_AGE, names.FSCK_POSITION, names.FSCK_DIFFERENCES
    values: tuple[float, ...] = ()
    if verdict is not None:
        values = max(0.0, time.time() - verdict.at_us / 1e6), verdict.head, max(verdict.differences, int(not verdict.is_clean))
    for gauge, value in itertools.zip_longest(gauges, values):
        points: dict[tuple[str, ...], float] = {} if value is None else {(): value}
        gauge.replace(points)


def withdraw() -> None:
    """Leaves the gauges of a reading without points."""
    for gauge in (names.HOLES, *(gauge for gauge, _ in _GAUGES)):
        gauge.replace({})


def _of_feeds(read: Vitals, value: Callable[[FeedVitals], float | None]) -> dict[Labels, float]:
    found = {(feed.owner.removeprefix(PREFIX), feed.name): value(feed) for feed in read.feeds}
    return {labels: number for labels, number in found.items() if number is not None}


def _oldest_snapshot(read: Vitals) -> Mapping[Labels, float]:
    age_s = read.database.oldest_snapshot_s
    return {} if age_s is None else {(): age_s}


_GAUGES: tuple[tuple[Gauge, Callable[[Vitals], Mapping[Labels, float]]], ...] = (
    (names.HEAD_POSITION, lambda read: {(): read.position}),
    (names.LOG_UNSEALED_EVENTS, lambda read: {(): read.log.unsealed_events}),
    (names.LOG_UNSEALED, lambda read: {(): read.log.unsealed_s}),
    (names.FEED_SEQUENCE, lambda read: _of_feeds(read, lambda feed: feed.last_sequence)),
    (names.FEED_SILENCE, lambda read: _of_feeds(read, lambda feed: feed.silence_s)),
    (names.VIEW_POSITION, lambda read: {(view.name,): view.position for view in read.views}),
    (names.VIEW_LAG_EVENTS, lambda read: {(view.name,): view.lag_events for view in read.views}),
    (names.VIEW_LAG, lambda read: {(view.name,): view.lag_s for view in read.views}),
    (names.VIEW_PARKED, lambda read: {(view.name,): view.parked for view in read.views}),
    (names.VIEW_DIFFERS, lambda read: {(view.name,): not view.is_equal for view in read.views if view.is_equal is not None}),
    (names.DATABASE_SIZE, lambda read: {(): read.database.size_bytes}),
    (names.DATABASE_CONNECTIONS, lambda read: {(state,): count for state, count in read.database.connections.items()}),
    (names.DATABASE_CONNECTIONS_MAX, lambda read: {(): read.database.connections_max}),
    (names.DATABASE_OLDEST_SNAPSHOT, _oldest_snapshot),
    (names.STANDBY_MISSING, lambda read: {} if read.follows_s is not None else {(): read.lacks_standby}),
    (names.STANDBY_LAG, lambda read: {(one.name,): one.lag_s for one in read.standbys if one.lag_s is not None}),
    (names.STANDBY_BEHIND, lambda read: {(one.name,): one.behind_bytes for one in read.standbys}),
    (names.REPLAY_LAG, lambda read: {} if read.follows_s is None else {(): read.follows_s}),
    (names.CLOCK_DRIFT, lambda read: {(): read.clock.drift_s}),
    (names.DISK_FREE, lambda read: {} if read.disk_free_bytes is None else {(): read.disk_free_bytes}),
)
