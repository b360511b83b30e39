"""Owns a whole return file: header, rows, trailer, and the proof that they belong together.

A file is read twice, line by line, so that its size never matters: `verify_file` checks everything that speaks for the whole and refuses
the file before any line is applied; `read_rows` then gives the lines again. Where an amount or a result cannot be read it counts for
nothing in the sums: the line is refused by itself when the bank summed it the same way, and the file is when not.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO, Final

from adapters.bank.errors import AckCode, FileRefused, LineRefused
from adapters.kit.values import UNWRITABLE, read_day, read_time

ENCODING: Final = "gb18030"
# What some editors put before the text; the first is of GB18030 itself, the second says that the file is none.
MARK, FOREIGN_MARKS = b"\x84\x31\x95\x33", (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
MOST_LINE_BYTES: Final = 1_024
PAID: Final = "S"
RETURNED: Final = "F"
REASONS: Final = frozenset((*(f"{number:02}" for number in range(1, 13)), "99"))
_NAME: Final = re.compile(r"BK_([0-9]{3})_([A-Za-z0-9-]{1,40})_([0-9]{8})\.csv", re.ASCII)
_COUNT: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
# Thousands may be set off by commas, if all of them are.
_YUAN: Final = re.compile(r"(?:0|[1-9][0-9]{0,10}|[1-9][0-9]{0,2}(?:,[0-9]{3}){1,3})\.[0-9]{2}", re.ASCII)
_ACCOUNT: Final = re.compile(r"[0-9]{12,32}", re.ASCII)
_SERIAL: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileName:
    """What the name of a file says: bank, batch, and day of the file."""

    bank: str
    batch_no: str
    day: date

    @property
    def text(self) -> str:
        """The name itself."""
        return f"BK_{self.bank}_{self.batch_no}_{self.day:%Y%m%d}.csv"


@dataclass(frozen=True, slots=True)
class ReturnRow:
    """One row as the bank answers it; *posted_at* is local time, *reason* is 00 for one that was paid."""

    row_no: int
    account: str
    name: str
    amount_fen: int
    is_paid: bool
    reason: str
    serial: str
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """A file whose header, rows and trailer agree."""

    name: FileName
    count: int
    sum_fen: int


def read_name(name: str) -> FileName | None:
    """Returns what the name of a return file says, None where it is none."""
    found = _NAME.fullmatch(name)
    try:
        return FileName(found[1], found[2], read_day(found[3])) if found else None
    except ValueError:
        return None


def fen_of(yuan: str) -> int | None:
    """Returns an amount in fen, None where it is none: two places, and thousands set off by commas or not at all."""
    return int(yuan.replace(",", "").replace(".", "")) if _YUAN.fullmatch(yuan) else None


def yuan_of(fen: int) -> str:
    """Writes an amount."""
    return f"{fen // 100}.{fen % 100:02}"


def encode_file(name: FileName, rows: Iterable[ReturnRow]) -> bytes:
    """Returns a file as a bank writes it."""
    told = list(rows)
    paid, failed = ([row.amount_fen for row in told if row.is_paid == is_paid] for is_paid in (True, False))
    lines = [f"H|{name.bank}|{name.batch_no}|{len(told)}|{yuan_of(sum(paid) + sum(failed))}", *map(_line, told)]
    lines.append(f"T|{len(paid)}|{yuan_of(sum(paid))}|{len(failed)}|{yuan_of(sum(failed))}")
    return "".join(f"{line}\r\n" for line in lines).encode(ENCODING)


def _line(row: ReturnRow) -> str:
    result = PAID if row.is_paid else RETURNED
    told = (row.row_no, row.account, row.name, yuan_of(row.amount_fen), result, row.reason, row.serial, f"{row.posted_at:%Y%m%d%H%M%S}")
    return "|".join(map(str, told))


def verify_file(file: BinaryIO, name: str) -> VerifiedFile:
    """Reads *file* through and returns what it is; raises FileRefused when any of it does not belong together."""
    named = read_name(name)
    if named is None:
        raise FileRefused(AckCode.FILE_NAME, "文件名不是回盘文件名")
    lines = _lines(file)
    declared = _header(next(lines, (1, ""))[1], named)
    totals = _Totals()
    for line_no, line in lines:
        if not line.startswith("T|"):
            totals.add(line)
            continue
        _check_trailer(line, line_no, totals)
        if next(lines, None) is not None:
            raise FileRefused(AckCode.TRAILER, "尾行之后还有内容", line_no + 1)
        if declared[0] != totals.count:
            raise FileRefused(AckCode.COUNT, "首行笔数不符", 1)
        if declared[1] != totals.sum_fen:
            raise FileRefused(AckCode.SUM, "首行金额合计不符", 1)
        return VerifiedFile(named, totals.count, totals.sum_fen)
    raise FileRefused(AckCode.TRAILER, "缺少尾行")


class _Totals:
    """The running count and sum of rows, and by result."""

    def __init__(self) -> None:
        self.count = self.sum_fen = 0
        self.rows, self.fen = {PAID: 0, RETURNED: 0}, {PAID: 0, RETURNED: 0}

    def add(self, line: str) -> None:
        self.count += 1
        cells = line.split("|")
        fen = fen_of(cells[3]) if len(cells) == 8 else None
        if fen is None:
            return
        self.sum_fen += fen
        if cells[4] in self.rows:
            self.rows[cells[4]] += 1
            self.fen[cells[4]] += fen


def read_rows(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Yields (line number, text) of each row of a verified file, from its beginning: all that was counted between header and trailer."""
    file.seek(0)
    return ((line_no, line) for line_no, line in _lines(file) if line_no > 1 and not line.startswith("T|"))


