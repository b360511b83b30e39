"""Tables of cards before they are loaded: what of a file is refused, and in which words."""

import csv
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow
import pytest
from chuanyu.exchange.v1 import event_pb2
from pyarrow import parquet
from typer.testing import CliRunner

from adapters.cli import app
from adapters.kit.errors import AdapterError
from adapters.load import card_table
from adapters.load.card_table import CardTable, open_table
from adapters.load.checking import Report, check_rows
from adapters.load.loading import Paced

TAKEN_AT = datetime(2025, 8, 31, 16, tzinfo=UTC)
HEADER = "card_no,status,generation,card_kind,issuer_region,transit_enabled,issued_on,ident_code,id_type,id_no"
LINE = "T{:08d},1,THIRD,REGULAR,500199,1,2024-05-06,,,"


def lines(count: int, first: int = 0) -> list[str]:
    return [LINE.format(number) for number in range(first, first + count)]


def as_csv(path: Path, *rows: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("".join(f"{row}\n" for row in rows).encode(encoding))
    return path


def as_parquet(path: Path, *rows: str, group: int = 3) -> Path:
    names, *cells = csv.reader(rows)
    columns = {name: [row[index] for row in cells] for index, name in enumerate(names)}
    parquet.write_table(pyarrow.table(columns), path, row_group_size=group)
    return path


def opened(path: Path, encoding: str = "utf-8") -> CardTable:
    return open_table(path, 1, TAKEN_AT, encoding)


def wrong(table: CardTable) -> list[tuple[int, str]]:
    report = Report(None)
    return [(fault.line, f"{fault.column}: {fault.words}") for fault in check_rows(table, report, lambda _: None).wrong]


def test_a_row_is_the_registration_of_its_card(tmp_path: Path) -> None:
    row = "T00000001,CANCELLED,2,REGULAR,500199,是,2024-05-06,0123456789ABCDEF0123456789ABCDEF,01,500199198503211238"
    ((_, text),) = opened(as_csv(tmp_path / "cards.csv", HEADER, row)).pending("", 1, 10)
    event = event_pb2.Event.FromString(text)
    assert event.occurred_at.ToDatetime(UTC) == TAKEN_AT
    assert (event.card.issuing_province, event.card.clear, event.card.kind) == ("50", "T00000001", 1)
    registered = event.card_registered
    assert (registered.status, registered.generation, registered.transit_enabled, registered.issued_on) == (9, 2, True, "2024-05-06")
    assert [(alias.kind, alias.issuing_province) for alias in event.card_aliases] == [(2, "50")]
    assert (event.holder.id_type, event.holder.clear) == (1, "500199198503211238")


def test_csv_and_parquet_give_the_same_events_from_any_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_table, "MARK_LINES", 3)
    rows = [HEADER, *lines(11)]
    tables = [opened(as_csv(tmp_path / "a.csv", *rows)), opened(as_parquet(tmp_path / "a.parquet", *rows))]
    expected = [event for _, event in tables[0].pending("", 1, 20)]
    assert len(set(expected)) == 11
    for first in (1, 11, 4, 9, 3, 10, 2):
        for table in tables:
            assert table.pending("", first, 2) == [(number, expected[number - 1]) for number in range(first, min(first + 2, 12))]
    assert all(wrong(table) == [] for table in tables)


def test_typed_columns_of_parquet_are_read_as_csv_would_have_them(tmp_path: Path) -> None:
    at = datetime(2025, 9, 1, 8, tzinfo=UTC)
    columns = {"card_no": ["T00000001"], "status": [1], "generation": ["THIRD"], "card_kind": ["REGULAR"], "issuer_region": [500199]}
    cells = pyarrow.table(columns | {"transit_enabled": [True], "issued_on": [at.date()], "expires_on": [None], "occurred_at": [at]})
    parquet.write_table(cells, tmp_path / "a.parquet")
    ((_, text),) = open_table(tmp_path / "a.parquet", 1, None).pending("", 1, 1)
    event = event_pb2.Event.FromString(text)
    assert (event.issuer_region, event.card_registered.transit_enabled, event.card_registered.issued_on) == ("500199", True, "2025-09-01")
    assert (event.occurred_at.ToDatetime(UTC), event.card_registered.expires_on) == (at, "")


def test_a_damaged_row_group_is_named(tmp_path: Path) -> None:
    path = as_parquet(tmp_path / "a.parquet", HEADER, *lines(9))
    table, data = opened(path), bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    with pytest.raises(AdapterError, match="Row group 1 is damaged"):
        wrong(table)


