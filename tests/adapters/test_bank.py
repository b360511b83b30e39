"""Return files of agent banks: the bytes, what is refused and how far, and what becomes of a file that comes again."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import protovalidate
import pytest
from chuanyu.exchange.v1.event_pb2 import Event
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.bank.errors import AckCode, FileRefused
from adapters.bank.intake import Outcome, ReturnIntake
from adapters.bank.ledger import Ledger
from adapters.bank.return_file import FileName, ReturnRow, encode_file, fen_of, parse_row, read_rows, verify_file, yuan_of
from adapters.kit import Outbox
from adapters.kit.inbox import Inbox

FEED, REGION = "sc.bank-103", "510100"
NOW = datetime(2026, 3, 5, tzinfo=UTC)
NAME = FileName("103", "SC202603-0007", date(2026, 3, 3))
LATER = replace(NAME, day=date(2026, 3, 9))
PAID = ReturnRow(1, "6217000000000000012", "测试甲", 23_000, True, "00", "B0001", datetime(2026, 3, 3, 2, 15, 7))
BACK = ReturnRow(2, "6217000000000000020", "测试乙", 1_234_567, False, "05", "B0002", datetime(2026, 3, 3, 2, 15, 8))
LATE = replace(PAID, is_paid=False, reason="04", posted_at=datetime(2026, 3, 9, 9))
FILE = encode_file(NAME, [PAID, BACK])


class Bank:
    """One adapter's files and outbox in a directory of their own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.outbox = Outbox(directory / "outbox.sqlite")
        self.intake = ReturnIntake(self.outbox, Ledger(directory / "outbox.sqlite"), directory / "ack", FEED, REGION)

    def take(self, content: bytes, name: FileName | str = NAME) -> Outcome:
        path = self.directory / (name if isinstance(name, str) else name.text)
        path.write_bytes(content)
        return self.intake.take(path, NOW)

    def events(self) -> list[Event]:
        return [Event.FromString(event) for _, event in self.outbox.pending(FEED, 1, 1000)]

    def rows(self) -> list[Event]:
        return [event for event in self.events() if not event.WhichOneof("kind").startswith("file_")]

    def in_force(self) -> set[tuple[str, int, str, int]]:
        """What counts of the rows: kind, row, serial, reason; an event that was corrected counts no more."""
        sent = self.outbox.pending(FEED, 1, 1000)
        counted = {sequence: Event.FromString(event) for sequence, event in sent}
        for event in list(counted.values()):
            if event.HasField("corrects"):
                del counted[event.corrects.sequence]
        found = set()
        for event in counted.values():
            if (kind := event.WhichOneof("kind")) in ("fund_row_paid", "fund_row_returned"):
                row = getattr(event, kind)
                found.add((kind, row.row_no, row.bank_serial, getattr(row, "reason", 0)))
        return found

    def ack(self, name: str = NAME.text) -> list[str]:
        text = (self.directory / "ack" / f"{name.removesuffix('.csv')}_ACK").read_bytes().decode("gb18030")
        return [line.split("|", 2)[2] for line in text.split("\r\n")[:-1]]


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path)


def test_a_file_becomes_an_event_a_row_and_is_acknowledged(bank: Bank) -> None:
    outcome = bank.take(FILE)
    paid, back = bank.rows()
    assert (outcome.new_events, bank.ack()) == (2, ["2|12575.67|00"])
    assert (paid.fund_row_paid.amount_fen, paid.fund_row_paid.bank_serial, paid.service_region) == (23_000, "B0001", REGION)
    assert (back.fund_row_returned.reason, back.source.file_name, back.source.line_no) == (5, NAME.text, 3)
    assert paid.occurred_at.ToJsonString() == "2026-03-02T18:15:07Z"
    for event in bank.events():
        protovalidate.validate(event)


