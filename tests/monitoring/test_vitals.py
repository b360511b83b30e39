"""What the hub shows of its own state, on a real PostgreSQL: how late, how silent, what is missing, what differs, who holds what open."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from hub.audit import fsck, verdicts
from hub.monitoring import vitals
from hub.monitoring.gauges import VitalsPublisher
from hub.monitoring.hole_watch import HoleWatch
from hub.monitoring.vitals import ClockVitals, FeedVitals, LogVitals, ViewVitals, Vitals
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.projections.rebuild import RebuiltViewDiffers, rebuild
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.telemetry import names
from tests.databases import fresh_database
from tests.recording import CHONGQING, Recording, journey, lost, registered


@pytest.fixture(scope="module")
def journal_of_eight(server_dsn: str) -> Iterator[str]:
    """The database of eight events, none of them folded: positions 1 to 4 in cq.card-center, 5 to 8 in cq.usage. Not to be changed."""
    with fresh_database(server_dsn, f"hub_test_{os.getpid()}_vitals") as dsn:
        recorded(dsn).close()
        yield dsn


@pytest.fixture
def connection(journal_of_eight: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection to it, in a transaction that is taken back."""
    with psycopg.connect(journal_of_eight, autocommit=True) as connection, connection.transaction(force_rollback=True):
        yield connection


@pytest.fixture
def journal(dsn: str) -> Iterator[Recording]:
    """The same in a database of its own."""
    recording = recorded(dsn)
    yield recording
    recording.close()


def recorded(dsn: str) -> Recording:
    recording = Recording(dsn)
    recording.append(registered("A00000001"), lost("A00000001"), registered("A00000002"), lost("A00000002"), feed="cq.card-center")
    recording.append(journey(), journey(), journey(), journey())
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
    return recording


def plant(dsn: str, statement: str) -> None:
    """Changes the database as only a superuser can."""
    with psycopg.connect(dsn) as connection:
        connection.execute(statement.encode())


def of_view(found: Vitals, name: str = "daily_usage") -> ViewVitals:
    return next(one for one in found.views if one.name == name)


def of_feed(found: Vitals, name: str) -> FeedVitals:
    return next(one for one in found.feeds if one.name == name)


def until(is_so: Callable[[], bool], within_s: float = 10.0) -> None:
    give_up = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.02)


# Journal and views


def test_the_head_is_told_with_the_instant_of_its_commit(connection: psycopg.Connection) -> None:
    found = vitals.read(connection)
    assert found.position == 8
    assert found.recorded_at is not None
    assert datetime.now(UTC) - found.recorded_at < timedelta(minutes=5)


