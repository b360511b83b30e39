"""What the hub tells of its own state, on a real PostgreSQL: how late, how silent, what is missing, what differs, who holds what open."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from hub.api.registry import register_participant
from hub.audit import fsck, vitals
from hub.audit.hole_watch import HoleWatch
from hub.audit.vitals import ClockVitals, FeedVitals, ViewVitals, Vitals
from hub.audit.vitals_publisher import VitalsPublisher
from hub.journal.recorder import AggregateStore
from hub.projections import PROJECTIONS, runner
from hub.projections.daily_usage import DAILY_USAGE
from hub.projections.engine import RebuiltViewDiffers, create_views, rebuild
from hub.telemetry import names
from tests.recording import CHONGQING, Recording, journey, lost, registered, shown


@pytest.fixture
def journal(dsn: str) -> Iterator[Recording]:
    """A journal of eight events, none of them folded: positions 1 to 4 in cq.card-center, 5 to 8 in cq.usage."""
    recording = Recording(dsn)
    recording.append(registered("A00000001"), lost("A00000001"), registered("A00000002"), lost("A00000002"), feed="cq.card-center")
    recording.append(journey(), journey(), journey(), journey())
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
    yield recording
    recording.close()


def fold(dsn: str) -> None:
    with runner.connect(dsn) as connection:
        runner.catch_up(connection)


def plant(dsn: str, statement: str) -> None:
    """Changes the database as only a superuser can."""
    with psycopg.connect(dsn) as connection:
        connection.execute(statement.encode())


def read(dsn: str, disk: Path | None = None) -> Vitals:
    with vitals.connect(dsn) as connection:
        return vitals.read(connection, disk)


def view(dsn: str, name: str = "daily_usage") -> ViewVitals:
    return next(one for one in read(dsn).views if one.name == name)


def feed(dsn: str, name: str) -> FeedVitals:
    return next(one for one in read(dsn).feeds if one.name == name)


def until(is_so: Callable[[], bool], within_s: float = 10.0) -> None:
    give_up = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.02)


# Journal and views


def test_the_head_is_told_with_the_instant_of_its_commit(dsn: str, journal: Recording) -> None:
    found = read(dsn)
    assert found.position == 8
    assert found.recorded_at is not None
    assert datetime.now(UTC) - found.recorded_at < timedelta(minutes=1)


def test_an_empty_journal_has_no_last_commit(dsn: str) -> None:
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
    assert read(dsn).recorded_at is None


def test_a_view_that_has_folded_everything_is_not_late(dsn: str, journal: Recording) -> None:
    fold(dsn)
    plant(dsn, "UPDATE journal.event SET recorded_at = recorded_at - interval '1 hour'")
    assert view(dsn) == ViewVitals("daily_usage", position=8, lag_events=0, lag_s=0.0, parked=0, is_equal=None)


def test_a_view_is_as_late_as_the_oldest_event_it_has_not_folded(dsn: str, journal: Recording) -> None:
    plant(dsn, "UPDATE views.checkpoint SET position = 5")
    plant(dsn, "UPDATE journal.event SET recorded_at = recorded_at - interval '1 hour' WHERE position = 6")
    plant(dsn, "UPDATE journal.event SET recorded_at = recorded_at - interval '2 hours' WHERE position = 5")
    late = view(dsn)
    assert (late.position, late.lag_events, round(late.lag_s / 60)) == (5, 3, 60)


def test_a_hole_right_behind_the_checkpoint_does_not_hide_that_a_view_is_late(dsn: str, journal: Recording) -> None:
    plant(dsn, "DELETE FROM journal.event WHERE position = 1")
    plant(dsn, "UPDATE journal.event SET recorded_at = recorded_at - interval '1 hour' WHERE position = 2")
    assert round(view(dsn).lag_s / 60) == 60


def test_parked_events_are_counted_by_view(dsn: str, journal: Recording) -> None:
    journal.append(shown(amount_fen=2**63 - 1), shown(amount_fen=1))
    fold(dsn)
    assert {one.name: one.parked for one in read(dsn).views if one.parked} == {"daily_usage": 1}


def test_the_loss_process_is_told_like_a_view(dsn: str, journal: Recording) -> None:
    plant(dsn, "INSERT INTO views.checkpoint (view, position) VALUES ('process.loss', 3)")
    assert view(dsn, "process.loss").lag_events == 5


def test_partitions_ahead_are_counted(dsn: str, journal: Recording) -> None:
    plant(dsn, "DROP TABLE journal.event_000002")
    assert read(dsn).partitions_ahead == 1


# Live and rebuilt


def test_fsck_leaves_word_that_a_view_is_equal(dsn: str, journal: Recording) -> None:
    fold(dsn)
    fsck.check(dsn)
    assert view(dsn).is_equal is True


def test_fsck_leaves_word_that_a_view_differs(dsn: str, journal: Recording) -> None:
    fold(dsn)
    plant(dsn, "UPDATE views.daily_usage SET amount_fen = amount_fen + 1")
    fsck.check(dsn)
    assert {one.name for one in read(dsn).views if one.is_equal is False} == {"daily_usage"}


def test_a_refused_switch_leaves_word_that_the_view_differs(dsn: str, journal: Recording) -> None:
    fold(dsn)
    plant(dsn, "UPDATE views.daily_usage SET amount_fen = amount_fen + 1")
    with runner.connect(dsn) as connection, pytest.raises(RebuiltViewDiffers):
        rebuild(connection, DAILY_USAGE)
    assert view(dsn).is_equal is False


def test_a_view_that_was_switched_is_equal_again(dsn: str, journal: Recording) -> None:
    fold(dsn)
    plant(dsn, "UPDATE views.daily_usage SET amount_fen = amount_fen + 1")
    with runner.connect(dsn) as connection:
        rebuild(connection, DAILY_USAGE, even_if_different=True)
    assert view(dsn).is_equal is True


# Feeds


def test_a_feed_is_told_with_its_owner_and_last_sequence(dsn: str, journal: Recording) -> None:
    found = feed(dsn, "cq.usage")
    assert (found.owner, found.last_sequence) == (CHONGQING, 4)


def test_a_feed_is_silent_since_its_last_batch(dsn: str, journal: Recording) -> None:
    plant(dsn, "UPDATE journal.batch SET recorded_at = recorded_at - interval '10 minutes'")
    silence_s = feed(dsn, "cq.usage").silence_s
    assert silence_s is not None
    assert round(silence_s / 60) == 10


def test_a_feed_without_events_is_not_silent(dsn: str, journal: Recording) -> None:
    assert feed(dsn, "sc.usage").silence_s is None


def test_aggregates_are_no_feeds(dsn: str, journal: Recording) -> None:
    store = AggregateStore(dsn)
    register_participant(store, CHONGQING, "50", "重庆", ["cq.usage"], datetime.now(UTC))
    store.close()
    assert [one.name for one in read(dsn).feeds] == ["cq.card-center", "cq.usage", "sc.card-center", "sc.usage"]


# The database and its surroundings


def test_the_oldest_snapshot_held_open_is_told(dsn: str, journal: Recording) -> None:
    with psycopg.connect(dsn) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1")
        time.sleep(0.2)
        assert 0.2 < read(dsn).database.oldest_snapshot_s < 30


def test_nothing_is_written_by_a_reading(dsn: str, journal: Recording) -> None:
    with vitals.connect(dsn) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("DELETE FROM views.parked")


def test_clocks_of_one_machine_agree_within_the_round_trip(dsn: str, journal: Recording) -> None:
    clock = read(dsn).clock
    assert abs(clock.drift_s) <= clock.uncertainty_s + 0.001


@pytest.mark.parametrize(
    ("drift_s", "uncertainty_s", "is_beyond"), [(6.0, 0.5, True), (-6.0, 0.5, True), (5.4, 0.5, False), (6.0, 2.0, False)]
)
def test_a_drift_counts_only_beyond_what_the_round_trip_may_have_added(drift_s: float, uncertainty_s: float, is_beyond: bool) -> None:
    assert ClockVitals(drift_s, uncertainty_s).is_beyond(5.0) is is_beyond


def test_free_disk_is_that_of_the_nearest_directory_that_exists(dsn: str, journal: Recording, tmp_path: Path) -> None:
    assert read(dsn, tmp_path / "postgres" / "not made yet").disk_free_bytes == pytest.approx(vitals.disk_free(tmp_path), rel=0.01)


# Holes


def test_a_sound_journal_has_no_hole(dsn: str, journal: Recording) -> None:
    with vitals.connect(dsn) as connection:
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


def test_what_was_archived_is_no_hole(dsn: str, journal: Recording) -> None:
    plant(dsn, "DELETE FROM journal.event WHERE position <= 3")
    with vitals.connect(dsn) as connection:
        assert HoleWatch().look(connection) == 0


# The gauges


@pytest.fixture
def publisher(dsn: str, journal: Recording, tmp_path: Path) -> Iterator[VitalsPublisher]:
    """A publisher that has published, and holes and a view that differs to tell of."""
    plant(dsn, "DELETE FROM journal.event WHERE position = 7")
    plant(dsn, "INSERT INTO views.verification VALUES ('daily_usage', 8, false, now()), ('loss', 8, true, now())")
    publisher = VitalsPublisher(dsn, tmp_path, lambda: {"server": 12.5}, every_s=0.05)
    publisher.start()
    until(lambda: publisher.report() == {"database": ""} and bool(names.CERTIFICATE_DAYS.points()))
    yield publisher
    publisher.stop()


def test_every_reading_sets_the_gauges(publisher: VitalsPublisher) -> None:
    assert names.HEAD_POSITION.points() == {(): 8}
    assert names.HOLES.points() == {(): 1}
    assert names.FEED_SEQUENCE.points()["cq.card-center", "cq.usage"] == 4
    assert set(names.FEED_SILENCE.points()) == {("cq.card-center", "cq.card-center"), ("cq.card-center", "cq.usage")}
    assert names.VIEW_LAG_EVENTS.points()[("card_standing",)] == 8
    assert names.VIEW_DIFFERS.points() == {("daily_usage",): True, ("loss",): False}
    assert names.CERTIFICATE_DAYS.points() == {("server",): 12.5}
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
