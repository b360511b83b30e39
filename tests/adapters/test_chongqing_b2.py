"""Chongqing's usage files (B2): the bytes, what is refused and how far, and what becomes of a file that comes again."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path

import protovalidate
import pytest
from chuanyu.exchange.v1.event_pb2 import Event
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from adapters.chongqing.errors import AckCode, FileRefused, LineRefused
from adapters.chongqing.ledger import Ledger
from adapters.chongqing.translate_usage import translate_usage
from adapters.chongqing.usage_file import FileHeader, encode_file, read_details, verify_file
from adapters.chongqing.usage_intake import Outcome, UsageIntake
from adapters.chongqing.usage_record import UsageRecord, cut_name, encode_record, parse_record
from adapters.chongqing.usage_rules import check_record
from adapters.kit import Outbox
from adapters.kit.inbox import Inbox

SAMPLES = Path(__file__).parents[2] / "adapters" / "samples" / "chongqing" / "b2"
VERIFIED = SAMPLES / "verified" / "CQTK_USE_20251231_0001.dat"
NOW = datetime(2026, 1, 6, tzinfo=UTC)
HEADER = FileHeader(date(2026, 1, 5), 1, datetime(2026, 1, 6, 4, 15))
RESEND = replace(HEADER, version="02.11")
NEXT_DAY = FileHeader(date(2026, 1, 6), 1, datetime(2026, 1, 7, 4, 15))
NEXT_DAY_RESEND = replace(NEXT_DAY, version="02.11")
BUS = UsageRecord(
    seq=1, ss_card_no="A00000025", name="测试㐂", scene="TRAN", txn_type="06",
    biz_date=date(2026, 1, 5), txn_at=datetime(2026, 1, 5, 8, 19, 7),
    issuer_code="31065300", card_no_tu="3106530000000000025", line_in="0181", stn_in="0001",
    fare_full_fen=200, fare_paid_fen=200, txn_ctr=2044, psam="653000098765", psam_seq=120, tac="00B7D4EE",
)  # fmt: skip
SECOND_BUS = replace(BUS, seq=2, txn_ctr=2045, psam_seq=121)
BORROWED = replace(
    BUS, scene="LIBR", txn_type="21", card_no_tu="", issuer_code="", psam="", psam_seq=0, txn_ctr=0, tac="",
    line_in="CQLB", stn_in="0001", line_out="B500", stn_out="1234", fare_full_fen=0, fare_paid_fen=0,
)  # fmt: skip
REVERSAL = replace(BUS, txn_type="90", biz_date=date(2026, 1, 6), txn_at=datetime(2026, 1, 6, 9, 0))


class Side:
    """One adapter's files and outbox in a directory of their own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.outbox = Outbox(directory / "outbox.sqlite")
        self.intake = UsageIntake(self.outbox, Ledger(directory / "outbox.sqlite"), directory)

    def take(self, header: FileHeader, *records: UsageRecord) -> Outcome:
        return self.take_bytes(header.file_name, b"".join(encode_file(header, records)))

    def take_bytes(self, name: str, content: bytes) -> Outcome:
        path = self.directory / name
        path.write_bytes(content)
        return self.intake.take(path, NOW)

    def events(self, first_sequence: int = 1) -> list[Event]:
        return [Event.FromString(event) for _, event in self.outbox.pending("cq.usage", first_sequence, 1000)]

    def uses(self) -> list[Event]:
        return [event for event in self.events() if not event.WhichOneof("kind").startswith("file_")]

    def ack(self, header: FileHeader = HEADER) -> list[str]:
        text = (self.directory / f"{header.file_name.removesuffix('.dat')}_ACK").read_bytes().decode("gb18030")
        return text.split("\r\n")[:-1]


@pytest.fixture
def side(tmp_path: Path) -> Side:
    return Side(tmp_path)


# --- samples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", sorted(path.name for path in SAMPLES.iterdir()))
def test_the_files_of_a_sample_give_what_stands_beside_them(case: str, side: Side) -> None:
    for path in sorted((SAMPLES / case).rglob("*.dat")):
        first = side.outbox.state("cq.usage").next_sequence
        side.take_bytes(path.name, path.read_bytes())
        taken = {
            "feed": "cq.usage",
            "firstSequence": first,
            "events": [MessageToDict(event) for event in side.events(first)],
            "ack": (side.directory / f"{path.stem}_ACK").read_bytes().decode("gb18030").split("\r\n")[:-1],
        }
        assert taken == json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", sorted(path.name for path in SAMPLES.iterdir()))
