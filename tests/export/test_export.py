"""The journal as segments: every position in one lane, the same rows as the journal's, nothing in clear; what is wrong is named."""

import contextlib
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pyarrow.parquet as pq
import pytest
from chuanyu.exchange.v1 import event_pb2, references_pb2
from typer.testing import CliRunner

from hub.cli import app
from hub.domain.pseudonym import clear_paths
from hub.export import writing
from hub.export.lanes import LANES, bucket_of, lane_key, lane_of
from hub.export.manifest import (
    ExportBeyondHead,
    ExportDamaged,
    ExportInterrupted,
    ExportMissing,
    ExportOfAnotherHub,
    ExportTooShort,
    ExportUnderWay,
    ExportUnwritable,
    Manifest,
    SegmentForeign,
    SegmentSchemaUnknown,
    find_manifest,
    write_manifest,
)
from hub.export.reading import Segments, Wanted, parts_of_lanes
from hub.export.verifying import ExportDiffers, verify
from hub.export.writing import JournalHasHoles, export
from hub.journal.reader import Recorded, read_page
from tests.clients import Province
from tests.databases import fresh_database
from tests.disks import fill, free, small_disk
from tests.hub_process import CHONGQING, RunningHub
from tests.messages import journey as sent_journey
from tests.messages import registered as sent_registered
from tests.recording import Recording, about, correcting, journey, key_of, lost, name_card, registered, reversing

TRANSIT_NO = "3105000000000012345"
CARDS = [f"A{number:08d}" for number in range(40)]


