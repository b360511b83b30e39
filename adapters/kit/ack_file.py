"""Writes the acknowledgement of a file: `…_ACK`, GB18030, CRLF, one line a statement.

    A|fileName|count|sum|00              the file is taken; its own totals are given back
    A|fileName|lineNo|errCode|text       the file (lineNo 0 or where it broke) or one line of it is refused

Lines are numbered as in the file, the header being 1. The acknowledgement appears under its name only when it is complete, and takes the
place of that of an earlier sending.
"""

from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

_TAKEN: Final = "00"


class Refused(Protocol):
    """Why a file or a line is refused."""

    @property
    def code(self) -> str:
        """The `errCode`."""

    @property
    def text(self) -> str:
        """What is wrong, in Chinese."""


class AckFile:
    """An acknowledgement being written; leaving it without an exception publishes it."""

    def __init__(self, directory: Path, file_name: str) -> None:
        """Takes the name of the file that is acknowledged."""
        self._file_name, self.refused = file_name, 0
        self._path = directory / f"{Path(file_name).stem}_ACK"
        self._written = self._path.with_name(f"{self._path.name}.tmp")
        self._file = self._written.open("w", encoding="gb18030", newline="\r\n")

    def accept(self, count: int, total: str) -> None:
        """States that the file is taken; *total* is the sum as the format writes it."""
        self._state(count, total, _TAKEN)

    def refuse(self, line_no: int, refusal: Refused) -> None:
        """States that the file or a line is refused."""
        self.refused += 1
        self._state(line_no, refusal.code, refusal.text)

    def _state(self, *parts: object) -> None:
        self._file.write("|".join(("A", self._file_name, *map(str, parts))) + "\n")

    def __enter__(self) -> Self:
        """Begins."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Publishes the acknowledgement, or leaves none."""
        self._file.close()
        if kind is None:
            self._written.replace(self._path)
        else:
            self._written.unlink()
