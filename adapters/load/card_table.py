"""A file of cards, CSV or Parquet, as events: row 1 has the first number, and so on. The file itself is the outbox."""

import codecs
import csv
import itertools
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from chuanyu.exchange.v1.event_pb2 import Event

from adapters.kit.errors import AdapterError
from adapters.kit.outbox import MAX_BATCH_BYTES, Origin
from adapters.load.columns import Fault, Header, base_of
from adapters.load.event_file import MARK_LINES, FileUnreadable

# So many rows of a row group become Python's at once.
PART_ROWS = 500


class TableUnreadable(AdapterError):
    """不是可读的卡表；按括号中所说改正后重新运行。It is no table of cards that can be read; mend what is said and run again."""


class CardTable(ABC):
    """The cards of a file, numbered from *first_sequence* on."""

    header: Header
    # How many lines of the file come before row 1.
    above = 0

    def __init__(self, path: Path, first_sequence: int, taken_at: datetime | None) -> None:
        """Opens the file; *taken_at* is the instant of the export. Raises FileUnreadable or TableUnreadable."""
        self.first_sequence, self._taken_at, self._base = first_sequence, taken_at, base_of(taken_at)
        # A session that broke off may still be reading when the next one begins.
        self._lock = threading.Lock()
        self.lines = 0

    @property
    def last_sequence(self) -> int:
        """The number of the last row."""
        return self.first_sequence + self.lines - 1

    def line_of(self, sequence: int) -> int:
        """Returns the line of the file, or the row of the table, that a number has."""
        return sequence - self.first_sequence + 1 + self.above

    def pending(self, _feed: str, from_sequence: int, limit: int) -> list[tuple[int, bytes]]:
        """Returns up to *limit* (sequence, event bytes) in order, fewer where they are large."""
        with self._lock:
            rows: list[tuple[int, bytes]] = []
            size = 0
            first = from_sequence - self.first_sequence
            for sequence, (event, _) in enumerate(itertools.islice(self._events(first), limit), from_sequence):
                text = event.SerializeToString(deterministic=True)
                size += len(text)
                if rows and size > MAX_BATCH_BYTES:
                    break
                rows.append((sequence, text))
            return rows

    def origins(self, _feed: str, _first_sequence: int, _last_sequence: int) -> list[Origin]:
        """Returns none: a load is not traced."""
        return []

    def rows(self) -> Iterator[tuple[int, str, Event, list[Fault]]]:
        """Yields of every row its line, its card, its event and what is wrong with it."""
        for row, cells in enumerate(self._cells(0)):
            if len(cells) != self.header.width:
                words = f"应有 {self.header.width} 列，实有 {len(cells)} 列。The row has {len(cells)} cells instead of {self.header.width}."
                yield row + 1 + self.above, "", Event(), [Fault("", words)]
            else:
                yield row + 1 + self.above, self.header.card_no(cells), *self.header.event(cells, self._base)

    def card_no(self, row: int) -> str:
        """Returns the card of a row, counted from 0; none where the row has other columns."""
        cells = next(self._cells(row))
        return self.header.card_no(cells) if len(cells) == self.header.width else ""

    def _events(self, row: int) -> Iterator[tuple[Event, list[Fault]]]:
        return (self.header.event(cells, self._base) for cells in self._cells(row))

    def _named(self, names: Sequence[str]) -> Header:
        header = Header(names)
        if header.faults:
            raise TableUnreadable("; ".join(header.faults[:10]))
        if not header.has_instant and self._taken_at is None:
            raise TableUnreadable(
                "无 occurred_at 列：用 --taken-at 给出导出时点。Without occurred_at, --taken-at names the instant of the export"
            )
        return header

    @abstractmethod
    def _cells(self, row: int) -> Iterator[Sequence[str]]:
        """Yields the cells of each row, from *row* on, counted from 0."""

    @abstractmethod
    def close(self) -> None:
        """Closes the file."""