def test_the_events_of_a_sample_keep_the_rules_of_the_exchange(case: str, side: Side) -> None:
    for path in sorted((SAMPLES / case).rglob("*.dat")):
        side.take_bytes(path.name, path.read_bytes())
    for event in side.events():
        protovalidate.validate(event)
        protovalidate.validate(getattr(event, event.WhichOneof("kind") or ""))


# --- the bytes -------------------------------------------------------------------------------------------------------


def test_the_published_sample_has_its_published_digest() -> None:
    details = b"\r\n".join(line for _, line in read_details(BytesIO(VERIFIED.read_bytes())))
    published = "670a7e182061287e44f7ceb867fc74d4ddb354e3961b35c2ee4a0d435a96c9b6"
    assert hashlib.new("sm3", details).hexdigest() == published
    assert verify_file(BytesIO(VERIFIED.read_bytes()), VERIFIED.name).digest == published


def test_records_are_counted_in_bytes_not_characters() -> None:
    first, second = (line for _, line in read_details(BytesIO(VERIFIED.read_bytes())))
    assert [len(first), len(second)] == [188, 188]
    assert len(first.decode("gb18030")) != len(second.decode("gb18030"))


def test_the_published_records_survive_both_ways() -> None:
    lines = [line for _, line in read_details(BytesIO(VERIFIED.read_bytes()))]
    assert [encode_record(parse_record(line)) for line in lines] == lines


def test_the_first_trip_after_midnight_keeps_its_business_date() -> None:
    record = parse_record(next(line for _, line in read_details(BytesIO(VERIFIED.read_bytes()))))
    event = translate_usage(record, HEADER, 2)
    assert event.occurred_at.ToDatetime(UTC) == datetime(2025, 12, 31, 17, 35, 12, tzinfo=UTC)
    assert event.business_date == "2025-12-31"


def test_a_trip_on_its_business_day_names_no_business_date() -> None:
    assert translate_usage(BUS, HEADER, 2).business_date == ""


def test_a_four_byte_name_is_written_whole() -> None:
    assert encode_record(BUS)[46:54].hex() == "b2e2cad48139ef31"


def test_a_long_name_is_cut_between_characters() -> None:
    assert cut_name("测试测试测试测试测试测试测试㐂") == "测试测试测试测试测试测试测试".encode("gb18030")


def test_blank_numbers_mean_zero() -> None:
    raw = bytearray(encode_record(BORROWED))
    raw[124:140] = b" " * 16
    record = parse_record(bytes(raw))
    assert (record.fare_full_fen, record.fare_paid_fen) == (0, 0)


# --- a whole file that is refused ------------------------------------------------------------------------------------


def two_trips() -> bytes:
    return b"".join(encode_file(HEADER, [BUS, SECOND_BUS]))


@pytest.mark.parametrize(
    ("was", "becomes", "code", "line_no"),
    [
        (b"HCQTK", b"HXXTK", AckCode.HEADER, 1),
        (b"20260106041500", b"20261306041500", AckCode.HEADER, 1),
        (b"GB18030 02.10", b"GB18030 03.10", AckCode.HEADER, 1),
        (b"USE202601050001", b"USE202601050002", AckCode.FILE_NAME, 1),
        (b"6530TRAN", b"6530 TRAN", AckCode.RECORD_LENGTH, 2),
        (b"\r\nD000000002", b"\nD000000002", AckCode.RECORD_LENGTH, 2),
        (b"D000000002", b"D000000003", AckCode.SEQUENCE, 3),
        (b"D000000002", b"X000000002", AckCode.TRAILER, 3),
        (b"T000000002", b"T000000003", AckCode.COUNT, 4),
        (b"00000000000400", b"00000000000401", AckCode.SUM, 4),
        (b"653000098765", b"653000098766", AckCode.DIGEST, 4),
    ],
)
def test_a_file_that_does_not_hold_together_is_refused_whole(was: bytes, becomes: bytes, code: AckCode, line_no: int) -> None:
    with pytest.raises(FileRefused) as refused:
        verify_file(BytesIO(two_trips().replace(was, becomes, 1)), HEADER.file_name)
    assert (refused.value.code, refused.value.line_no) == (code, line_no)


