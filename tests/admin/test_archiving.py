"""Partitions that were archived: what is read of them is what was there, what is in the way is named, and no stop loses anything."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet
import pytest
from chuanyu.exchange.v1 import erasure_pb2
from psycopg import pq
from psycopg.conninfo import make_conninfo

from hub import durable
from hub.admin import archiving as desks
from hub.admin import partition_swap
from hub.admin.archiving import ArchivingDesk, archiving_desk
from hub.admin.erasure import ErasureDesk
from hub.api.subscriptions.pages import SubscriptionPages
from hub.audit.as_of import known_at
from hub.audit.bundle_question import Question
from hub.audit.fsck import check
from hub.audit.sealed import inclusion, newest_under
from hub.commands.examinations import Scene
from hub.commands.examinations import journal as examinations
from hub.config import Config
from hub.domain import reference
from hub.domain.archiving import Archiving, ArchivingNotRequested, ArchivingRequestedAlready, ArchivingSamePerson, SequenceArchived
from hub.domain.disclosure import Reader
from hub.domain.erasure import Erasure
from hub.domain.errors import CursorTooOld, HubError, RequestInvalid
from hub.domain.roles import every_role, rights_of
from hub.export.lanes import LANES
from hub.export.manifest import MANIFEST, ExportDamaged, ExportUnderWay, SegmentForeign, write_manifest
from hub.export.reading import OpenSegment, Segments
from hub.export.segments import about_of, lane_hasher, row_bytes, write_segment
from hub.export.verifying import ExportDiffers, verify
from hub.export.writing import export
from hub.journal import archived
from hub.journal.archived import SegmentAway
from hub.journal.batch import Appended, Batch, pack_tail
from hub.journal.group import commit_group
from hub.journal.logins import app_login
from hub.journal.looks import Searched, search
from hub.journal.reader import Recorded, events_at, events_named, find_event, head_position, read_page
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import alone
from hub.journal.statements import run
from hub.journal.times import first_position_since, recorded_at
from hub.journal.writer_connection import SESSION
from hub.lanes.rebuild import rebuild_from
from hub.monitoring.hole_watch import HoleWatch
from hub.projections import runner
from hub.projections.rebuild import rebuild
from hub.projections.views.card_standing import CARD_STANDING
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.tlog import paths
from hub.tlog import policy as policies
from hub.tlog.files import content, head_of, log_of
from hub.tlog.note import SignerKey
from hub.tlog.tree import tile_width
from hub.trust.keyring import open_keyring
from tests.audit.sealing import Logged
from tests.disks import fill, free, small_disk
from tests.recording import OWNERS, Recording, correcting, journey, key_of, lost, registered, reversing
from tests.seeds import one_in

CARDS = [f"A{number:08d}" for number in range(30)]
SIZE = 64
AT = datetime(2026, 1, 1, tzinfo=UTC)
ASKS, DECIDES = "wang", "li"


def small_partitions(dsn: str) -> None:
    """Has an empty journal begin again with partitions of SIZE positions."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for (name,) in connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'journal.event'::regclass"
        ).fetchall():
            connection.execute(f"DROP TABLE {name}".encode())
        for position in (*range(0, 8 * SIZE, SIZE), 0):
            connection.execute("UPDATE journal.head SET partition_size = %s, position = %s", (SIZE, position))
            connection.execute("SELECT journal.ensure_partitions()")