CRLF = b"\r\n"
REFUSED: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("another count of rows in the header", lambda file: file.replace(b"|2|12575.67", b"|3|12575.67", 1), "1|06|首行笔数不符"),
    ("another sum in the header", lambda file: file.replace(b"|2|12575.67", b"|2|12575.68", 1), "1|07|首行金额合计不符"),
    ("a header of another batch", lambda file: file.replace(b"SC202603-0007", b"SC202603-0008", 1), "1|02|文件名与首行不符"),
    ("a trailer off by a fen", lambda file: file.replace(b"T|1|230.00", b"T|1|230.01"), "4|07|尾行金额合计不符"),
    ("a trailer off by a row", lambda file: file.replace(b"T|1|230.00", b"T|2|230.00"), "4|06|尾行笔数不符"),
    ("a trailer that swaps sums", lambda file: file.replace(b"230.00|1|12345.67", b"12345.67|1|230.00"), "4|07|尾行金额合计不符"),
    ("no trailer", lambda file: file[: file.index(b"T|")], "0|05|缺少尾行"),
    ("something after the trailer", lambda file: file + b"1" + CRLF, "5|05|尾行之后还有内容"),
    ("an amount changed on the way", lambda file: file.replace(b"|230.00|S", b"|230.01|S"), "4|07|尾行金额合计不符"),
    ("a byte-order mark of UTF-8", lambda file: b"\xef\xbb\xbf" + file.decode("gb18030").encode(), "1|03|文件不是GB18030编码"),
    ("a byte that is no GB18030", lambda file: file.replace("测试甲".encode("gb18030"), b"\xff"), "2|03|文件不是GB18030编码"),
    ("a line without an end", lambda file: b"H" * 5_000 + file, "1|04|一行超过1024字节"),
    ("an empty file", lambda _: b"", "1|01|首行格式错误"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "told"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_a_file_that_does_not_belong_together_is_refused_whole(bank: Bank, spoil: Callable[[bytes], bytes], told: str) -> None:
    outcome = bank.take(spoil(FILE))
    assert (outcome.refusal is not None, bank.rows(), bank.ack()) == (True, [], [told])
    assert [event.file_rejected.reason_code for event in bank.events()] == [told.split("|")[1]]


TAKEN: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("a byte-order mark of GB18030", lambda file: b"\x84\x31\x95\x33" + file),
    ("mixed line ends", lambda file: file.replace(CRLF, b"\n", 2)),
    ("no line end at the end", lambda file: file.removesuffix(CRLF)),
    ("thousands set off by commas", lambda file: file.replace(b"12345.67", b"12,345.67")),
]


@pytest.mark.parametrize("write", [one[1] for one in TAKEN], ids=[one[0] for one in TAKEN])
def test_what_other_programs_write_is_read(bank: Bank, write: Callable[[bytes], bytes]) -> None:
    assert bank.take(write(FILE)).new_events == 2
    assert [event.fund_row_returned.amount_fen for event in bank.rows()][1] == 1_234_567


LINES: list[tuple[str, bytes, bytes, str]] = [
    ("a reason that is none", b"|F|05|", b"|F|77|", "3|45|结果与原因不符"),
    ("paid with a reason", b"|S|00|", b"|S|05|", "2|45|结果与原因不符"),
    ("an account with letters", b"|6217000000000000020|", b"|621700000000000002X|", "3|43|账号错误"),
    ("an instant that is none", b"|20260303021508", b"|20260303026008", "3|46|记账时间错误"),
    ("a row of number zero", b"\r\n2|", b"\r\n0|", "3|42|行号错误"),
    ("a row that is there twice", b"\r\n2|", b"\r\n1|", "3|48|同一文件中行号重复"),
    ("a serial that is there twice", b"|B0002|", b"|B0001|", "3|49|同一文件中流水号重复"),
    ("a serial with a control", b"|B0002|", b"|B\x07002|", "3|47|户名或流水号有不可用字符"),
    ("a carriage return within a name", "测试乙".encode("gb18030"), b"A\rB", "3|47|户名或流水号有不可用字符"),
]


@pytest.mark.parametrize(("found", "put", "told"), [one[1:] for one in LINES], ids=[one[0] for one in LINES])
def test_one_bad_line_never_holds_up_the_rest(bank: Bank, found: bytes, put: bytes, told: str) -> None:
    third = replace(PAID, row_no=9, serial="B0009")
    content = encode_file(NAME, [PAID, BACK, third])
    assert found in content
    outcome = bank.take(content.replace(found, put, 1))
    assert (outcome.refused_lines, outcome.new_events, bank.ack()[1:]) == (1, 2, [told])


def test_thousands_that_are_set_off_wrongly_are_no_amount(bank: Bank) -> None:
    content = (
        encode_file(NAME, [PAID]).replace(b"|230.00|S", b"|2,30.00|S").replace(b"T|1|230.00", b"T|0|0.00").replace(b"|230.00\r", b"|0.00\r")
    )
    outcome = bank.take(content)
    assert (outcome.refused_lines, outcome.new_events, bank.ack()[1:]) == (1, 0, ["2|44|金额错误"])


def test_the_same_file_twice_is_no_new_event(bank: Bank) -> None:
    bank.take(FILE)
    again = bank.take(FILE)
    assert (again.new_events, again.version, len(bank.rows())) == (0, "1", 2)


