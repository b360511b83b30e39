"""Owns a file of totals `CQTK_TOT_yyyymmdd_nnnn.dat`: what Chongqing's own book of a business day comes to; nnnn is the version.

    HCQTKTOT|yyyymmdd|nnnn|yyyyMMddHHmmss|reporter
    D|issuing province|region (GB/T 2260)|scenario|uses|fen|reversals|hash total       the last two may be empty
    T|lines|uses|fen

GB18030, CRLF, whole numbers without separators. It is taken as a whole or not at all: a part of a book explains nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chuanyu.exchange.v1.reconciliation_pb2 import ControlTotal

from adapters.chongqing.errors import AckCode, FileRefused
from adapters.kit.values import read_day, read_time

ENCODING: Final = "gb18030"
_NAME: Final = re.compile(r"CQTK_TOT_([0-9]{8})_([0-9]{4})\.dat", re.ASCII)
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_PERSON: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}", re.ASCII)
_DETAIL, _TRAILER = 8, 4


@dataclass(frozen=True, slots=True)
class TotalsFile:
    """A file that belongs together."""

    business_day: str
    version: int
    person: str
    totals: Sequence[ControlTotal]

    @property
    def fen(self) -> int:
        """All its money."""
        return sum(one.amount_fen for one in self.totals)


def is_totals_file_name(name: str) -> bool:
    """Says whether *name* is one that files of totals carry."""
    return _NAME.fullmatch(name) is not None


def read_totals_file(content: bytes, name: str) -> TotalsFile:
    """Returns what a file says; raises FileRefused when any of it does not belong together."""
    lines = _lines(content)
    named, head = _NAME.fullmatch(name), lines[0]
    if len(head) != 5 or head[0] != "HCQTKTOT" or not _PERSON.fullmatch(head[4]):
        raise FileRefused(AckCode.HEADER, "头记录格式错误", 1)
    if named is None or named.groups() != (head[1], head[2]) or int(head[2]) == 0:
        raise FileRefused(AckCode.FILE_NAME, "头记录与文件名不一致", 1)
    try:
        day = read_day(head[1]).isoformat()
        read_time(head[3], "%Y%m%d%H%M%S")
    except ValueError:
        raise FileRefused(AckCode.HEADER, "头记录日期错误", 1) from None
    totals = [_total(cells, line_no) for line_no, cells in enumerate(lines[1:-1], 2)]
    _check_trailer(lines[-1], len(lines), totals)
    return TotalsFile(day, int(head[2]), head[4], totals)


def _lines(content: bytes) -> list[list[str]]:
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", "\ufeff".encode(ENCODING))):
        raise FileRefused(AckCode.TOTALS, "文件带字节序标记", 1)
    rest = content.replace(b"\r\n", b"")
    if b"\r" in rest or b"\n" in rest or not content.endswith(b"\r\n"):
        raise FileRefused(AckCode.RECORD_LENGTH, "行尾须一律为CRLF")
    try:
        lines = content.decode(ENCODING).split("\r\n")[:-1]
    except UnicodeDecodeError:
        raise FileRefused(AckCode.TOTALS, "不是GB18030") from None
    if len(lines) == 1:
        raise FileRefused(AckCode.TRAILER, "缺少尾记录")
    return [line.split("|") for line in lines]


def _total(cells: list[str], line_no: int) -> ControlTotal:
    if len(cells) != _DETAIL or cells[0] != "D":
        raise FileRefused(AckCode.TOTALS, "明细格式错误", line_no)
    total = ControlTotal(issuer_province=cells[1], service_region=cells[2], scenario=cells[3])
    for name, text in zip(("uses", "amount_fen", "reversals", "hash_total"), cells[4:], strict=True):
        if not text and name in ("reversals", "hash_total"):
            continue
        if not _NUMBER.fullmatch(text):
            raise FileRefused(AckCode.TOTALS, "不是整数（不得带千分位）", line_no)
        try:
            setattr(total, name, int(text))
        except ValueError:
            raise FileRefused(AckCode.TOTALS, "数值超出范围", line_no) from None
    return total


def _check_trailer(cells: list[str], line_no: int, totals: Sequence[ControlTotal]) -> None:
    if len(cells) != _TRAILER or cells[0] != "T" or not all(map(_NUMBER.fullmatch, cells[1:])):
        raise FileRefused(AckCode.TRAILER, "尾记录格式错误", line_no)
    count, uses, fen = map(int, cells[1:])
    if count != len(totals):
        raise FileRefused(AckCode.COUNT, "笔数与尾记录不符", line_no)
    if (uses, fen) != (sum(one.uses for one in totals), sum(one.amount_fen for one in totals)):
        raise FileRefused(AckCode.SUM, "合计与尾记录不符", line_no)
