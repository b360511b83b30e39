"""What goes on without the segments of archived events, and what waits for them."""

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.admin.archiving import ArchivingDesk
from hub.audit.outcome import as_json, read
from hub.audit.replay.questions import answer
from hub.audit.sealed import inclusion
from hub.commands.examinations import Scene
from hub.commands.examinations import journal as examinations
from hub.config import Config
from hub.domain.acceptance import rules_digest
from hub.domain.participant import DECISIONS_FEED, HUB
from hub.export.lanes import event_bucket, lane_of
from hub.export.manifest import ExportDamaged
from hub.export.reading import OpenSegment, Segments
from hub.export.writing import export
from hub.journal.archived import RecallRefused, SegmentAway
from hub.journal.reader import events_at, head_position, read_page
from hub.monitoring.vitals import read_views
from hub.projections import FOLDED_FIRST, PROJECTIONS, runner
from hub.projections.engine import positions
from hub.projections.rebuild import rebuild
from hub.projections.together import advance_as_one
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.waiting import waiting
from tests.admin.test_archiving import AT, CARDS, DECIDES, Archive
from tests.recording import OWNERS, Recording, correcting, decided, elders_ride, journey, key_of, registered, reversing


@contextlib.contextmanager
def segments_away(archive: Archive) -> Iterator[Path]:
    """Has the segments be somewhere else meanwhile."""
    moved = archive.directory.rename(archive.directory.with_name("moved"))
    yield moved
    moved.rename(archive.directory)