def test_a_later_sending_corrects_its_lines_and_adds_to_them(bank: Bank) -> None:
    bank.take(FILE)
    added = replace(PAID, row_no=3, serial="B0003")
    outcome = bank.take(encode_file(NAME, [PAID, replace(BACK, reason="07"), added]))
    corrected, new = bank.events()[3:5]
    assert (outcome.new_events, outcome.version) == (2, "2")
    assert (corrected.corrects.feed, corrected.corrects.sequence, corrected.fund_row_returned.reason) == (FEED, 2, 7)
    assert not new.HasField("corrects")


AGAIN: list[tuple[str, list[ReturnRow]]] = [
    ("returned becomes paid", [PAID, replace(BACK, is_paid=True, reason="00")]),
    ("paid becomes returned", [replace(PAID, is_paid=False, reason="04"), BACK]),
    ("another serial", [replace(PAID, serial="B0011"), BACK]),
    ("another row", [replace(PAID, row_no=3), BACK]),
    ("another row and serial", [replace(PAID, row_no=3, serial="B0011"), BACK]),
    ("rows moved by one", [replace(PAID, row_no=2), replace(BACK, row_no=3)]),
    ("serials moved by one", [replace(PAID, serial="B0002"), replace(BACK, serial="B0003")]),
    ("rows changed places", [replace(PAID, row_no=2), replace(BACK, row_no=1)]),
]


def says(rows: list[ReturnRow]) -> set[tuple[str, int, str, int]]:
    return {("fund_row_paid" if one.is_paid else "fund_row_returned", one.row_no, one.serial, int(one.reason)) for one in rows}


@pytest.mark.parametrize("rows", [one[1] for one in AGAIN], ids=[one[0] for one in AGAIN])
def test_what_counts_is_what_the_last_sending_says_whatever_it_changed(bank: Bank, rows: list[ReturnRow]) -> None:
    bank.take(FILE)
    bank.take(encode_file(NAME, rows))
    assert (bank.in_force(), bank.ack()[1:]) == (says(rows), [])
    assert bank.take(encode_file(NAME, rows)).new_events == 0


LINES_OF_FOUR = st.tuples(
    st.permutations([1, 2, 3, 4]), st.permutations(["B1", "B2", "B3", "B4"]), st.lists(st.booleans(), min_size=4, max_size=4)
)


@settings(max_examples=12, deadline=None)
@given(st.lists(LINES_OF_FOUR, min_size=2, max_size=4), st.integers(1, 3))
def test_any_sendings_of_a_file_come_to_the_last_of_them(sendings: list[tuple[list[int], list[str], list[bool]]], count: int) -> None:
    with TemporaryDirectory() as directory:
        bank = Bank(Path(directory))
        rows: list[ReturnRow] = []
        for number, (row_nos, serials, paid) in enumerate(sendings):
            told = list(zip(row_nos, serials, paid, strict=True))[: count + (number > 0)]
            rows = [
                replace(PAID, row_no=row_no, serial=serial, is_paid=is_paid, reason="00" if is_paid else "05")
                for row_no, serial, is_paid in told
            ]
            bank.take(encode_file(NAME, rows))
            assert bank.in_force() == says(rows)


def test_a_sending_that_says_again_what_the_first_said_is_a_correction_of_the_second(bank: Bank) -> None:
    for content in (FILE, encode_file(NAME, [PAID, replace(BACK, reason="07")]), FILE):
        outcome = bank.take(content)
    assert (outcome.version, outcome.new_events, bank.in_force()) == ("3", 1, says([PAID, BACK]))


def test_a_line_that_is_refused_leaves_the_answer_before_as_it_was(bank: Bank) -> None:
    bank.take(FILE)
    added = replace(PAID, row_no=3, serial="B0003")
    bank.take(encode_file(NAME, [PAID, BACK, added]).replace(b"\r\n1|", b"\r\n0|"))
    assert (bank.in_force(), bank.ack()[1:]) == (says([PAID, BACK, added]), ["2|42|行号错误"])