@pytest.mark.parametrize("content", [b"", b"x" * 100_000, two_trips()[:190]], ids=["empty", "no-lines", "header-only"])
def test_what_is_no_usage_file_is_refused(content: bytes) -> None:
    with pytest.raises(FileRefused):
        verify_file(BytesIO(content), HEADER.file_name)


def test_nothing_may_follow_the_trailer() -> None:
    with pytest.raises(FileRefused) as refused:
        verify_file(BytesIO(two_trips() + two_trips()), HEADER.file_name)
    assert refused.value.code == AckCode.TRAILER


def test_the_last_line_may_lack_its_line_end() -> None:
    assert verify_file(BytesIO(two_trips()[:-2]), HEADER.file_name).count == 2


def test_a_file_without_details_is_a_file() -> None:
    assert verify_file(BytesIO(b"".join(encode_file(HEADER, []))), HEADER.file_name).count == 0


def test_g20_a_wrong_trailer_sum_rejects_the_whole_file_and_nothing_is_applied(side: Side) -> None:
    outcome = side.take_bytes(HEADER.file_name, two_trips().replace(b"00000000000400", b"00000000000401"))
    assert (outcome.refusal and outcome.refusal.code, outcome.new_events) == (AckCode.SUM, 0)
    assert [event.WhichOneof("kind") for event in side.events()] == ["file_rejected"]
    assert side.ack() == ["A|CQTK_USE_20260105_0001.dat|4|07|尾记录金额合计不符"]


def test_a_refused_file_can_be_mended_and_sent_under_the_same_version(side: Side) -> None:
    side.take_bytes(HEADER.file_name, two_trips().replace(b"00000000000400", b"00000000000401"))
    assert side.take(HEADER, BUS, SECOND_BUS).new_events == 2


# --- a line that is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "becomes", "code"),
    [
        (144, b"12A456", AckCode.DIGITS),
        (124, b"000002 0", AckCode.DIGITS),
        (86, b"20260230", AckCode.CALENDAR),
        (102, b"250000", AckCode.CALENDAR),
        (94, b"20260107", AckCode.CALENDAR),
        (94, b"20260104", AckCode.CALENDAR),
        (46, "测试测试测试测试测试测试测试㐂".encode("gb18030")[:30], AckCode.NAME_BYTES),
        (46, b"\x07", AckCode.NAME_BYTES),
        (86, b"00010101", AckCode.CALENDAR),
        (94, b"00010101", AckCode.CALENDAR),
        (80, b"PARK", AckCode.SCENE),
        (84, b"77", AckCode.SCENE),
        (84, b"31", AckCode.SCENE),
        (76, b"2900", AckCode.AREA),
        (10, b"31029000", AckCode.CARD),
        (18, b"9", AckCode.CARD),
        (37, b"A 0000025", AckCode.TEXT),
        (37, b"A000025  ", AckCode.CARD),
        (140, b"09", AckCode.CONCESSION),
        (187, b"9", AckCode.TEST_RECORD),
        (187, b"7", AckCode.FLAG),
        (150, b"6530|0098765", AckCode.TEXT),
    ],
)
def test_a_line_that_cannot_be_read_or_meant_is_refused_by_itself(at: int, becomes: bytes, code: AckCode) -> None:
    raw = bytearray(encode_record(BUS))
    raw[at : at + len(becomes)] = becomes
    with pytest.raises(LineRefused) as refused:
        check_record(parse_record(bytes(raw)))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (replace(BUS, card_no_tu="", issuer_code="", ss_card_no=""), AckCode.CARD),
        (replace(BUS, card_no_tu="3102900000000000025", issuer_code="31029000"), AckCode.CARD),
        (replace(BORROWED, txn_type="90"), AckCode.SCENE),
        (replace(BORROWED, line_in="", stn_in=""), AckCode.TEXT),
        (replace(BORROWED, line_out="", stn_out=""), AckCode.TEXT),
    ],
    ids=["no-card", "other-issuer", "reversal-outside-transit", "no-venue", "no-item"],
)
def test_a_record_that_cannot_be_meant_is_refused(record: UsageRecord, code: AckCode) -> None:
    with pytest.raises(LineRefused) as refused:
        check_record(record)
    assert refused.value.code == code