@contextlib.contextmanager
def folding(dsn: str) -> Iterator[None]:
    """Folds all views meanwhile, as a hub does."""
    stop = threading.Event()
    loops: list[Callable[[], Any]] = [lambda: runner.run(dsn, stop, lambda _: contextlib.nullcontext()), lambda: runner.follow(dsn, stop)]
    threads = [threading.Thread(target=loop) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def becomes(connection: psycopg.Connection, is_so: Callable[[psycopg.Connection], bool]) -> None:
    """Waits until something is so."""
    while not is_so(connection):
        time.sleep(0.02)


def test_views_that_do_not_read_what_is_archived_go_on_and_the_others_wait_for_it(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    archive.archive()
    monkeypatch.setattr(runner, "FAULT_WAIT_S", 0.1)
    with psycopg.connect(archive.dsn, autocommit=True) as connection, caplog.at_level(logging.INFO, "hub.projections.waiting"):
        with segments_away(archive), folding(archive.dsn):
            archive.recording.append(reversing(journey(CARDS[5]), 6))
            head = head_position(connection)
            becomes(connection, lambda c: {name for name, at in positions(c, PROJECTIONS).items() if at < head} == waiting(c).keys())
            # It has no concession, so no answer rests on it: those wait that read every journey.
            waits, kind = waiting(connection), "transit_journey_completed"
            read = {view.name for view in PROJECTIONS if view.follows_corrections and kind in (view.kinds or ()) and kind not in view.marks}
            assert (set(waits), waits.keys() & {view.name for view in FOLDED_FIRST}, "daily_usage" in waits) == (read, set(), True)
            assert all(str(archive.directory) in text for text in waits.values())
            assert {view.name for view in read_views(connection) if view.waits_for} == waits.keys()
            scene = Scene(Config(), archive.dsn)
            assert "daily_usage" in examinations.archived_segments(scene).text
            scene.close()
            archive.directory.with_name("moved").rename(archive.directory)
            becomes(connection, lambda c: set(positions(c, PROJECTIONS).values()) == {head})
            becomes(connection, lambda c: waiting(c) == {})
            archive.directory.rename(archive.directory.with_name("moved"))
        [(uses,)] = connection.execute("SELECT sum(uses) FROM views.daily_usage").fetchall()
    # A round that was under way when the segment came back may have had it for one view alone, which is a line of its own.
    levels = [record.levelname for record in caplog.records]
    assert (levels[0], levels[-1], levels.count("INFO")) == ("WARNING", "INFO", 1)
    with runner.connect(archive.dsn) as views:
        assert (uses, rebuild(views, DAILY_USAGE).is_equal) == (4 * len(CARDS) - 2, True)


@pytest.mark.slow
def test_no_answer_waits_for_a_segment_whatever_is_corrected_of_what_it_has(archive: Archive) -> None:
    archive.recording.append(journey(CARDS[5]), elders_ride(CARDS[6], 1), correcting(journey(CARDS[7]), 123))
    archive.recording.append(*(journey(card) for card in CARDS), *(journey(card) for card in CARDS[:10]))
    archive.fold()
    archive.logged.seal()
    export(archive.dsn, archive.directory)
    for number in range(3):
        archive.archive(number)
    registration = reversing(registered(CARDS[5]), 6, feed="cq.card-center")
    archive.recording.append(registration, feed="cq.card-center")
    # Of what an answer does not rest on: corrected by what it does, which is taken back; and what corrects is corrected.
    archive.recording.append(correcting(elders_ride(CARDS[8], 2), 4), reversing(journey(CARDS[8]), 166))
    archive.recording.append(correcting(elders_ride(CARDS[9], 3), 125), reversing(elders_ride(CARDS[6], 1), 124))
    with runner.connect(archive.dsn) as views:
        with segments_away(archive):
            while advance_as_one(views, FOLDED_FIRST).moved:
                pass
            assert set(positions(views, FOLDED_FIRST).values()) == {head_position(views)}
            assert views.execute("SELECT count(*) FROM views.card_standing WHERE key = %s", (key_of(CARDS[5]),)).fetchone() == (0,)
            cards = [bytes(card) for (card,) in views.execute("SELECT card FROM views.concession").fetchall()]
            assert cards == [key_of(CARDS[9])]
        assert [view.name for view in FOLDED_FIRST if not rebuild(views, view).is_equal] == []


def test_a_session_that_only_reads_proves_what_is_archived_and_writes_nothing(archive: Archive) -> None:
    expected = inclusion(archive.logged.connection, 40)
    archive.archive()
    with psycopg.connect(archive.dsn, autocommit=True, options="-c default_transaction_read_only=on") as connection:
        assert inclusion(connection, 40) == expected
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE pg_temp.anything (position bigint)")
        # As on a standby, where no transaction may write.
        with pytest.raises(RecallRefused, match="ask the primary"), connection.transaction():
            connection.execute("SELECT")
            inclusion(connection, 40)


def test_partitions_that_were_archived_from_two_directories_are_read_together(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.archive(0)
    before, first = archive.history(), archive.directory
    archive.directory = first.with_name("second")
    shutil.copytree(first, archive.directory)
    archive.archive(1)
    moved = first.rename(first.with_name("moved"))
    monkeypatch.setenv("HUB_ARCHIVE_DIR", str(moved))
    for segment in Segments(archive.directory).manifest.segments[2:]:
        (moved / segment.path).unlink()
    assert archive.history()[: len(before)] == before


def test_a_few_events_are_read_from_their_lanes_alone_and_from_no_file_that_was_exchanged(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.archive()
    with psycopg.connect(archive.dsn, autocommit=True) as connection:
        expected = {one.position: one for one in read_page(connection, 0, 63)}
        lanes = sorted({lane_of(event_bucket(expected[at].event, expected[at].stream_id)) for at in (33, 40)})
        read, really = list[int](), OpenSegment.events
        monkeypatch.setattr(OpenSegment, "events", lambda self, lane, wanted: read.append(lane) or really(self, lane, wanted))
        for _ in range(2):
            found = events_at(connection, [33, 31, 40, 9_999])
            assert [(one.position, one.data) for one in found] == [(at, expected[at].data) for at in (33, 31, 40)]
        assert read == 2 * lanes
        segment = archive.directory / Segments(archive.directory).manifest.segments[1].path
        segment.write_bytes(segment.read_bytes()[::-1])
        with pytest.raises(ExportDamaged):
            events_at(connection, [40])


def test_a_table_takes_the_place_of_a_partition_without_being_read(archive: Archive) -> None:
    said: list[str] = []

    def listening(desk: ArchivingDesk) -> ArchivingDesk:
        desk._connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        desk._connection.execute("SET client_min_messages = debug1")
        return desk

    def checks() -> list[Any]:
        with psycopg.connect(archive.dsn) as connection:
            return connection.execute(
                "SELECT conname FROM pg_constraint WHERE conrelid = 'journal.event_000000'::regclass AND contype = 'c'"
            ).fetchall()

    before = checks()
    archive.request()
    archive.desk(lambda desk: listening(desk).approve(0, archive.directory, DECIDES, AT))
    archive.desk(lambda desk: listening(desk).restore(0, DECIDES, AT))
    implied = [text for text in said if text.endswith("is implied by existing constraints")]
    assert (implied, checks()) == (2 * ['partition constraint for table "event_000000" is implied by existing constraints'], before)


@pytest.mark.slow
def test_what_if_over_archived_positions_is_what_it_was_and_names_a_segment_that_is_away(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OWNERS, DECISIONS_FEED, HUB)
    with contextlib.closing(Recording(archive.dsn)) as answers:
        for card in CARDS[:8]:
            event = decided(card)
            event.decision_made.as_of_position, event.decision_made.rules_digest = head_position(archive.logged.connection), rules_digest()
            answers.append(event, feed=DECISIONS_FEED)
    archive.recording.append(*(journey(card) for card in CARDS))
    archive.fold()
    archive.logged.seal()
    export(archive.dsn, archive.directory)
    question = asked.AuditQuestion()
    question.what_if.to.position, question.what_if.inputs = 190, asked.WHAT_IF_INPUTS_FROZEN
    getattr(question.what_if, "from").position = 1
    question.what_if.changes.add().parameter.name, question.what_if.changes[0].parameter.value = "tempLossDays", "10"
    before = as_json(answer(archive.dsn, question))
    for number in range(3):
        archive.archive(number)
    after = as_json(answer(archive.dsn, question))
    assert (after, read(after).facts["control"]["answers"]) == (before, 8)
    with segments_away(archive), pytest.raises(SegmentAway, match="000000000032-"):
        answer(archive.dsn, question)