def parse_row(line: str) -> ReturnRow:
    """Returns what a line says; raises LineRefused."""
    cells = line.split("|")
    if len(cells) != 8:
        raise LineRefused(AckCode.FIELDS, "字段数不是8")
    row_no, account, name, amount, result, reason, serial, posted = cells
    fen = fen_of(amount)
    if not _COUNT.fullmatch(row_no) or int(row_no) == 0:
        raise LineRefused(AckCode.ROW, "行号错误")
    if not _ACCOUNT.fullmatch(account):
        raise LineRefused(AckCode.ACCOUNT, "账号错误")
    if fen is None:
        raise LineRefused(AckCode.AMOUNT, "金额错误")
    if UNWRITABLE.search(name) or len(name) > 64 or not _SERIAL.fullmatch(serial):
        raise LineRefused(AckCode.TEXT, "户名或流水号有不可用字符")
    if (result == PAID and reason != "00") or (result == RETURNED and reason not in REASONS) or result not in (PAID, RETURNED):
        raise LineRefused(AckCode.RESULT, "结果与原因不符")
    try:
        posted_at = read_time(posted, "%Y%m%d%H%M%S")
    except ValueError:
        raise LineRefused(AckCode.TIME, "记账时间错误") from None
    return ReturnRow(int(row_no), account, name, fen, result == PAID, reason, serial, posted_at)


def _lines(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Yields (line number, text without its end); raises FileRefused where a line is too long or no GB18030."""
    line_no = 0
    while line := file.readline(MOST_LINE_BYTES + 1):
        line_no += 1
        if len(line) > MOST_LINE_BYTES:
            raise FileRefused(AckCode.LINE_LENGTH, f"一行超过{MOST_LINE_BYTES}字节", line_no)
        if line_no == 1:
            if line.startswith(FOREIGN_MARKS):
                raise FileRefused(AckCode.ENCODING, "文件不是GB18030编码", 1)
            line = line.removeprefix(MARK)
        try:
            yield line_no, line.removesuffix(b"\n").removesuffix(b"\r").decode(ENCODING)
        except UnicodeDecodeError:
            raise FileRefused(AckCode.ENCODING, "文件不是GB18030编码", line_no) from None


def _header(line: str, name: FileName) -> tuple[int, int]:
    """Returns how many rows for how much the header declares."""
    cells = line.split("|")
    fen = fen_of(cells[4]) if len(cells) == 5 and cells[0] == "H" else None
    if fen is None or not _COUNT.fullmatch(cells[3]):
        raise FileRefused(AckCode.HEADER, "首行格式错误", 1)
    if (cells[1], cells[2]) != (name.bank, name.batch_no):
        raise FileRefused(AckCode.FILE_NAME, "文件名与首行不符", 1)
    return int(cells[3]), fen


def _check_trailer(line: str, line_no: int, totals: _Totals) -> None:
    cells = line.split("|")
    paid, failed = (fen_of(cells[2]), fen_of(cells[4])) if len(cells) == 5 else (None, None)
    if paid is None or failed is None or not (_COUNT.fullmatch(cells[1]) and _COUNT.fullmatch(cells[3])):
        raise FileRefused(AckCode.TRAILER, "尾行格式错误", line_no)
    if [int(cells[1]), int(cells[3])] != [*totals.rows.values()]:
        raise FileRefused(AckCode.COUNT, "尾行笔数不符", line_no)
    if [paid, failed] != [*totals.fen.values()]:
        raise FileRefused(AckCode.SUM, "尾行金额合计不符", line_no)