@pytest.mark.parametrize("name", [bytes.fromhex("d5c5a1a1c8fd"), bytes.fromhex("b2e2aaa1")], ids=["wide-space", "private-use"])
def test_a_name_may_hold_wide_spaces_and_private_use_characters(name: bytes) -> None:
    raw = bytearray(encode_record(BUS))
    raw[46:76] = name.ljust(30)
    assert parse_record(bytes(raw)).name == name.decode("gb18030")


def test_a_header_with_a_null_date_refuses_the_file(side: Side) -> None:
    content = two_trips().replace(b"20260105", b"00010101", 1)
    assert side.take_bytes("CQTK_USE_00010101_0001.dat", content).refusal.code == AckCode.HEADER


def test_a_refused_line_costs_only_itself(side: Side) -> None:
    outcome = side.take(HEADER, replace(BUS, flag="9"), SECOND_BUS)
    assert (outcome.new_events, outcome.refused_lines) == (1, 1)
    assert side.ack() == [
        "A|CQTK_USE_20260105_0001.dat|2|400|00",
        "A|CQTK_USE_20260105_0001.dat|2|48|测试记录不入库",
    ]


# --- what comes again ------------------------------------------------------------------------------------------------


def test_g21_the_same_file_twice_gives_zero_new_events(side: Side) -> None:
    assert side.take(HEADER, BUS, SECOND_BUS, replace(BORROWED, seq=3)).new_events == 3
    before = side.outbox.state("cq.usage").next_sequence
    assert side.take(HEADER, BUS, SECOND_BUS, replace(BORROWED, seq=3)).new_events == 0
    assert side.outbox.state("cq.usage").next_sequence == before
    assert side.ack() == ["A|CQTK_USE_20260105_0001.dat|3|400|00"]


def test_a_re_send_corrects_what_it_changes_and_adds_what_is_new(side: Side) -> None:
    side.take(HEADER, BUS, replace(BORROWED, seq=2))
    changed = replace(BORROWED, seq=2, stn_out="9999")
    assert side.take(RESEND, BUS, changed, replace(SECOND_BUS, seq=3)).new_events == 2
    assert [(event.corrects.feed, event.corrects.sequence) for event in side.uses()[2:]] == [("cq.usage", 2), ("", 0)]


def test_a_re_send_may_change_a_fact_back(side: Side) -> None:
    side.take(HEADER, BUS)
    side.take(RESEND, replace(BUS, fare_paid_fen=100))
    side.take(replace(HEADER, version="02.12"), BUS)
    fares = [event.transit_journey_completed.fare_paid_fen for event in side.uses()]
    assert fares == [200, 100, 200]


@pytest.mark.parametrize(
    ("header", "records", "code"),
    [
        (HEADER, [BUS, SECOND_BUS], AckCode.VERSION),
        (RESEND, [BUS, replace(SECOND_BUS, fare_paid_fen=1)], AckCode.CONTENT_CHANGED),
        (replace(HEADER, version="02.12"), [BUS], AckCode.CONTENT_CHANGED),
    ],
    ids=["older-version", "same-version", "fewer-lines"],
)
def test_a_file_that_cannot_follow_the_one_before_is_refused_whole(
    side: Side, header: FileHeader, records: Sequence[UsageRecord], code: AckCode
) -> None:
    side.take(RESEND, BUS, SECOND_BUS)
    outcome = side.take(header, *records)
    assert (outcome.refusal and outcome.refusal.code, len(side.uses())) == (code, 2)


def test_a_tap_sent_in_two_files_is_one_event(side: Side) -> None:
    side.take(HEADER, BUS)
    assert side.take(NEXT_DAY, replace(BUS, flag="1")).new_events == 0


