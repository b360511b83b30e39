"""Totals of a business day as a CSV file, read strictly: a spreadsheet that has touched it shows, and nothing is guessed."""

import csv
import re

from chuanyu.exchange.v1 import reconciliation_pb2 as protos

from hub.domain.reconciliation_errors import TotalsFileUnfit

COLUMNS = ("issuer_province", "service_region", "scenario", "uses", "amount_fen")
# A column that is there has a number on each line.
FURTHER = ("reversals", "hash_total")
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,19})")


def read_totals(content: bytes) -> list[protos.ControlTotal]:
    """Returns the totals of a file; raises TotalsFileUnfit with the line and what is wrong with it."""
    if content.startswith(_MARKS):
        raise TotalsFileUnfit(line=1, why="BYTE_ORDER_MARK")
    ends = {b"\r\n"} if b"\r\n" in content else {b"\n"}
    if b"\r" in content.replace(b"\r\n", b"") or (ends == {b"\r\n"} and b"\n" in content.replace(b"\r\n", b"")):
        raise TotalsFileUnfit(line=1, why="LINE_ENDS")
    try:
        # Not splitlines: that ends a line at other characters too, of which a cell may have none.
        lines = content.decode("utf-8").replace("\r\n", "\n").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise TotalsFileUnfit(line=1, why="ENCODING") from None
    head, *rows = [_cells(number, line) for number, line in enumerate(lines, 1)]
    if tuple(head[: len(COLUMNS)]) != COLUMNS or not set(head[len(COLUMNS) :]) <= set(FURTHER) or len(set(head)) != len(head):
        raise TotalsFileUnfit(line=1, why="COLUMNS")
    return [_total(number, dict(zip(head, row, strict=False)), len(row) == len(head)) for number, row in enumerate(rows, 2)]


def _cells(number: int, line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        raise TotalsFileUnfit(line=number, why="COLUMNS") from None


def _total(line: int, cells: dict[str, str], is_whole: bool) -> protos.ControlTotal:
    if not is_whole:
        raise TotalsFileUnfit(line=line, why="COLUMNS")
    total = protos.ControlTotal()
    for name, text in cells.items():
        if name in COLUMNS[:3]:
            setattr(total, name, text)
            continue
        if not _WHOLE.fullmatch(text):
            raise TotalsFileUnfit(line=line, why="NUMBER")
        try:
            setattr(total, name, int(text))
        except ValueError:
            raise TotalsFileUnfit(line=line, why="NUMBER") from None
    return total