def test_a_mended_file_after_a_crash_corrects_what_had_gone_out(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(bank.outbox, "put", full_disk(bank.outbox.put))
        with pytest.raises(OSError, match="disk"):
            bank.take(FILE)
    mended = [PAID, replace(BACK, reason="07")]
    bank.take(encode_file(NAME, mended))
    assert bank.in_force() == says(mended)


def full_disk(put: Callable[..., object]) -> Callable[..., object]:
    """Puts what it is given and then breaks, as a process that ends before it knows."""

    def broken(*args: object, **more: object) -> object:
        put(*args, **more)
        raise OSError("the disk is full")

    return broken


def test_a_line_of_the_body_that_begins_as_a_header_is_refused_by_itself(bank: Bank) -> None:
    content = encode_file(NAME, [PAID, BACK, replace(PAID, row_no=3, serial="B3")]).replace(b"\r\n3|", b"\r\nH|")
    outcome = bank.take(content)
    accepted = bank.events()[-1].file_accepted
    assert (outcome.refused_lines, accepted.accepted_count, accepted.refused_count) == (1, 2, 1)
    assert bank.ack() == ["3|12805.67|00", "4|42|行号错误"]


def test_a_serial_of_a_bank_is_of_one_row_in_all_its_files(bank: Bank) -> None:
    bank.take(FILE)
    outcome = bank.take(encode_file(LATER, [replace(PAID, row_no=7)]), LATER)
    assert (outcome.new_events, bank.ack(LATER.text)[1:]) == (0, ["2|50|同一流水号在另一文件中内容不同"])
    other = replace(NAME, batch_no="SC202603-0008")
    assert bank.take(encode_file(other, [PAID]), other).refused_lines == 1


def test_a_later_sending_with_fewer_lines_is_refused_whole(bank: Bank) -> None:
    bank.take(FILE)
    assert bank.take(encode_file(NAME, [PAID])).refusal is not None
    assert bank.ack() == ["0|08|补发笔数少于原文件"]


def test_a_payment_that_comes_back_later_is_in_another_file_under_its_serial(bank: Bank) -> None:
    bank.take(FILE)
    assert bank.take(encode_file(LATER, [LATE]), LATER).new_events == 1
    late = bank.rows()[-1]
    assert (late.fund_row_returned.bank_serial, late.fund_row_returned.reason, late.HasField("corrects")) == ("B0001", 4, False)


def test_an_answer_that_another_file_contradicts_is_refused_by_its_line(bank: Bank) -> None:
    bank.take(FILE)
    outcome = bank.take(encode_file(LATER, [replace(PAID, amount_fen=23_001), replace(PAID, row_no=4, serial="B0004")]), LATER)
    assert (outcome.new_events, bank.ack(LATER.text)[1:]) == (1, ["2|50|同一流水号在另一文件中内容不同"])


def test_the_inbox_takes_return_files_and_puts_others_aside(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    inbox = Inbox(tmp_path / "inbox", bank.intake)
    (tmp_path / "inbox" / NAME.text).write_bytes(FILE)
    (tmp_path / "inbox" / "BK_103_list.csv").write_bytes(FILE)
    inbox.take_all()
    assert (inbox.status()["taken"], inbox.status()["rejected"]) == (1, 1)
    assert (tmp_path / "inbox" / "done" / NAME.text.replace(".csv", "_1.csv")).exists()


SAMPLES = Path(__file__).parents[2] / "adapters" / "samples" / "bank"
CASES = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("case", CASES)
def test_a_sample_becomes_its_events_and_acknowledgement(bank: Bank, case: str) -> None:
    for file in sorted((SAMPLES / case).rglob("*.csv")):
        bank.take(file.read_bytes(), file.name)
        expected = json.loads(file.with_suffix(".expected.json").read_text(encoding="utf-8"))
        events = [MessageToDict(event) for event in bank.events() if event.source.file_name == file.name]
        assert {"ack": bank.ack(file.name), "events": events} == expected


ROWS = st.builds(
    ReturnRow, st.integers(1, 99_999), st.just(PAID.account), st.sampled_from(["", "测试㐂", "𠀀"]), st.integers(0, 10**12),
    st.booleans(), st.just("00"), st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),
).map(lambda row: replace(row, reason="00" if row.is_paid else "05", posted_at=row.posted_at.replace(microsecond=0)))  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(ROWS, max_size=5))
def test_what_is_written_is_read_again(rows: list[ReturnRow]) -> None:
    file = BytesIO(encode_file(NAME, rows))
    assert verify_file(file, NAME.text).sum_fen == sum(row.amount_fen for row in rows)
    assert [parse_row(line) for _, line in read_rows(file)] == rows


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(content: bytes) -> None:
    with pytest.raises(FileRefused) as refused:
        verify_file(BytesIO(content), NAME.text)
    assert refused.value.code in AckCode


@given(st.integers(0, 10**13 - 1))
def test_an_amount_is_read_with_thousands_and_without(fen: int) -> None:
    assert fen_of(yuan_of(fen)) == fen_of(f"{fen // 100:,}.{fen % 100:02}") == fen