def test_a_tap_that_says_something_else_without_a_flag_is_refused_by_its_line(side: Side) -> None:
    side.take(HEADER, BUS)
    outcome = side.take(NEXT_DAY, replace(BUS, fare_paid_fen=100))
    assert (outcome.new_events, outcome.refused_lines) == (0, 1)


def test_a_flagged_correction_names_the_event_it_changes(side: Side) -> None:
    side.take(HEADER, BUS)
    side.take(NEXT_DAY, replace(BUS, flag="2", fare_paid_fen=100))
    assert side.uses()[1].corrects.sequence == 1


def test_files_with_corrections_are_idempotent_in_any_order(side: Side) -> None:
    twice = (replace(BUS, flag="2", fare_paid_fen=100), replace(BUS, seq=2, flag="2", fare_paid_fen=50))
    side.take(HEADER, BUS)
    assert side.take(NEXT_DAY, *twice).new_events == 2
    assert (side.take(NEXT_DAY, *twice).new_events, side.take(HEADER, BUS).new_events) == (0, 0)


def test_a_reversal_names_what_it_undoes(side: Side) -> None:
    side.take(HEADER, replace(BUS, txn_type="02"))
    side.take(NEXT_DAY, REVERSAL)
    undone = side.uses()[1]
    assert (undone.reverses.sequence, undone.WhichOneof("kind")) == (1, "transit_purse_topped_up")


def test_a_reversal_is_not_corrected(side: Side) -> None:
    side.take(HEADER, BUS)
    side.take(NEXT_DAY, REVERSAL)
    outcome = side.take(NEXT_DAY_RESEND, replace(REVERSAL, fare_paid_fen=100))
    assert (outcome.new_events, outcome.refused_lines) == (0, 1)


def test_a_reversal_in_the_same_file_finds_its_trip(side: Side) -> None:
    side.take(HEADER, BUS, replace(BUS, seq=2, txn_type="90"))
    assert side.uses()[1].reverses.sequence == 1


def test_a_reversal_of_an_unknown_trip_is_recorded_without_a_fare(side: Side) -> None:
    side.take(NEXT_DAY, REVERSAL)
    [undone] = side.uses()
    assert not undone.HasField("reverses")
    assert (undone.source.message_id, undone.source.native_code) == ("002044/653000098765/000000120", "TRAN90/0")
    assert (undone.transit_journey_completed.fare_paid_fen, undone.amount_fen) == (0, -200)


def test_a_crash_between_outbox_and_ledger_changes_nothing(side: Side, tmp_path: Path) -> None:
    side.take(HEADER, BUS, SECOND_BUS)
    forgetful = UsageIntake(side.outbox, Ledger(tmp_path / "empty.sqlite"), tmp_path)
    outcome = forgetful.take(tmp_path / HEADER.file_name, NOW)
    assert outcome.new_events == 0
    assert forgetful.take(tmp_path / HEADER.file_name, NOW).new_events == 0


def test_no_card_number_or_name_is_in_a_source_or_a_source_key(side: Side) -> None:
    side.take(HEADER, BUS, replace(BORROWED, seq=2))
    keys = [key for (key,) in side.outbox._db.execute("SELECT source_key FROM source")]
    told = [str(MessageToDict(event.source)) for event in side.events()] + keys
    assert not [text for text in told if "A00000025" in text or "0000000025" in text or "测试" in text]


# --- the inbox -------------------------------------------------------------------------------------------------------