class Archive:
    """A journal in small partitions with the files that belong to it, and what works on both."""

    def __init__(self, dsn: str, directory: Path, witnesses: Sequence[SignerKey] = ()) -> None:
        self.dsn, self.directory = dsn, directory / "export"
        self.recording = Recording(dsn)
        self.logged = Logged(dsn, directory / "keys", witnesses)

    def fill(self) -> None:
        """Records events with corrections across the partitions, and has them sealed, cosigned, folded and exported."""
        self.recording.append(*(registered(card) for card in CARDS), feed="cq.card-center")
        self.recording.append(*(journey(card, at_s=1_756_690_215 + at) for at, card in enumerate(CARDS * 4)))
        self.recording.append(lost(CARDS[0]), feed="cq.card-center")
        self.recording.append(correcting(journey(CARDS[1], 200), 2), reversing(journey(CARDS[2]), 3))
        self.fold()
        self.logged.seal()
        export(self.dsn, self.directory)

    def close(self) -> None:
        self.recording.close()
        self.logged.close()

    def fold(self) -> None:
        with runner.connect(self.dsn) as connection:
            runner.catch_up(connection)

    def desk(self, work: Callable[[ArchivingDesk], Any]) -> Any:
        with archiving_desk(self.dsn, lambda c: newest_under(c, policies.parse(self.logged.policy)).size) as desk:
            return work(desk)

    def request(self, number: int = 0) -> Any:
        return self.desk(lambda desk: desk.request(number, self.directory, ASKS, AT))

    def approve(self, number: int = 0) -> Any:
        return self.desk(lambda desk: desk.approve(number, self.directory, DECIDES, AT))

    def archive(self, number: int = 0) -> None:
        self.request(number)
        self.approve(number)

    def restore(self) -> Any:
        return self.desk(lambda desk: desk.restore(0, DECIDES, AT))

    def state(self) -> str:
        return str(self.desk(lambda desk: desk.all()[0].state))

    def resend(self, first: int, digests: Sequence[bytes]) -> Any:
        """Sends numbers of uses again that were recorded."""
        connection = pq.PGconn.connect(self.dsn.encode())
        run(connection, SESSION.encode())
        tails = [pack_tail(0, b"transit_journey_completed", digest, b"") for digest in digests]
        batch = Batch(self.recording.streams["cq.usage"], OWNERS["cq.usage"], first, tails, list(digests))
        [outcome] = commit_group(connection, [batch])
        connection.finish()
        return outcome

    def await_its_end(self) -> None:
        """Waits until the server has seen that a process was killed."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while connection.execute("SELECT FROM pg_stat_activity WHERE application_name = 'hub-archive'").fetchall():
                time.sleep(0.01)

    def rows(self) -> dict[int, tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return {row[0]: row for row in connection.execute("SELECT * FROM journal.event ORDER BY position")}

    def history(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return [_fields(one) for one in read_page(connection, 0, head_position(connection))]


def _fields(one: Recorded) -> tuple[Any, ...]:
    return one.position, one.recorded_us, one.stream_id, one.sequence, one.kind, one.data


def answers(archive: Archive, directory: Path) -> dict[str, Any]:
    """What is read of the journal in every way: it has to be the same, archived or not."""
    dsn, logged, said = archive.dsn, archive.logged, dict[str, Any]()
    card, connection = key_of(CARDS[0]), logged.connection
    said["bundles"] = [
        logged.bundle(Question("feed", feed="cq.card-center", first=1, last=31)),
        logged.bundle(Question("range", first=50, last=70)),
    ]
    said["known"] = [[str(fact) for fact in known_at(connection, card, at).facts] for at in (20, 60, 150)]
    said["proof"] = inclusion(connection, 40)
    said["entries"] = content(
        connection, log_of(connection), paths.entries(0, tile_width(head_of(connection, log_of(connection)).size, 0, 0))
    )
    named = events_named(connection, [("cq.usage", 3), ("cq.usage", 120), ("cq.usage", 9_999)])
    said["named"] = {name: (at, event and _fields(event)) for name, (at, event) in named.items()}
    found = find_event(connection, archive.recording.streams["cq.usage"], 2)
    said["found"] = found and _fields(found)
    said["looks"] = [one.position for one in search(connection, Searched("transit_journey_completed", [card]))]
    said["since"] = [first_position_since(connection, recorded_at(connection, at) or 0) for at in (10, 64, 130)]
    said["pages"] = [[_fields(one) for one in read_page(connection, 30, 150, kinds, also=[40])] for kinds in ({"card_registered"}, ())]
    pages = SubscriptionPages(dsn, open_keyring(directory / "keys"))
    page = asyncio.run(pages.read(1, (), Reader(OWNERS["cq.usage"], rights_of("50", every_role())), head_position(connection)))
    said["delivered"] = [one.SerializeToString() for one in page.delivered if one.position < 150]
    pages.close()
    said["segments"] = [one.digest for one in export(dsn, directory / "other", upto=150).manifest.segments]
    shutil.rmtree(directory / "other")
    return said


@pytest.mark.slow
def test_whatever_is_asked_of_archived_events_has_the_answer_that_it_had(archive: Archive, tmp_path: Path) -> None:
    rows, before = archive.rows(), answers(archive, tmp_path)
    archive.archive(0)
    archive.archive(1)
    # What the hub decided of itself has stayed: that both provinces were registered. So has what answers rest on: that cards were.
    assert sorted(archive.rows().keys() & set(range(1, 128))) == list(range(1, 3 + len(CARDS)))
    after = answers(archive, tmp_path)
    assert {name: after[name] == value for name, value in before.items()} == dict.fromkeys(before, True)
    checked = check(archive.dsn, with_views=False, with_log=True)
    assert (checked.problems, checked.events, checked.sealed) == ([], max(rows) + 4, max(rows) + 1)
    assert rebuild_from(archive.dsn, archive.directory, [CARD_STANDING, DAILY_USAGE], processes=1)[1].is_equal
    with psycopg.connect(archive.dsn, autocommit=True) as connection:
        assert HoleWatch().look(connection) == 0
        scene = Scene(Config(), archive.dsn)
        assert [examine(scene).level for examine in (examinations.holes, examinations.archived_segments)] == ["ok", "ok"]
        scene.close()
        assert verify(archive.directory, connection).with_journal == len(Segments(archive.directory).manifest.segments) - 4
    # What was recorded long ago is not taken for something else, and not recorded twice.
    assert isinstance(archive.resend(1, [bytes(32)] * 3), SequenceArchived)
    archive.restore()
    assert {position: archive.rows()[position] for position in rows if position < 64} == {at: row for at, row in rows.items() if at < 64}


def test_a_correction_that_comes_later_takes_back_what_is_archived(archive: Archive) -> None:
    archive.archive()
    archive.recording.append(reversing(journey(CARDS[5]), 6))
    archive.fold()
    with psycopg.connect(archive.dsn) as connection:
        [(uses,)] = connection.execute("SELECT sum(uses) FROM views.daily_usage").fetchall()
    with runner.connect(archive.dsn) as views:
        assert (uses, rebuild(views, DAILY_USAGE).is_equal) == (4 * len(CARDS) - 2, True)


def other_segment(directory: Path) -> bytes:
    return (directory / Segments(directory).manifest.segments[2].path).read_bytes()


@pytest.mark.slow
def test_what_is_in_the_way_is_named_and_nothing_is_changed(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    before, directory = archive.rows(), archive.directory

    def refused(error: type[HubError], work: Callable[[ArchivingDesk], Any], cosigned: int | None = None) -> str:
        size = newest_under(archive.logged.connection, policies.parse(archive.logged.policy)).size if cosigned is None else cosigned
        with pytest.raises(error) as raised, archiving_desk(archive.dsn, lambda _: size) as desk:
            work(desk)
        return str(raised.value)

    def ask(desk: ArchivingDesk, number: int = 0, to: Path = directory) -> Any:
        return desk.request(number, to, ASKS, AT)

    def decide(desk: ArchivingDesk, operator: str = DECIDES) -> Any:
        return desk.approve(0, directory, operator, AT)

    refused(desks.PartitionUnknown, lambda desk: ask(desk, 99))
    refused(desks.PartitionOpen, lambda desk: ask(desk, 2))
    refused(desks.PartitionNotSealed, ask, 60)
    refused(desks.PartitionNotExported, lambda desk: ask(desk, to=directory.parent))
    with psycopg.connect(archive.dsn, autocommit=True) as connection:
        connection.execute("UPDATE views.checkpoint SET position = position - 150 WHERE view = 'card_standing'")
        assert "card_standing" in refused(desks.PartitionStillRead, ask)
        connection.execute("UPDATE views.checkpoint SET position = position + 150 WHERE view = 'card_standing'")
    refused(ArchivingNotRequested, decide)
    refused(RequestInvalid, lambda desk: desk.request(0, directory, "what a name", AT))
    archive.desk(ask)
    refused(ArchivingRequestedAlready, ask)
    refused(ArchivingSamePerson, lambda desk: decide(desk, ASKS))
    refused(ArchivingNotRequested, lambda desk: desk.restore(0, DECIDES, AT))
    segment = directory / Segments(directory).manifest.segments[1].path
    whole = segment.read_bytes()
    for spoiled, error in ((whole[:-9], ExportDamaged), (bytes(len(whole)), ExportDamaged), (other_segment(directory), SegmentForeign)):
        segment.write_bytes(spoiled)
        assert segment.name in refused(error, decide)
    segment.write_bytes(whole)
    with psycopg.connect(archive.dsn, autocommit=True) as connection:
        tampered = b"UPDATE tlog.tile SET hashes = overlay(hashes PLACING '\\x00000000'::bytea FROM 320) WHERE level = 0 AND number = 0"
        old = connection.execute("SELECT hashes FROM tlog.tile WHERE level = 0 AND number = 0").fetchone()
        connection.execute(tampered)
        refused(desks.PartitionDiffers, decide)
        connection.execute("UPDATE tlog.tile SET hashes = %s WHERE level = 0 AND number = 0", old)
        connection.execute("UPDATE journal.event SET data = data || '\\x3a06353130303030'::bytea WHERE position = 12")
        refused(ExportDiffers, decide)
        connection.execute("UPDATE journal.event SET data = %s WHERE position = 12", (before[12][-2],))
    with archiving_desk(archive.dsn, lambda _: 10**6) as at_work, alone(at_work._connection, "hub.archiving", AssertionError()):
        refused(desks.ArchivingUnderWay, decide)
    with pytest.raises(desks.ArchivingNotPermitted), archiving_desk(app_login(archive.dsn), lambda _: 10**6) as desk:
        decide(desk)
    assert {position: archive.rows()[position] for position in before} == before


def test_who_reads_an_older_state_holds_the_rows_and_the_next_run_goes_on(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    before = archive.history()
    monkeypatch.setattr(partition_swap, "PATIENCE_S", 0.0)
    with psycopg.connect(archive.dsn) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert head_position(reader) == len(before)
        with pytest.raises(partition_swap.ArchivingHeldUp):
            archive.archive()
        assert [_fields(one) for one in read_page(reader, 0, len(before))] == before
    assert (archive.state(), archive.approve().state) == ("LEAVING", "ARCHIVED")
    assert archive.history()[: len(before)] == before
    with psycopg.connect(archive.dsn) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert head_position(reader) >= len(before)
        with pytest.raises(partition_swap.ArchivingHeldUp):
            archive.restore()
        assert not partition_swap.is_there(archive.logged.connection, partition_swap.FULL, 0)
    # What a run had loaded that was killed goes with the next one.
    archive.logged.connection.execute("CREATE TABLE journal.full_000000 (LIKE journal.event)")
    assert archive.approve().state == "ARCHIVED"
    assert not partition_swap.is_there(archive.logged.connection, partition_swap.FULL, 0)
    assert archive.restore().state == "READY"


def test_a_full_disk_is_named_and_the_next_run_goes_on(archive: Archive) -> None:
    before = archive.history()
    archive.request()
    with small_disk(1) as disk, psycopg.connect(archive.dsn, autocommit=True) as connection:
        [(home,)] = connection.execute("SHOW data_directory").fetchall()
        (disk / "tables").mkdir()
        os.chown(disk / "tables", Path(home).stat().st_uid, Path(home).stat().st_gid)
        connection.execute(f"CREATE TABLESPACE small LOCATION '{disk / 'tables'}'".encode())
        fill(disk)
        small = make_conninfo(archive.dsn, options="-c default_tablespace=small")
        with pytest.raises(desks.ArchivingHasNoRoom), archiving_desk(small, lambda _: 10**6) as desk:
            desk.approve(0, archive.directory, DECIDES, AT)
        assert archive.history()[: len(before)] == before
        connection.execute("DROP TABLESPACE small")
        free(disk)
    assert (archive.state(), archive.approve().state) == ("APPROVED", "ARCHIVED")
    assert archive.history()[: len(before)] == before


def test_a_segment_that_is_away_is_named_with_its_place_and_nothing_is_lost(archive: Archive, tmp_path: Path) -> None:
    archive.archive()
    before, moved = archive.history(), tmp_path / "elsewhere"
    archive.directory.rename(moved)
    expected = f"{Segments(moved).manifest.segments[0].path}: {archive.directory}"
    with pytest.raises(SegmentAway) as away:
        archive.history()
    assert str(away.value).endswith(expected)
    # A rebuild that has come half the way leaves the live views as they are.
    with runner.connect(archive.dsn) as views, pytest.raises(SegmentAway):
        rebuild(views, CARD_STANDING)
    with pytest.raises(SegmentAway):
        archive.restore()
    scene = Scene(Config(), archive.dsn)
    assert str(archive.directory) in examinations.archived_segments(scene).text
    scene.close()
    pages = SubscriptionPages(archive.dsn, open_keyring(tmp_path / "keys"))
    reader = Reader(OWNERS["cq.usage"], rights_of("50", every_role()))
    with pytest.raises(CursorTooOld) as too_old:
        asyncio.run(pages.read(1, (), reader, head_position(archive.logged.connection)))
    assert too_old.value.metadata == {"first_position": "64"}
    pages.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUB_ARCHIVE_DIR", str(moved))
        assert archive.history() == before
        assert check(archive.dsn, with_views=False).problems == []


# The function that a run is killed at, and whether it has done its part by then.
Step = tuple[Any, str, bool]


def kill_at(step: Step, work: Callable[[], Any]) -> None:
    """Does some work in a process of its own, which is killed when it comes to a function, or once that has done its part."""
    (owner, name, does), pid = step, os.fork()
    if pid == 0:
        before = getattr(owner, name)

        def killed(*given: Any, **named: Any) -> None:
            if does:
                before(*given, **named)
            os.kill(os.getpid(), signal.SIGKILL)

        with contextlib.suppress(BaseException):
            setattr(owner, name, killed)
            work()
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL, name


# What a run is killed at.
TO_GO: tuple[Step, ...] = (
    (Archiving, "approve", False),
    (partition_swap, "note", False),
    (partition_swap, "_make", True),
    (partition_swap, "swap", False),
)
TO_GO += ((partition_swap, "_put_in_place", True), (partition_swap, "swap", True))
TO_COME: tuple[Step, ...] = ((partition_swap, "_load", False), (partition_swap, "copy_in", True), (partition_swap, "_load", True))
TO_COME += ((partition_swap, "_put_in_place", True), (Archiving, "undo", False))


@pytest.mark.slow
def test_a_kill_at_any_step_loses_nothing_and_the_next_run_goes_on(archive: Archive) -> None:
    before, rows = archive.history(), archive.rows()
    for steps in zip_longest(TO_GO, TO_COME):
        archive.request()
        for work, state, step in zip((archive.approve, archive.restore), ("ARCHIVED", "READY"), steps, strict=True):
            if step is not None:
                kill_at(step, work)
                archive.await_its_end()
                assert archive.history()[: len(before)] == before, step
            assert (work().state, archive.history()[: len(before)] == before) == (state, True), step
    assert {position: archive.rows()[position] for position in rows} == rows
    assert check(archive.dsn, with_views=False, with_log=True).problems == []


def leave_half_way(archive: Archive) -> None:
    """Has a run noted what is to go, and be killed before anything has gone."""
    archive.request()
    kill_at((partition_swap, "swap", False), archive.approve)
    archive.await_its_end()
    assert archive.state() == "LEAVING"


@pytest.mark.slow
def test_a_restore_of_what_has_not_gone_yet_has_it_stay_without_its_segments(archive: Archive) -> None:
    rows = archive.rows()
    leave_half_way(archive)
    shutil.rmtree(archive.directory)
    assert archive.restore().state == "READY"
    assert {position: archive.rows()[position] for position in rows} == rows
    assert not partition_swap.is_there(archive.logged.connection, partition_swap.KEPT, 0)


def zero(segment: Path) -> bytes:
    """Puts zeros in the place of what a file has, and returns that."""
    whole = segment.read_bytes()
    segment.write_bytes(bytes(len(whole)))
    return whole


def test_rows_go_only_from_segments_that_are_whole_when_they_go(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = archive.rows()
    segment = archive.directory / Segments(archive.directory).manifest.segments[1].path
    archive.request()
    with monkeypatch.context() as patch:
        # Between the check and the end of the wait for others.
        patch.setattr(partition_swap, "_await_older", lambda _: zero(segment))
        whole = segment.read_bytes()
        with pytest.raises(ExportDamaged, match=segment.name):
            archive.approve()
    assert archive.state() == "LEAVING"
    # Going on later, with what is damaged or away.
    with pytest.raises(ExportDamaged, match=segment.name):
        archive.approve()
    segment.unlink()
    with pytest.raises(SegmentAway, match=segment.name):
        archive.approve()
    archive.directory.rename(moved := archive.directory.with_name("moved"))
    with pytest.raises(SegmentAway):
        archive.approve()
    moved.rename(archive.directory)
    segment.write_bytes(whole)
    with durable.holding(archive.directory, AssertionError(), to_write=True), pytest.raises(ExportUnderWay):
        archive.approve()
    assert {position: archive.rows()[position] for position in rows} == rows
    assert archive.approve().state == "ARCHIVED"


def test_who_asked_does_not_go_on_alone_after_a_restore_that_was_not_recorded(archive: Archive) -> None:
    archive.archive()
    kill_at((Archiving, "undo", False), archive.restore)
    archive.await_its_end()
    assert archive.state() == "APPROVED"
    with pytest.raises(ArchivingSamePerson):
        archive.desk(lambda desk: desk.approve(0, archive.directory, ASKS, AT))
    assert archive.restore().state == "READY"


def forge(archive: Archive, *noted: str) -> Path:
    """Has a segment say of an event that it came a microsecond later, and the database of some fields what they are of that file."""
    old = Segments(archive.directory).manifest.segments[1]
    path = archive.directory / old.path
    with pyarrow.parquet.ParquetFile(path) as file:
        about = about_of(file.schema_arrow)
    assert about is not None
    with OpenSegment(archive.directory, old) as opened:
        lanes = [list(opened.rows(lane)) for lane in range(LANES)]
    at = next(lane for lane, some in enumerate(lanes) if some)
    first = lanes[at][0]
    lanes[at][0] = first._replace(recorded_us=first.recorded_us + 1)
    hasher = lane_hasher(old.first, old.last, at)
    for row in lanes[at]:
        hasher.update(row_bytes(row))
    if "digest" in noted:
        about.digests[at] = hasher.hexdigest()
    with durable.whole(path) as written:
        write_segment(written, about, lanes)
    new = {"size_bytes": written.size, "sm3": written.sm3, "digest": about.digest}
    with psycopg.connect(archive.dsn, autocommit=True) as connection:
        for name in noted:
            connection.execute(f"UPDATE journal.archived SET {name} = %s WHERE first = %s".encode(), (new[name], old.first))
    return path


@pytest.mark.parametrize(
    ("noted", "error"),
    one_in(
        3,
        [
            (("size_bytes",), ExportDamaged),
            (("size_bytes", "sm3"), ExportDamaged),
            (("size_bytes", "sm3", "digest"), desks.PartitionDiffers),
        ],
    ),
)
def test_what_was_not_recorded_is_not_brought_back(archive: Archive, noted: tuple[str, ...], error: type[HubError]) -> None:
    archive.archive()
    segment = forge(archive, *noted)
    with pytest.raises(error, match=segment.name):
        archive.restore()
    assert archive.state() == "ARCHIVED"


def test_a_file_that_is_not_what_was_archived_is_not_read(archive: Archive) -> None:
    archive.archive()
    before = archive.history()
    segment = archive.directory / Segments(archive.directory).manifest.segments[1].path
    good = segment.read_bytes()
    forge(archive, "size_bytes")
    with pytest.raises(ExportDamaged, match=segment.name):
        archive.history()
    with pytest.raises(ExportDamaged, match=segment.name):
        inclusion(archive.logged.connection, 40)
    segment.write_bytes(good)
    with psycopg.connect(archive.dsn, autocommit=True) as connection:
        connection.execute("UPDATE journal.archived SET size_bytes = %s WHERE path = %s", (len(good), segment.name))
    assert archive.history() == before


def test_a_manifest_does_not_lead_out_of_its_directory(archive: Archive, tmp_path: Path) -> None:
    manifest = Segments(archive.directory).manifest
    first, *others = manifest.segments
    (tmp_path / "elsewhere").mkdir()
    (archive.directory / first.path).rename(tmp_path / "elsewhere" / first.path)
    moved = first.model_copy(update={"path": f"../elsewhere/{first.path}"})
    write_manifest(archive.directory, manifest.model_copy(update={"segments": (moved, *others)}))
    with pytest.raises(ExportDamaged, match=MANIFEST):
        archive.request()


@pytest.mark.slow
def test_what_is_read_while_rows_come_back_is_all_there(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, usage = archive.logged.connection, archive.recording.streams["cq.usage"]
    connection.execute("DELETE FROM vault.key_fingerprint")
    store = AggregateStore(archive.dsn)
    desk = ErasureDesk(connection, store, open_keyring(tmp_path / "keys"), reference.load())
    requested = erasure_pb2.ErasureRequested(erasure_code="E1", operator=ASKS, identifier_keys=[key_of(CARDS[1])])
    erasure = Erasure.begin("erasure_requested", requested, Erasure.create_id("E1"), AT)
    card = Searched("transit_journey_completed", [key_of(CARDS[1])])
    asks: tuple[Callable[[], Any], ...] = (
        lambda: [_fields(one) for one in read_page(connection, 0, 150)],
        lambda: [_fields(one) for one in events_at(connection, [40, 41])],
        lambda: _fields(find_event(connection, usage, 2) or pytest.fail("it was recorded")),
        lambda: [event and _fields(event) for _, event in events_named(connection, [("cq.usage", 2)]).values()],
        lambda: [one.position for one in search(connection, card)],
        lambda: desk.obligations(erasure, AT),
    )
    real, noted = archived._noted, list[int]()
    for ask in asks:
        assert (before := ask())
        archive.archive()
        assert ask() == before

        def late(*given: Any) -> Any:
            # Between the question to the database and the one for what is archived.
            if not noted:
                noted.append(1)
                archive.restore()
            return real(*given)

        with monkeypatch.context() as patch:
            patch.setattr(archived, "_noted", late)
            assert (ask(), archive.state()) == (before, "READY")
        noted.clear()
    store.close()


def test_a_resend_across_the_end_of_what_is_archived_is_no_conflict(archive: Archive) -> None:
    archive.recording.append(*(journey(CARDS[0], at_s=1_756_700_000 + at) for at in range(2 * SIZE)))
    archive.fold()
    archive.logged.seal()
    export(archive.dsn, archive.directory)
    end = 3 * SIZE
    first = end - 5
    with psycopg.connect(archive.dsn) as connection:
        [(sequence,)] = connection.execute("SELECT sequence FROM journal.event WHERE position = %s", (first,)).fetchall()
        stored = connection.execute("SELECT digest FROM journal.event WHERE position BETWEEN %s AND %s ORDER BY position", (first, end + 4))
        digests = [row[0] for row in stored.fetchall()]
        next_sequence = connection.execute("SELECT next_sequence FROM journal.stream WHERE name = 'cq.usage'").fetchall()[0][0]
    assert isinstance(archive.resend(sequence, digests), Appended)
    archive.archive(2)
    refused = archive.resend(sequence, digests)
    assert (type(refused), refused.metadata) == (SequenceArchived, {"next_sequence": str(next_sequence)})


@pytest.mark.slow
def test_a_segment_that_cannot_be_read_does_not_hide_what_else_is_wrong(archive: Archive) -> None:
    archive.archive(0)
    archive.archive(1)
    segments = Segments(archive.directory).manifest.segments
    (archive.directory / segments[0].path).unlink()
    zero(archive.directory / segments[1].path)
    with psycopg.connect(archive.dsn, autocommit=True) as connection:
        connection.execute("UPDATE journal.event SET data = data || '\\x3a06353130303030'::bytea WHERE position = 150")
    checked = check(archive.dsn, with_log=True)
    *gone, altered = checked.differences
    assert [(one.code, one.values["segment"]) for one in gone] == [("segment-unreadable", one.path) for one in segments[:2]]
    assert (altered.code, altered.values["position"]) == ("event-altered", 150)
    assert any("cannot be read" in one for one in checked.left_out)
