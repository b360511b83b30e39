"""A row of a fund batch as its view has it: which one it is, who is paid, and its reports, read from its column when they are asked for.

What follows from the reports is found once, however many ask for it: a row that a page touches is asked for its sums before and after.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache

from hub.domain.funds.attempts import ROW_ORDER, Said
from hub.domain.funds.batches import Cell, cells_of
from hub.domain.funds.rows import RowFold, fold_row
from hub.domain.funds.short_way import Plain, plain_of, result_of
from hub.projections.projection import Row

_KINDS = tuple(ROW_ORDER)
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}
_text = json.encoder.encode_basestring_ascii
# The state of a row of which no report is in force any more.
NOT_IN_FORCE = ""
# How the column of a row ends of which nothing is gone.
_END = "],[]]"
_encode = json.JSONEncoder(separators=(",", ":")).encode

Reports = tuple[Said, ...]


class FundRow:
    """A row; *reports* are in the order of their positions. It never changes once it is made.

    *gone* are the positions of reports that are not in force: a row as it was known earlier has them.
    """

    __slots__ = ("_folded", "_next", "_told", "batch_no", "card", "holder", "plain", "province", "row_no", "text")

    # Its two reports, if it is as nearly all rows are.
    plain: Plain | None
    # Its reports, and the positions of those that are gone, as its column has them.
    text: str

    def __init__(
        self, province: str, batch_no: str, row_no: int, card: bytes, holder: bytes, told: str | tuple[Reports, tuple[int, ...]]
    ) -> None:
        """Its reports and what is gone are as a row keeps them, or as its column has them."""
        self.province, self.batch_no, self.row_no, self.card, self.holder = province, batch_no, row_no, card, holder
        self._told: tuple[Reports, tuple[int, ...]] | None = None
        self._folded: RowFold | None = None
        self._next: FundRow | None = None
        if isinstance(told, str):
            self.text = told
        else:
            self._told = told

    def __getattr__(self, name: str) -> object:
        """Fills what was not asked for before."""
        value: object
        if name == "text":
            value = packed(*self.told)
        elif name == "plain":
            value = plain_of(self.reports)
        else:
            raise AttributeError(name)
        setattr(self, name, value)
        return value

    @property
    def told(self) -> tuple[Reports, tuple[int, ...]]:
        """Its reports, and the positions of those that are gone."""
        if self._told is None:
            self._told = unpacked(self.text)
        return self._told

    @property
    def reports(self) -> Reports:
        """What is in force of it."""
        return self.told[0]

    @property
    def gone(self) -> tuple[int, ...]:
        """Where reports are that are not in force."""
        return self.told[1]

    @property
    def folded(self) -> RowFold:
        """What its reports come to."""
        if self._folded is None:
            self._folded = fold_row(self.reports)
        return self._folded

    @property
    def sums(self) -> Mapping[Cell, tuple[int, int]]:
        """What it adds to the sums of its batch."""
        return cells_of(self.folded) if self.reports else {}

    def with_one(self, said: Said, text: str, card: bytes, holder: bytes) -> "FundRow":
        """Returns it with one more report, the last so far, that *text* has as its column would; nothing of it is gone.

        Two views have the row: the second one is given what was made for the first.
        """
        if self._next is not None and self._next.reports[-1] is said:
            return self._next
        row = FundRow(self.province, self.batch_no, self.row_no, card, holder, ((*self.reports, said), ()))
        row.text = f"{self.text[: -len(_END)]},{text}{_END}" if self.reports else f"[[{text}{_END}"
        self._next = row
        return row

    @property
    def written(self) -> Row:
        """Its columns."""
        if (plain := self.plain) is not None:
            state, reason = result_of(plain)
            codes, last_us = "", (plain[1] or plain[0]).occurred_us
        else:
            folded, reports = self.folded, self.reports
            state, reason = folded.state if reports else NOT_IN_FORCE, folded.reason
            codes = " ".join(sorted({one.code for one in folded.findings}))
            last_us = max((one.occurred_us for one in reports), default=0)
        return self.province, self.batch_no, self.row_no, self.card, self.holder, state, reason, codes, last_us, self.text


def read(row: Row) -> FundRow:
    """Reads a row; the columns that follow from the reports are not read."""
    province, batch_no, row_no, card, holder, _, _, _, _, reports = row
    return known_row(province, batch_no, row_no, bytes(card), bytes(holder), reports)


@lru_cache(1 << 14)
def known_row(province: str, batch_no: str, row_no: int, card: bytes, holder: bytes, reports: str) -> FundRow:
    """Returns a row: two views read it in one page."""
    return FundRow(province, batch_no, row_no, card, holder, reports)


def packed(reports: Iterable[Said], gone: tuple[int, ...]) -> str:
    """Writes the reports of a row as its column has them: JSON, without the fields at the end that are empty."""
    return f"[[{','.join([said_text(one) for one in reports])}],{_encode(gone) if gone else '[]'}]"


def said_text(one: Said) -> str:
    """Writes a report; most of a row is that, and made by hand it takes a third of what the encoder does."""
    kind, occurred_us, position, fen, account, serial, reason, attempt, *rest = one
    if any(rest) or not (attempt or serial):
        found: list[object] = [_NUMBERS[kind], *one[1:]]
        while len(found) > 4 and not found[-1]:
            found.pop()
        return _encode(found)
    more = f",{reason},{attempt}" if attempt else f",{reason}" if reason else ""
    return f'[{_NUMBERS[kind]},{occurred_us},{position},{fen},"{account}",{_text(serial)}{more}]'


def unpacked(text: str) -> tuple[Reports, tuple[int, ...]]:
    """Reads the reports of a row from its column, and where those are that are not in force."""
    reports, gone = json.loads(text)
    return tuple([Said(_KINDS[kind], *rest) for kind, *rest in reports]), tuple(gone)


def reports_in(text: str) -> Reports:
    """Reads the reports of a row from its column."""
    return unpacked(text)[0]


def positions_in(text: str) -> list[int]:
    """Reads from its column where everything is that was ever reported of a row."""
    reports, gone = unpacked(text)
    return [*(one.position for one in reports), *gone]