def test_an_empty_journal_has_no_last_commit(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE journal.head SET position = 0, recorded_at = '2000-01-01Z'")
    assert vitals.read(connection).recorded_at is None


def test_a_view_that_has_folded_everything_is_not_late(connection: psycopg.Connection) -> None:
    runner.catch_up(connection)
    connection.execute("UPDATE journal.event SET recorded_at = recorded_at - interval '1 hour'")
    found = of_view(vitals.read(connection))
    assert found == ViewVitals("daily_usage", position=8, lag_events=0, lag_s=0.0, parked=0, is_equal=None)


def test_a_view_is_as_late_as_the_oldest_event_it_has_not_folded(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE views.checkpoint SET position = 5")
    connection.execute("UPDATE journal.event SET recorded_at = recorded_at - interval '1 hour' WHERE position = 6")
    connection.execute("UPDATE journal.event SET recorded_at = recorded_at - interval '2 hours' WHERE position = 5")
    late = of_view(vitals.read(connection))
    assert (late.position, late.lag_events, round(late.lag_s / 3600, 1)) == (5, 3, 1.0)


def test_a_hole_right_behind_the_checkpoint_does_not_hide_that_a_view_is_late(connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM journal.event WHERE position = 1")
    connection.execute("UPDATE journal.event SET recorded_at = recorded_at - interval '1 hour' WHERE position = 2")
    assert round(of_view(vitals.read(connection)).lag_s / 3600, 1) == 1.0


def test_parked_events_are_counted_by_view(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO views.parked VALUES ('daily_usage', 'a', 5, 'E'), ('daily_usage', 'a', 6, 'E'), ('other', 'a', 5, 'E')")
    assert {one.name: one.parked for one in vitals.read(connection).views if one.parked} == {"daily_usage": 2}


def test_where_everything_parks_the_count_ends(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO views.parked SELECT 'daily_usage', 'a', n, 'E' FROM generate_series(1, 10100) n")
    assert of_view(vitals.read(connection)).parked == 10_000


def test_the_loss_process_is_told_like_a_view(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO views.checkpoint (view, position) VALUES ('process.loss', 3)")
    assert of_view(vitals.read(connection), "process.loss").lag_events == 5


def test_partitions_ahead_are_counted(connection: psycopg.Connection) -> None:
    connection.execute("DROP TABLE journal.event_000002")
    assert vitals.read(connection).partitions_ahead == 1


def test_the_log_is_as_late_as_the_oldest_event_beyond_its_last_head(connection: psycopg.Connection) -> None:
    assert replace(vitals.read_log(connection), unsealed_s=0.0) == LogVitals("", 0, 8, 0.0)
    connection.execute("INSERT INTO tlog.incarnation VALUES (1, 'log/1', ''), (2, 'log/2', '')")
    connection.execute("INSERT INTO tlog.checkpoint VALUES (1, 9, '', ''), (2, 4, '', ''), (2, 6, '', '')")
    connection.execute("UPDATE journal.event SET recorded_at = recorded_at - interval '1 hour' WHERE position = 6")
    connection.execute("UPDATE journal.event SET recorded_at = recorded_at - interval '2 hours' WHERE position = 5")
    found = vitals.read_log(connection)
    assert (found.origin, found.size, found.unsealed_events, round(found.unsealed_s / 3600, 1), found.is_late) == ("log/2", 6, 3, 1.0, True)
    connection.execute("INSERT INTO tlog.checkpoint VALUES (2, 9, '', '')")
    assert vitals.read_log(connection) == LogVitals("log/2", 9, 0, 0.0)


# Live and rebuilt


def test_fsck_leaves_word_whether_each_view_is_equal(journal: Recording, dsn: str) -> None:
    with runner.connect(dsn) as views:
        runner.catch_up(views)
        fsck.check(dsn)
        assert {one.is_equal for one in vitals.read_views(views)} == {True}
        views.execute("UPDATE views.daily_usage SET amount_fen = amount_fen + 1")
        fsck.check(dsn)
        assert {one.name for one in vitals.read_views(views) if one.is_equal is False} == {"daily_usage"}


def test_a_refused_switch_leaves_word_that_the_view_differs(journal: Recording, dsn: str) -> None:
    with runner.connect(dsn) as views:
        runner.catch_up(views)
        views.execute("UPDATE views.daily_usage SET amount_fen = amount_fen + 1")
        with pytest.raises(RebuiltViewDiffers):
            rebuild(views, DAILY_USAGE)
        assert of_view(vitals.read(views)).is_equal is False


def test_a_view_that_was_switched_is_equal_again(connection: psycopg.Connection) -> None:
    runner.catch_up(connection)
    connection.execute("UPDATE views.daily_usage SET amount_fen = amount_fen + 1")
    rebuild(connection, DAILY_USAGE, even_if_different=True)
    assert of_view(vitals.read(connection)).is_equal is True


# Feeds


def test_a_feed_is_told_with_its_owner_and_last_sequence(connection: psycopg.Connection) -> None:
    found = of_feed(vitals.read(connection), "cq.usage")
    assert (found.owner, found.last_sequence) == (CHONGQING, 4)


def test_a_feed_is_silent_since_its_last_batch(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE journal.batch SET recorded_at = recorded_at - interval '10 hours'")
    silence_s = of_feed(vitals.read(connection), "cq.usage").silence_s
    assert silence_s is not None
    assert round(silence_s / 3600, 1) == 10.0


def test_a_feed_without_events_is_not_silent(connection: psycopg.Connection) -> None:
    assert of_feed(vitals.read(connection), "sc.usage").silence_s is None


def test_quarantined_events_of_a_feed_are_counted(connection: psycopg.Connection) -> None:
    runner.catch_up(connection)
    connection.execute(
        "UPDATE views.feed_progress f SET quarantined = 3 FROM journal.stream s WHERE s.stream_id = f.stream_id AND s.name = 'cq.usage'"
    )
    assert of_feed(vitals.read(connection), "cq.usage").quarantined == 3


def test_aggregates_are_no_feeds(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO journal.stream (name, owner, is_feed, next_sequence) VALUES ('an id', 'an id', false, 1)")
    names = [one.name for one in vitals.read(connection).feeds]
    assert names == ["cq.card-center", "cq.usage", "sc.card-center", "sc.usage"]


# The database and its surroundings


def test_the_oldest_snapshot_held_open_is_told(connection: psycopg.Connection, journal_of_eight: str) -> None:
    with psycopg.connect(journal_of_eight) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1")
        time.sleep(0.2)
        assert 0.2 < vitals.read(connection).database.oldest_snapshot_s < 60


def test_nothing_is_written_by_a_reading(journal_of_eight: str) -> None:
    with vitals.connect(journal_of_eight) as reader, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.execute("DELETE FROM views.parked")


def test_clocks_of_one_machine_agree_within_the_round_trip(connection: psycopg.Connection) -> None:
    clock = vitals.read_clock(connection)
    assert abs(clock.drift_s) <= clock.uncertainty_s + 0.001


@pytest.mark.parametrize(
    ("drift_s", "uncertainty_s", "is_beyond"), [(6.0, 0.5, True), (-6.0, 0.5, True), (5.4, 0.5, False), (6.0, 2.0, False)]
)
def test_a_drift_counts_only_beyond_what_the_round_trip_may_have_added(drift_s: float, uncertainty_s: float, is_beyond: bool) -> None:
    assert ClockVitals(drift_s, uncertainty_s).is_beyond(5.0) is is_beyond


def test_free_disk_is_that_of_the_nearest_directory_that_exists(tmp_path: Path) -> None:
    assert vitals.disk_free(tmp_path / "postgres" / "not made yet") == pytest.approx(vitals.disk_free(tmp_path), rel=0.01)


# Holes


def test_a_sound_journal_has_no_hole(connection: psycopg.Connection) -> None:
    assert HoleWatch().look(connection) == 0


def test_what_was_archived_is_no_hole(connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM journal.event WHERE position <= 3")
    assert HoleWatch().look(connection) == 0


def test_a_hole_in_what_is_newly_committed_is_counted_once(dsn: str, journal: Recording) -> None:
    watch = HoleWatch()
    with vitals.connect(dsn) as connection:
        watch.look(connection)
        journal.append(journey(), journey(), journey())
        plant(dsn, "DELETE FROM journal.event WHERE position IN (9, 10)")
        assert watch.look(connection) == 2
        journal.append(journey())
        assert watch.look(connection) == 2


# The gauges


@pytest.fixture
def publisher(dsn: str, journal: Recording, tmp_path: Path) -> Iterator[VitalsPublisher]:
    """A publisher that has published, and holes and a view that differs to report."""
    plant(dsn, "DELETE FROM journal.event WHERE position = 7")
    plant(dsn, "INSERT INTO views.verification VALUES ('daily_usage', 8, false, now()), ('loss', 8, true, now())")
    verdicts.keep(tmp_path, fsck.check(dsn, with_views=False), round(time.time() * 1e6) - 60_000_000, looked_for_identifiers=False)
    publisher = VitalsPublisher(dsn, tmp_path, lambda: {"server": 12.5}, every_s=0.05, last_check=lambda: verdicts.last(tmp_path))
    publisher.start()
    until(lambda: publisher.report() == {"database": ""} and bool(names.CERTIFICATE_EXPIRY.points()))
    yield publisher
    publisher.stop()


def test_every_reading_sets_the_gauges(publisher: VitalsPublisher) -> None:
    assert names.HEAD_POSITION.points() == {(): 8}
    assert names.HOLES.points() == {(): 1}
    assert names.FEED_SEQUENCE.points()["cq.card-center", "cq.usage"] == 4
    assert set(names.FEED_SILENCE.points()) == {("cq.card-center", "cq.card-center"), ("cq.card-center", "cq.usage")}
    assert names.VIEW_LAG_EVENTS.points()[("card_standing",)] == 8
    assert names.VIEW_DIFFERS.points() == {("daily_usage",): True, ("loss",): False}
    assert names.CERTIFICATE_EXPIRY.points() == {("server",): 12.5 * 86_400}
    assert (names.FSCK_POSITION.points(), names.FSCK_DIFFERENCES.points()[()] > 0) == ({(): 8}, True)
    assert 60 <= names.FSCK_AGE.points()[()] < 600
    assert names.DATABASE_CONNECTIONS.points()[("active",)] >= 1
    assert names.DISK_FREE.points()[()] > 0


def test_gauges_of_a_database_that_is_away_have_no_points_until_it_is_back(publisher: VitalsPublisher, dsn: str, server_dsn: str) -> None:
    database = sql.Identifier(str(conninfo_to_dict(dsn)["dbname"]))
    with psycopg.connect(server_dsn, autocommit=True) as server:
        server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(database))
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub-vitals'")
        until(lambda: not names.HEAD_POSITION.points())
        assert publisher.report()["database"]
        server.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database))
    until(lambda: names.HEAD_POSITION.points() == {(): 8})


def test_a_publisher_ends_when_it_is_told(publisher: VitalsPublisher) -> None:
    publisher.stop()
    assert "vitals" not in {thread.name for thread in threading.enumerate()}
