"""Writes the acknowledgement of a return file: `…_ACK`, GB18030, CRLF, one line a statement.

    A|fileName|count|sum|00              the file is taken; its own totals are given back, in yuan
    A|fileName|lineNo|errCode|text       the file (lineNo 0 or where it broke) or one line of it is refused

Lines are numbered as in the file, the header being 1. The acknowledgement appears under its name only when it is complete.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from adapters.bank.errors import AckCode, BankFault
from adapters.bank.return_file import ENCODING, VerifiedFile, yuan_of


class AckFile:
    """An acknowledgement being written; leaving it without an exception publishes it."""

    def __init__(self, directory: Path, file_name: str) -> None:
        """Takes the name of the file that is acknowledged."""
        self._file_name, self.refused = file_name, 0
        self._path = directory / f"{file_name.removesuffix('.csv')}_ACK"
        self._written = self._path.with_name(f"{self._path.name}.tmp")
        self._file = self._written.open("w", encoding=ENCODING, newline="\r\n")

    def accept(self, verified: VerifiedFile) -> None:
        """States that the file is taken."""
        self._state(verified.count, yuan_of(verified.sum_fen), AckCode.ACCEPTED)

    def refuse(self, line_no: int, refusal: BankFault) -> None:
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
