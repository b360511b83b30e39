"""Owns a whole B2 file `CQTK_USE_yyyymmdd_nnnn.dat`: header, details, trailer, and the proof that they belong together.

A file is read twice, line by line, so that its size never matters: `verify_file` checks everything that speaks for the
whole and refuses the file before any line is applied; `read_details` then gives the lines again.

The header's version is `02.10` on first sending: `02` names the layout, the rest counts sendings from 10, so that the
first re-send of the same file number is `02.11`. Where a fare is not a number it counts as zero in the sum: the line is
refused by itself when the sender summed it the same way, and the file is when not.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO, Final

from adapters.chongqing.errors import AckCode, FileRefused
from adapters.chongqing.usage_record import FARE_PAID, FIRST_VERSION, RECORD_BYTES, SEQUENCE, UsageRecord, encode_record
from adapters.kit.values import read_day, read_time

CRLF: Final = b"\r\n"
_NAME: Final = re.compile(r"CQTK_USE_([0-9]{8})_([0-9]{4})\.dat", re.ASCII)
_HEADER: Final = re.compile(rb"HCQTKUSE([0-9]{8})([0-9]{4})([0-9]{14})GB18030 (02\.[1-9][0-9]) *", re.ASCII)
_TRAILER: Final = re.compile(rb"T([0-9]{9})([0-9]{14})([0-9A-Fa-f]{64}) *", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileHeader:
    """Which file this is; `created_at` is local time. The same business date and number make the same file."""

    business_date: date
    number: int
    created_at: datetime
    version: str = FIRST_VERSION

    @property
    def file_id(self) -> str:
        """Returns the identity that a re-send keeps."""
        return f"{self.business_date:%Y%m%d}-{self.number:04d}"

    @property
    def file_name(self) -> str:
        """Returns the name the format prescribes."""
        return f"CQTK_USE_{self.business_date:%Y%m%d}_{self.number:04d}.dat"


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """A file whose header, numbering, count, sum and digest agree; `digest` is SM3 of the details, in hex."""

    header: FileHeader
    count: int
    sum_fen: int
    digest: str


def is_usage_file_name(name: str) -> bool:
    """Says whether *name* is one that Chongqing's usage files carry."""
    return _NAME.fullmatch(name) is not None


def encode_file(header: FileHeader, records: Iterable[UsageRecord]) -> Iterator[bytes]:
    """Yields the lines of a file, CRLF included, as Chongqing's transit centre writes it; *records* may be endless."""
    start = f"HCQTKUSE{header.business_date:%Y%m%d}{header.number:04d}{header.created_at:%Y%m%d%H%M%S}"
    yield f"{start}GB18030 {header.version}".encode().ljust(RECORD_BYTES) + CRLF
    totals = _Totals()
    for record in records:
        line = encode_record(record)
        totals.add(line)
        yield line + CRLF
    trailer = f"T{totals.count:09d}{totals.sum_fen:014d}{totals.digest()}"
    yield trailer.encode().ljust(RECORD_BYTES) + CRLF


def verify_file(file: BinaryIO, name: str) -> VerifiedFile:
    """Reads *file* through and returns what it is; raises FileRefused when any of it does not belong together."""
    lines = _lines(file)
    header = _header(next(lines, (1, b""))[1], name)
    totals = _Totals()
    for line_no, line in lines:
        if not line.startswith(b"D"):
            _check_trailer(line, line_no, totals)
            if next(lines, None) is not None:
                raise FileRefused(AckCode.TRAILER, "尾记录之后还有内容", line_no + 1)
            return VerifiedFile(header, totals.count, totals.sum_fen, totals.digest())
        totals.add(line)
        if line[SEQUENCE] != b"%09d" % totals.count:
            raise FileRefused(AckCode.SEQUENCE, "记录序号不连续", line_no)
    raise FileRefused(AckCode.TRAILER, "缺少尾记录")


def read_details(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yields (line number in the file, 188 bytes) of each detail of a verified file, from its beginning."""
    file.seek(0)
    return ((line_no, line) for line_no, line in _lines(file) if line.startswith(b"D"))


class _Totals:
    """The running count, sum and digest of detail lines."""

    def __init__(self) -> None:
        self.count = 0
        self.sum_fen = 0
        self._digest = hashlib.new("sm3")

    def add(self, line: bytes) -> None:
        if self.count:
            self._digest.update(CRLF)
        self._digest.update(line)
        self.count += 1
        self.sum_fen += int(line[FARE_PAID]) if line[FARE_PAID].isdigit() else 0

    def digest(self) -> str:
        return self._digest.hexdigest()


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yields (line number, line without CRLF) and raises FileRefused at the first line that is not 188 bytes."""
    line_no = 0
    # One byte more than a whole line: a file without line ends is found out at once and never read into memory.
    while line := file.readline(RECORD_BYTES + len(CRLF) + 1):
        line_no += 1
        content = line.removesuffix(CRLF)
        at_end = len(line) == RECORD_BYTES and not file.read(1)  # the last line may lack its CRLF
        if len(content) != RECORD_BYTES or not (line.endswith(CRLF) or at_end):
            raise FileRefused(AckCode.RECORD_LENGTH, f"记录长度不是{RECORD_BYTES}字节", line_no)
        yield line_no, content


def _header(line: bytes, name: str) -> FileHeader:
    named, match = _NAME.fullmatch(name), _HEADER.fullmatch(line)
    if match is None:
        raise FileRefused(AckCode.HEADER, "头记录格式错误", 1)
    day, number, created, version = (group.decode() for group in match.groups())
    try:
        header = FileHeader(read_day(day), int(number), read_time(created, "%Y%m%d%H%M%S"), version)
    except ValueError:
        raise FileRefused(AckCode.HEADER, "头记录日期错误", 1) from None
    if named is None or named.groups() != (day, number):
        raise FileRefused(AckCode.FILE_NAME, "文件名与头记录不符", 1)
    return header


def _check_trailer(line: bytes, line_no: int, totals: _Totals) -> None:
    match = _TRAILER.fullmatch(line)
    if match is None:
        raise FileRefused(AckCode.TRAILER, "尾记录格式错误", line_no)
    count, sum_fen, digest = match.groups()
    if int(count) != totals.count:
        raise FileRefused(AckCode.COUNT, "尾记录笔数不符", line_no)
    if int(sum_fen) != totals.sum_fen:
        raise FileRefused(AckCode.SUM, "尾记录金额合计不符", line_no)
    if digest.decode().lower() != totals.digest():
        raise FileRefused(AckCode.DIGEST, "尾记录SM3不符", line_no)
