"""A file of events, one a line in protobuf's JSON, each with the number that its line gives it.

The file itself is the outbox: nothing is copied, and a load that was broken off goes on at any line. It must not change meanwhile; the hub
compares what is sent twice and refuses another event under a number that it has.
"""

import threading
from pathlib import Path

from chuanyu.exchange.v1.event_pb2 import Event
from google.protobuf import json_format

from adapters.kit.errors import AdapterError
from adapters.kit.outbox import MAX_BATCH_BYTES, Origin

# So many lines lie between two places that are known in the file.
MARK_LINES = 10_000


class FileUnreadable(AdapterError):
    """文件无法读取，或最后一行没有换行符。The file cannot be read, or its last line has no end."""


class LineUnreadable(AdapterError):
    """该行不是 protobuf JSON 的 Event；改正后重新运行即可。The line is no Event in protobuf's JSON; mend it and run again."""


class EventFile:
    """The events of a file, numbered from *first_sequence* on."""

    def __init__(self, path: Path, first_sequence: int) -> None:
        """Counts the lines; raises FileUnreadable."""
        self.first_sequence = first_sequence
        # A session that broke off may still be reading when the next one begins.
        self._lock = threading.Lock()
        try:
            self._file = path.open("rb")
            # Where the lines 0, MARK_LINES, 2 * MARK_LINES … begin.
            self._marks, self.lines = self._measured()
        except OSError as error:
            raise FileUnreadable(str(error.filename or path)) from error
        self._line, self._offset = 0, 0

    @property
    def last_sequence(self) -> int:
        """The number of the last line."""
        return self.first_sequence + self.lines - 1

    def line_of(self, sequence: int) -> int:
        """Returns the line of a number, counted from 1."""
        return sequence - self.first_sequence + 1

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def pending(self, _feed: str, from_sequence: int, limit: int) -> list[tuple[int, bytes]]:
        """Returns up to *limit* (sequence, event bytes) in order, fewer where they are large; raises LineUnreadable."""
        with self._lock:
            return self._read(from_sequence - self.first_sequence, limit)

    def origins(self, _feed: str, _first_sequence: int, _last_sequence: int) -> list[Origin]:
        """Returns none: a load is not traced."""
        return []

    def _read(self, line: int, limit: int) -> list[tuple[int, bytes]]:
        self._go_to(line)
        rows: list[tuple[int, bytes]] = []
        size = 0
        while len(rows) < limit and self._line < self.lines:
            text = self._file.readline()
            event = _event(text, self._line + 1)
            size += len(event)
            if rows and size > MAX_BATCH_BYTES:
                break
            rows.append((self.first_sequence + self._line, event))
            self._line, self._offset = self._line + 1, self._offset + len(text)
        return rows

    def _go_to(self, line: int) -> None:
        if line < self._line or line - self._line > MARK_LINES:
            mark = min(line // MARK_LINES, len(self._marks) - 1)
            self._line, self._offset = mark * MARK_LINES, self._marks[mark]
        self._file.seek(self._offset)
        while self._line < line:
            self._offset += len(self._file.readline())
            self._line += 1

    def _measured(self) -> tuple[list[int], int]:
        marks, lines, offset, text = [0], 0, 0, b"\n"
        for text in self._file:
            lines, offset = lines + 1, offset + len(text)
            if lines % MARK_LINES == 0:
                marks.append(offset)
        if not text.endswith(b"\n"):
            raise FileUnreadable(self._file.name)
        return marks, lines


def _event(text: bytes, line: int) -> bytes:
    try:
        return json_format.Parse(text, Event()).SerializeToString(deterministic=True)
    except (json_format.ParseError, UnicodeDecodeError, RecursionError):
        # What the parser says holds values of the line.
        raise LineUnreadable(f"第 line {line:,} 行") from None