def test_chinese_names_of_columns_and_gb18030_are_read_where_that_is_said(tmp_path: Path) -> None:
    rows = ("卡号,卡状态,卡代次,卡类别,发卡地区划", "T00000001,1,3,REGULAR,500199")
    table = opened(as_csv(tmp_path / "cards.csv", *rows, encoding="gb18030"), "gb18030")
    assert (table.lines, wrong(table)) == (1, [])


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-9])
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda at: cut(as_csv(at / "a.csv", HEADER, *lines(3))), "the file may be cut short"),
        (lambda at: cut(as_parquet(at / "a.parquet", HEADER, *lines(3))), "no whole Parquet file, it may be cut short"),
        (lambda at: as_csv(at / "a.csv", *lines(3)), "The first line is no header; it names the columns: issuer_region, card_no"),
        (lambda at: as_csv(at / "a.csv", HEADER.replace("status,", "")), "missing column: status（卡状态）"),
        (lambda at: as_csv(at / "a.csv", HEADER.replace("id_no", "colour")), "unknown column: colour"),
        (lambda at: as_csv(at / "a.csv", HEADER + ",status"), "column twice: status"),
        (lambda at: as_csv(at / "a.csv", HEADER.replace("id_no", "证件号码"), encoding="gbk"), "--encoding gb18030"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_what_to_change(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    with pytest.raises(AdapterError, match=words.replace("(", r"\(")):
        opened(make(tmp_path))


def test_a_line_of_another_encoding_further_down_is_named(tmp_path: Path) -> None:
    path = as_csv(tmp_path / "a.csv", HEADER, *lines(2))
    path.write_bytes(path.read_bytes() + "T00000009,1,3,REGULAR,500199,是,,,,\n".encode("gbk"))
    with pytest.raises(AdapterError, match="Line 4 is not utf-8; a GBK export is read with --encoding gb18030"):
        wrong(opened(path))


def test_an_open_quote_is_named(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="A quote of line 2 is not closed"):
        wrong(opened(as_csv(tmp_path / "a.csv", HEADER, '"T00000001,1')))


def test_without_an_instant_the_command_says_which_option_names_it(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="--taken-at names the instant"):
        open_table(as_csv(tmp_path / "a.csv", HEADER, *lines(1)), 1, None)


def test_a_paced_load_hands_out_small_batches_evenly_spaced(tmp_path: Path) -> None:
    paced = Paced(opened(as_csv(tmp_path / "a.csv", HEADER, *lines(300))), 500)
    began, sizes, sequence = time.monotonic(), list[int](), 1
    while rows := paced.pending("", sequence, 500):
        sizes.append(len(rows))
        sequence += len(rows)
    assert sizes == [50] * 6
    # The first two may come at once: what was held back is made up for by one batch, not by a burst.
    assert time.monotonic() - began >= 4 / 10


def test_doubled_cards_are_named_with_the_line_of_the_first(tmp_path: Path) -> None:
    for path in (
        as_csv(tmp_path / "a.csv", HEADER, *lines(3), *lines(2, 1)),
        as_parquet(tmp_path / "a.parquet", HEADER, *lines(3), *lines(2, 1)),
    ):
        above = 1 if path.suffix == ".csv" else 0
        found = wrong(opened(path))
        assert [line for line, _ in found] == [4 + above, 5 + above]
        assert f"The same card as line {2 + above}: keep one of them." in found[0][1]


def test_cells_are_named_by_line_and_column_and_never_shown(tmp_path: Path) -> None:
    bad = ["SECRET001,7,THIRD,REGULAR,500199,1,,,,", "SECRET002,1,THIRD,REGULAR,5001,maybe,2024-13-01,,,SECRET003", "SECRET004,1"]
    table, report = opened(as_csv(tmp_path / "a.csv", HEADER, *lines(1), *bad)), Report(tmp_path / "refused.csv")
    checked = check_rows(table, report, lambda _: None)
    report.close()
    assert (checked.wrong_rows, checked.cards) == (3, {("50", "ACTIVE"): 1})
    with (tmp_path / "refused.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["line"], row["sequence"], row["column"]) for row in found] == [
        ("3", "2", "status"),
        ("4", "3", "issuer_region"), ("4", "3", "issued_on"), ("4", "3", "transit_enabled"), ("4", "3", "id_no"),
        ("5", "4", ""),
    ]  # fmt: skip
    assert "SECRET" not in (tmp_path / "refused.csv").read_text(encoding="utf-8")


def test_rows_of_other_columns_and_instants_that_no_calendar_has_are_named_as_wrong(tmp_path: Path) -> None:
    first, last = (f"{LINE.format(number)},{at}" for number, at in enumerate(("2025-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00")))
    faults = wrong(opened(as_csv(tmp_path / "cards.csv", f"{HEADER},occurred_at", first, "", "", "1,2", last)))
    assert [line for line, _ in faults] == [3, 4, 5, 6]
    assert all("11 列，实有" in words for _, words in faults[:3]) and faults[3][1].startswith("occurred_at: 时刻超出范围")


def test_a_text_of_parquet_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    names, cells = HEADER.split(","), LINE.format(1).split(",")
    columns = {name: pyarrow.array([cell]) for name, cell in zip(names, cells, strict=True)}
    ends = (0).to_bytes(4, "little") + (2).to_bytes(4, "little")
    columns["card_no"] = pyarrow.Array.from_buffers(pyarrow.string(), 1, [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"\xc4\xe3")])
    parquet.write_table(pyarrow.table(columns), tmp_path / "cards.parquet")
    with pytest.raises(AdapterError, match="not UTF-8"):
        wrong(opened(tmp_path / "cards.parquet"))


def test_a_report_never_replaces_the_table_and_an_outbox_that_is_none_is_said(tmp_path: Path) -> None:
    path = as_csv(tmp_path / "cards.csv", HEADER, LINE.format(1))
    (tmp_path / "outbox.sqlite").write_text("garbage")
    before = path.read_bytes()
    files = [f"--{name}={path}" for name in ("ca", "cert", "key")]
    options = ("--hub", "127.0.0.1:1", "--feed", "cq.card-center", "--taken-at", "2025-09-01T00:00:00+08:00")
    none = CliRunner().invoke(app, ["load", str(path), *files, *options, "--data-dir", str(tmp_path)])
    assert (none.exit_code, "outbox.sqlite" in none.output) == (1, True)
    result = CliRunner().invoke(app, ["load", str(path), *files, *options, "--report", str(path)])
    assert (result.exit_code, "--report" in result.output, path.read_bytes()) == (1, True, before)