class CsvTable(CardTable):
    """A CSV file: a header, a card a line, each line with its end."""

    above = 1

    def __init__(self, path: Path, first_sequence: int, taken_at: datetime | None, encoding: str = "utf-8") -> None:
        """Opens it as CardTable does; *encoding* is UTF-8 unless the exporter says so."""
        super().__init__(path, first_sequence, taken_at)
        self._encoding = codecs.lookup(encoding).name
        try:
            self._file = path.open("rb")
            self.header = self._named(self._split(self._file.readline().removeprefix(codecs.BOM_UTF8), 1))
            # Where the rows 0, MARK_LINES, 2 * MARK_LINES … begin.
            self._marks = self._measured()
        except OSError as error:
            raise FileUnreadable(str(error.filename or path)) from error
        # Where the next row begins that was not read, so that reading on needs no search.
        self._next = (0, self._marks[0])

    def _measured(self) -> list[int]:
        marks, offset, text = [self._file.tell()], self._file.tell(), b"\n"
        for text in self._file:
            self.lines, offset = self.lines + 1, offset + len(text)
            if self.lines % MARK_LINES == 0:
                marks.append(offset)
        if not text.endswith(b"\n"):
            line = self.lines + self.above
            raise TableUnreadable(
                f"第 line {line:,} 行没有换行符，文件可能被截断：重新导出或传输。"
                "The last line has no end, the file may be cut short: export or send it again"
            )
        return marks

    def _split(self, text: bytes, line: int) -> list[str]:
        try:
            return next(csv.reader([text.decode(self._encoding)], strict=True), [])
        except UnicodeDecodeError:
            raise TableUnreadable(
                f"第 line {line:,} 行不是 {self._encoding}：若为 GBK，加 --encoding gb18030；或转码 iconv -f GB18030 -t UTF-8。"
                f"Line {line:,} is not {self._encoding}; a GBK export is read with --encoding gb18030"
            ) from None
        except csv.Error:
            raise TableUnreadable(
                f"第 line {line:,} 行引号未闭合：一行一张卡，字段内不得换行。"
                f"A quote of line {line:,} is not closed: a card a line, no line break in a cell"
            ) from None

    def _cells(self, row: int) -> Iterator[Sequence[str]]:
        at, offset = self._next if self._next[0] <= row < self._next[0] + MARK_LINES else (0, self._marks[0])
        if row - at >= MARK_LINES or row < at:
            at = min(row // MARK_LINES, len(self._marks) - 1) * MARK_LINES
            offset = self._marks[at // MARK_LINES]
        self._file.seek(offset)
        while at < self.lines:
            text = self._file.readline()
            at, offset = at + 1, offset + len(text)
            if at > row:
                self._next = (at, offset)
                yield self._split(text, at + self.above)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class ParquetTable(CardTable):
    """A Parquet file, read a row group at a time."""

    def __init__(self, path: Path, first_sequence: int, taken_at: datetime | None) -> None:
        """Opens it as CardTable does."""
        super().__init__(path, first_sequence, taken_at)
        try:
            import pyarrow as arrow
            from pyarrow import parquet
        except ModuleNotFoundError:
            raise TableUnreadable("读取 Parquet 需要 pyarrow，或导出为 CSV。Parquet needs pyarrow, or export CSV") from None
        try:
            self._file = parquet.ParquetFile(path)
        except OSError as error:
            raise FileUnreadable(str(path)) from error
        except arrow.ArrowInvalid:
            raise TableUnreadable(
                "不是完整的 Parquet 文件，可能被截断：重新导出或传输。"
                "It is no whole Parquet file, it may be cut short: export or send it again"
            ) from None
        self.header = self._named([str(name) for name in self._file.schema_arrow.names])
        sizes = [self._file.metadata.row_group(group).num_rows for group in range(self._file.metadata.num_row_groups)]
        self._begins = list(itertools.accumulate(sizes, initial=0))
        self.lines = self._begins[-1]
        self._group: tuple[int, Any] = (-1, None)

    def _cells(self, row: int) -> Iterator[Sequence[str]]:
        for group, (begin, end) in enumerate(itertools.pairwise(self._begins)):
            if end <= row:
                continue
            if self._group[0] != group:
                self._group = (group, self._read(group))
            for part in range(max(row - begin, 0), end - begin, PART_ROWS):
                yield from zip(*_texts(self._group[1], part, group), strict=True)

    def _read(self, group: int) -> list[Any]:
        """Returns the columns of a row group, each cell as CSV would have it."""
        import pyarrow as arrow
        from pyarrow import compute

        try:
            return [compute.fill_null(column.cast("string"), "") for column in self._file.read_row_group(group).columns]
        except (OSError, arrow.ArrowException):
            raise TableUnreadable(
                f"第 {group + 1} 个行组损坏，或有列不是文字、数字、日期：重新导出。"
                f"Row group {group + 1} is damaged, or a column is neither text nor number nor date: export the file again"
            ) from None

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _texts(columns: Sequence[Any], part: int, group: int) -> list[list[str]]:
    try:
        return [column.slice(part, PART_ROWS).to_pylist() for column in columns]
    except UnicodeDecodeError:
        raise TableUnreadable(
            f"第 {group + 1} 个行组有文字不是 UTF-8：重新导出。A text of row group {group + 1} is not UTF-8: export the file again"
        ) from None


def open_table(path: Path, first_sequence: int, taken_at: datetime | None, encoding: str = "utf-8") -> CardTable:
    """Opens a file by its ending; raises FileUnreadable or TableUnreadable."""
    if path.suffix.lower() == ".parquet":
        return ParquetTable(path, first_sequence, taken_at)
    return CsvTable(path, first_sequence, taken_at, encoding)


def is_table(path: Path) -> bool:
    """Whether a file is a table of cards by its ending; any other is a file of events."""
    return path.suffix.lower() in (".csv", ".parquet")