def test_the_inbox_takes_whole_files_and_sorts_them(side: Side, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", side.intake)
    folder = tmp_path / "inbox"
    (folder / HEADER.file_name).write_bytes(two_trips())
    (folder / NEXT_DAY.file_name).write_bytes(two_trips())
    (folder / "CQTK_USE_20260107_0001.dat.tmp").write_bytes(b"half")
    (folder / "holiday.dat").write_bytes(b"photo")
    inbox.take_all()
    assert sorted(path.name for path in (folder / "done").iterdir()) == ["CQTK_USE_20260105_0001_02.10.dat"]
    assert sorted(path.name for path in (folder / "rejected").iterdir()) == [NEXT_DAY.file_name, "holiday.dat"]
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["CQTK_USE_20260107_0001.dat.tmp"]
    assert inbox.status() == {
        "waiting": 0, "never_taken": 0, "taken": 1, "rejected": 2, "failed": 0, "new_events": 2, "refused_lines": 0,
    }  # fmt: skip


def test_what_is_never_taken_is_reported_once_and_counted(side: Side, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "inbox"
    inbox = Inbox(folder, side.intake)
    (tmp_path / "elsewhere.dat").write_bytes(two_trips())
    (folder / HEADER.file_name).symlink_to(tmp_path / "elsewhere.dat")
    (folder / "CQTK_USE_20260107_0001.dat").mkdir()
    os.mkfifo(folder / "CQTK_USE_20260108_0001.dat")
    (folder / "note.txt").write_bytes(b"x")
    (folder / "old.dat.tmp").write_bytes(b"x")
    os.utime(folder / "old.dat.tmp", (0, 0))
    inbox.take_all()
    inbox.take_all()
    assert (inbox.status()["never_taken"], inbox.status()["waiting"], inbox.counters["taken"]) == (5, 0, 0)
    assert caplog.text.count("never taken") == 5


def test_a_link_put_into_processing_is_not_followed(side: Side, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", side.intake)
    (tmp_path / "elsewhere.dat").write_bytes(two_trips())
    (tmp_path / "inbox" / "processing" / HEADER.file_name).symlink_to(tmp_path / "elsewhere.dat")
    inbox.take_all()
    assert (inbox.counters["taken"], inbox.counters["rejected"], side.events()) == (0, 1, [])


def test_a_file_that_cannot_be_processed_keeps_neither_the_others_nor_its_successor(side: Side, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    inbox = Inbox(folder, side.intake)
    stuck = folder / "processing" / HEADER.file_name
    (folder / HEADER.file_name).write_bytes(two_trips())
    side.intake._ack_dir = tmp_path / "nowhere"
    inbox.take_all()
    assert (stuck.exists(), inbox.counters["failed"]) == (True, 1)
    side.intake._ack_dir = side.directory
    (folder / HEADER.file_name).write_bytes(two_trips())
    inbox.take_all()
    assert [path.name for path in (folder / "failed").iterdir()] == [HEADER.file_name]
    assert (inbox.counters["taken"], inbox.counters["new_events"]) == (1, 2)


def test_the_inbox_takes_up_what_an_earlier_run_left(side: Side, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", side.intake)
    (tmp_path / "inbox" / "processing" / HEADER.file_name).write_bytes(two_trips())
    inbox.take_all()
    assert inbox.counters["taken"] == 1


def test_files_refused_under_one_name_are_all_kept(side: Side, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", side.intake)
    for content in (b"1", b"2"):
        (tmp_path / "inbox" / HEADER.file_name).write_bytes(content)
        inbox.take_all()
    kept = sorted(path.read_bytes() for path in (tmp_path / "inbox" / "rejected").iterdir())
    assert kept == [b"1", b"2"]


# --- anything --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 187), st.binary(min_size=1, max_size=30))
def test_a_damaged_record_is_an_event_or_a_typed_refusal(at: int, damage: bytes) -> None:
    raw = bytearray(encode_record(BUS))
    raw[at : at + len(damage)] = damage
    event_or_refusal(bytes(raw[:188]))


@given(st.binary(min_size=188, max_size=188))
def test_any_188_bytes_are_an_event_or_a_typed_refusal(raw: bytes) -> None:
    event_or_refusal(raw)


def event_or_refusal(raw: bytes) -> None:
    try:
        record = parse_record(raw)
        check_record(record)
    except LineRefused:
        return
    if record.txn_type != "90":
        translate_usage(record, HEADER, 2)


@given(st.integers(0, 760), st.binary(max_size=12), st.integers(0, 12))
def test_a_damaged_file_is_a_file_or_refused_whole(at: int, inserted: bytes, removed: int) -> None:
    content = two_trips()
    try:
        verify_file(BytesIO(content[:at] + inserted + content[at + removed :]), HEADER.file_name)
    except FileRefused:
        return


@given(st.text(max_size=40))
def test_any_name_survives_as_far_as_its_field_reaches(name: str) -> None:
    try:
        encoded = cut_name(name)
    except UnicodeEncodeError:
        return
    assert len(encoded) <= 30
    assert name.startswith(encoded.decode("gb18030"))