@pytest.fixture
def journal(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    """A journal with cards, uses, corrections, and events without a card; segments are of 64 positions."""
    monkeypatch.setattr(writing, "SEGMENT_POSITIONS", 64)
    with contextlib.closing(Recording(dsn)) as recording:
        tell(recording)
        yield recording


class Told(NamedTuple):
    """Such a journal that nobody changes, and its export."""

    dsn: str
    directory: Path


@pytest.fixture(scope="module")
def told(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    directory = tmp_path_factory.mktemp("export")
    with fresh_database(server_dsn, f"hub_export_{os.getpid()}") as dsn:
        with contextlib.closing(Recording(dsn)) as recording:
            tell(recording)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing, "SEGMENT_POSITIONS", 64)
            export(dsn, directory)
        yield Told(dsn, directory)


@pytest.fixture
def exported(told: Told, tmp_path: Path) -> Path:
    """A copy of the export, for one test to spoil."""
    return shutil.copytree(told.directory, tmp_path / "exported")


def manifest_of(directory: Path) -> Manifest:
    manifest = find_manifest(directory)
    assert manifest is not None
    return manifest


def tell(recording: Recording) -> None:
    recording.append(*(registered(card) for card in CARDS), feed="cq.card-center")
    recording.append(*(journey(card, at_s=1_756_690_215 + at) for at, card in enumerate(CARDS * 3)))
    recording.append(lost(CARDS[0]), correcting(journey(CARDS[1], 200), 2), reversing(journey(CARDS[2]), 3))
    recording.append(held_only("500199198503120015"), about_nobody(), feed="sc.usage")


def held_only(person: str) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = 1_756_690_215
    event.holder.id_type, event.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(person)
    event.benefit_qualification_certified.SetInParent()
    return event


def about_nobody() -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = 1_756_690_215
    event.file_accepted.SetInParent()
    return event


def fields(recorded: Recorded) -> tuple[Any, ...]:
    return recorded.position, recorded.recorded_us, recorded.stream_id, recorded.sequence, recorded.kind, recorded.data


def positions_of(directory: Path) -> list[int]:
    """Every position that is in a lane of a segment, as often as it is there."""
    opened = Segments(directory)
    return sorted(recorded.position for buckets in parts_of_lanes(1) for run in opened.lane(buckets) for recorded in run)


@pytest.fixture
def reader(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


# Workers


def test_every_position_is_in_exactly_one_lane(told: Told) -> None:
    assert positions_of(told.directory) == list(range(1, 166))
    assert [(segment.first, segment.last) for segment in manifest_of(told.directory).segments] == [(1, 63), (64, 127), (128, 165)]


def test_a_lane_is_that_of_the_cards_number_wherever_an_event_names_it() -> None:
    by_number, by_code = registered("A00000001"), about("D1234")
    by_code.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE
    name_card(by_code.card_aliases.add(), "A00000001")
    assert lane_key(by_code, 7) == lane_key(by_number, 8) == key_of("A00000001")


def test_an_event_without_a_card_goes_by_its_holder_and_one_without_both_by_its_stream() -> None:
    assert lane_key(held_only("500199198503120015"), 7) == key_of("500199198503120015")
    assert lane_key(about_nobody(), 7) == (7).to_bytes(8, "big")


def test_a_quarantined_event_goes_by_the_card_that_it_declares_lost() -> None:
    event = event_pb2.Event()
    name_card(event.event_quarantined.blocked_card, "A00000001")
    assert lane_key(event, 7) == key_of("A00000001")


def test_lanes_are_64_and_cards_are_spread_over_all_of_them() -> None:
    assert {lane_of(bucket_of(key_of(f"A{number:08d}"))) for number in range(2_000)} == set(range(LANES))


# What is read


def test_segments_read_in_order_are_the_pages_of_the_journal(told: Told) -> None:
    opened = Segments(told.directory)
    for after, through, kinds, also in (
        (0, 165, None, ()),
        (10, 150, {"card_registered"}, (100, 163)),
        (63, 64, None, ()),
        (5, 5, None, ()),
    ):
        with psycopg.connect(told.dsn, autocommit=True) as reader:
            journals = read_page(reader, after, through, kinds, also=also)
        assert list(map(fields, opened.page(after, through, kinds, also=also))) == list(map(fields, journals))


def test_lanes_in_parts_are_the_lanes(told: Told) -> None:
    opened = Segments(told.directory)
    whole = [[fields(one) for run in opened.lane(buckets) for one in run] for buckets in parts_of_lanes(1)]
    parts = [[fields(one) for run in opened.lane(buckets) for one in run] for buckets in parts_of_lanes(4)]
    quarters = [sorted(chain(*parts[4 * lane : 4 * lane + 4])) for lane in range(LANES)]
    assert quarters == whole
    assert sum(map(len, parts)) == 165


def test_a_lane_skips_the_kinds_that_are_not_wanted(told: Told) -> None:
    wanted = Wanted(frozenset({"temporary_loss_reported"}), also=[41], after=0, through=165)
    found = [one for buckets in parts_of_lanes(1) for run in Segments(told.directory).lane(buckets, wanted) for one in run]
    assert sorted(one.kind for one in found) == ["temporary_loss_reported", "transit_journey_completed"]


def test_a_page_beyond_the_export_is_refused(dsn: str, journal: Recording, tmp_path: Path) -> None:
    export(dsn, tmp_path, upto=100)
    with pytest.raises(ExportTooShort) as refused:
        Segments(tmp_path).page(90, 101)
    assert refused.value.metadata == {"position": "100"}


def test_nothing_that_is_written_is_in_clear(hub: RunningHub, tmp_path: Path) -> None:
    province = Province(hub, CHONGQING)
    event = sent_journey("A98765432")
    event.holder.id_type, event.holder.clear = references_pb2.ID_TYPE_RESIDENT_ID, "500199198503120015"
    alias = event.card_aliases.add()
    alias.issuing_province, alias.kind, alias.clear = "50", references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO, TRANSIT_NO
    province.tell("cq.usage", event, sent_registered("A98765432"))
    export(hub.dsn, tmp_path)
    assert [one.kind for one in Segments(tmp_path).page(0, Segments(tmp_path).position)][-2:] == [
        "transit_journey_completed",
        "card_registered",
    ]
    [path] = tmp_path.glob("*.parquet")
    walked = json.dumps(pq.read_table(path).to_pylist(), default=lambda value: value.hex() if isinstance(value, bytes) else str(value))
    for text in ("A98765432", "500199198503120015", TRANSIT_NO):
        assert text not in walked and text.encode().hex() not in walked
    assert [list(clear_paths(one.event)) for run in Segments(tmp_path).in_order() for one in run if list(clear_paths(one.event))] == []


# Runs


def test_a_later_run_adds_what_is_new(dsn: str, journal: Recording, tmp_path: Path) -> None:
    first = export(dsn, tmp_path)
    journal.append(*(journey(card) for card in CARDS))
    second = export(dsn, tmp_path)
    assert (first.manifest.position, second.manifest.position, second.new_positions) == (165, 205, 40)
    assert second.manifest.segments[:3] == first.manifest.segments
    assert [(segment.first, segment.last) for segment in second.manifest.segments[3:]] == [(166, 191), (192, 205)]


def test_an_export_ends_with_the_position_that_is_asked_for(dsn: str, journal: Recording, tmp_path: Path) -> None:
    assert export(dsn, tmp_path, upto=77).manifest.position == 77
    assert export(dsn, tmp_path, upto=50).new_positions == 0
    with pytest.raises(ExportBeyondHead):
        export(dsn, tmp_path, upto=1_000)


def test_a_run_cut_short_goes_on_where_it_ended(dsn: str, journal: Recording, tmp_path: Path) -> None:
    def cut(_what: str, done: int, _of: int) -> None:
        if done == 127:
            (tmp_path / ".000000000128-000000000165.parquet.part").write_bytes(b"torn")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(dsn, tmp_path, report=cut)
    kept = find_manifest(tmp_path)
    assert kept is not None and kept.position == 63
    assert export(dsn, tmp_path).new_positions == 165 - 63
    assert verify(tmp_path).segments == 3
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".parquet", ".parquet", ".parquet"]


@pytest.mark.slow
def test_an_export_while_the_journal_is_written_to_is_bounded_and_whole(
    dsn: str, journal: Recording, reader: psycopg.Connection, tmp_path: Path
) -> None:
    is_exported = threading.Event()

    def write() -> None:
        # Two thousand a second: as fast as it can, it is ahead of the export by thousands of segments before the first is written.
        while not is_exported.wait(0.02):
            journal.append(*(journey(card) for card in CARDS))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while (done := export(dsn, tmp_path)).manifest.position < 400:
            pass
    finally:
        is_exported.set()
        writer.join()
    assert verify(tmp_path, reader).with_journal == len(done.manifest.segments)
    assert positions_of(tmp_path) == list(range(1, done.manifest.position + 1))


def test_a_full_disk_is_refused_by_name_and_the_next_run_goes_on(dsn: str, journal: Recording) -> None:
    with small_disk(1) as disk:
        export(dsn, disk, upto=63)
        fill(disk)
        with pytest.raises(ExportUnwritable):
            export(dsn, disk)
        kept = find_manifest(disk)
        assert kept is not None and kept.position == 63
        free(disk)
        assert export(dsn, disk).manifest.position == 165
        assert verify(disk).position == 165


def test_a_database_that_leaves_interrupts_and_the_next_run_goes_on(
    dsn: str, journal: Recording, reader: psycopg.Connection, tmp_path: Path
) -> None:
    def leave(_what: str, done: int, _of: int) -> None:
        if done == 63:
            reader.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'hub-export'")

    with pytest.raises(ExportInterrupted):
        export(dsn, tmp_path, report=leave)
    assert export(dsn, tmp_path).manifest.position == 165


def test_two_runs_at_once_are_one_too_many(dsn: str, journal: Recording, tmp_path: Path) -> None:
    def begin_another(_what: str, _done: int, _of: int) -> None:
        with pytest.raises(ExportUnderWay):
            export(dsn, tmp_path)
        with pytest.raises(ExportUnderWay):
            verify(tmp_path)

    export(dsn, tmp_path, report=begin_another)


def test_a_hole_in_the_journal_is_not_exported(dsn: str, journal: Recording, reader: psycopg.Connection, tmp_path: Path) -> None:
    reader.execute("DELETE FROM journal.event WHERE position = 100")
    with pytest.raises(JournalHasHoles):
        export(dsn, tmp_path)


def test_the_directory_of_another_journal_is_refused(dsn: str, journal: Recording, reader: psycopg.Connection, tmp_path: Path) -> None:
    export(dsn, tmp_path)
    reader.execute("UPDATE journal.event SET recorded_at = recorded_at + interval '1 microsecond' WHERE position = 165")
    with pytest.raises(ExportOfAnotherHub):
        export(dsn, tmp_path)


# Digests


def test_the_digest_is_of_the_rows_and_not_of_the_file(
    dsn: str, journal: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = export(dsn, tmp_path / "one").manifest.segments
    monkeypatch.setattr("hub.export.segments.COMPRESSION", {"compression": "gzip"})
    other = export(dsn, tmp_path / "other").manifest.segments
    assert [segment.digest for segment in one] == [segment.digest for segment in other]
    assert all(a.sm3 != b.sm3 for a, b in zip(one, other, strict=True))
    assert verify(tmp_path / "other").segments == 3


def test_a_digest_is_that_of_the_rows_as_the_journal_copies_them(
    dsn: str, journal: Recording, reader: psycopg.Connection, tmp_path: Path
) -> None:
    export(dsn, tmp_path, upto=1)
    with (
        reader.cursor() as cursor,
        cursor.copy(
            """COPY (SELECT position, recorded_at, stream_id, sequence, kind, data, occurred_at, digest
                 FROM journal.event WHERE position = 1)
           TO STDOUT (FORMAT BINARY)"""
        ) as copy,
    ):
        row = b"".join(map(bytes, copy))[19:-2]
    lane = lane_of(bucket_of(key_of(CARDS[0])))
    [path] = tmp_path.glob("*.parquet")
    said = json.loads(pq.read_schema(path).metadata[b"chuanyu.segment"])
    begun = f"chuanyu segment 1: positions 1 to 1, lane {lane} of 64\n".encode()
    assert said["digests"][lane] == hashlib.new("sm3", begun + row).hexdigest()


def test_a_journal_that_was_changed_differs(dsn: str, journal: Recording, reader: psycopg.Connection, tmp_path: Path) -> None:
    export(dsn, tmp_path)
    reader.execute("UPDATE journal.event SET data = data || '\\x'::bytea, digest = 'x' WHERE position = 100")
    with pytest.raises(ExportDiffers, match=r"000000000064-000000000127\.parquet"):
        verify(tmp_path, reader)


def test_a_correction_that_was_added_to_the_journal_differs(
    dsn: str, journal: Recording, reader: psycopg.Connection, tmp_path: Path
) -> None:
    export(dsn, tmp_path)
    reader.execute("INSERT INTO journal.correction VALUES (1, 1, 100)")
    with pytest.raises(ExportDiffers):
        verify(tmp_path, reader)


# What is wrong with a file


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def missing(path: Path) -> None:
    path.unlink()


def no_parquet(path: Path) -> None:
    path.write_bytes(b"x" * path.stat().st_size)


@pytest.mark.parametrize("harm", [damaged, cut_off, missing, no_parquet])
def test_a_torn_or_changed_segment_is_named(exported: Path, harm: Callable[[Path], None]) -> None:
    path = exported / manifest_of(exported).segments[1].path
    harm(path)
    with pytest.raises(ExportDamaged, match=path.name):
        verify(exported)


@pytest.mark.parametrize("harm", [cut_off, missing])
def test_an_export_does_not_go_on_after_a_torn_segment(told: Told, exported: Path, harm: Callable[[Path], None]) -> None:
    harm(exported / manifest_of(exported).segments[1].path)
    with pytest.raises(ExportDamaged):
        export(told.dsn, exported)


def test_another_segment_in_the_place_of_one_is_foreign(exported: Path) -> None:
    first, second, _ = manifest_of(exported).segments
    shutil.copy(exported / first.path, exported / second.path)
    with pytest.raises(SegmentForeign, match=second.path):
        Segments(exported).page(64, 80)


def test_a_parquet_file_that_is_no_segment_is_foreign(dsn: str, journal: Recording, tmp_path: Path) -> None:
    [segment] = export(dsn, tmp_path, upto=63).manifest.segments
    pq.write_table(pq.read_table(tmp_path / segment.path).replace_schema_metadata(None), tmp_path / segment.path)
    with pytest.raises(SegmentForeign):
        Segments(tmp_path).page(0, 63)


def test_a_segment_of_another_schema_is_refused(told: Told, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (exported / "manifest.json").read_text()
    (exported / "manifest.json").write_text(text.replace('"schema_version": 1', '"schema_version": 2'))
    for read in (lambda: Segments(exported), lambda: export(told.dsn, exported), lambda: verify(exported)):
        with pytest.raises(SegmentSchemaUnknown):
            read()
    (exported / "manifest.json").write_text(text)
    monkeypatch.setattr("hub.export.reading.SCHEMA_VERSION", 2)
    with pytest.raises(SegmentSchemaUnknown, match="parquet"):
        Segments(exported).page(0, 10)


def test_a_manifest_that_was_edited_is_damaged(exported: Path) -> None:
    manifest = manifest_of(exported)
    text = (exported / "manifest.json").read_text()
    for broken in (text.replace('"first": 64', '"first": 65'), text[:-10], "[]", json.dumps(json.loads(text) | {"more": 1})):
        (exported / "manifest.json").write_text(broken)
        with pytest.raises(ExportDamaged, match=r"manifest\.json"):
            Segments(exported)
    write_manifest(exported, manifest.model_copy(update={"segments": manifest.segments[1:]}))
    with pytest.raises(ExportDamaged):
        Segments(exported)


def test_a_directory_without_an_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportMissing):
        Segments(tmp_path)


# The command


def test_the_command_exports_and_verifies(dsn: str, journal: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DSN", dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    run = CliRunner().invoke
    done = run(app, ["export", "--to", str(tmp_path / "to"), "--upto", "100", "--json"])
    assert json.loads(done.stdout.splitlines()[-1])["position"] == 100
    assert json.loads(run(app, ["export", "--to", str(tmp_path / "to"), "--json"]).stdout.splitlines()[-1])["new_positions"] == 65
    compared = json.loads(run(app, ["export", "verify", str(tmp_path / "to"), "--json"]).stdout.splitlines()[-1])
    assert compared == {"position": 165, "segments": 4, "with_journal": 4}
    alone = json.loads(run(app, ["export", "verify", str(tmp_path / "to"), "--no-journal", "--json"]).stdout.splitlines()[-1])
    assert alone == {"position": 165, "segments": 4, "with_journal": 0}
    assert "--upto" in run(app, ["export"]).stdout
