"""What of a bank's file is refused, each with its code: the whole file, of which nothing is applied, or one line, which costs only itself.

Texts name fields and never repeat values: they travel into acknowledgement files and logs.
"""

from enum import StrEnum


class AckCode(StrEnum):
    """`errCode` of an acknowledgement; 00 takes the file, 01–19 refuse the whole file, 41–59 one line."""

    HEADER = "01"
    FILE_NAME = "02"
    ENCODING = "03"
    LINE_LENGTH = "04"
    TRAILER = "05"
    COUNT = "06"
    SUM = "07"
    LINES_MISSING = "08"
    FIELDS = "41"
    ROW = "42"
    ACCOUNT = "43"
    AMOUNT = "44"
    RESULT = "45"
    TIME = "46"
    TEXT = "47"
    ROW_TWICE = "48"
    SERIAL_TWICE = "49"
    CONTRADICTION = "50"


class BankFault(Exception):
    """Something a bank sent cannot be taken."""

    def __init__(self, code: AckCode, text: str, line_no: int = 0) -> None:
        super().__init__(text)
        self.code, self.text, self.line_no = code, text, line_no


class FileRefused(BankFault):
    """A file is refused as a whole; `line_no` is 0 when no single line is to blame."""


class LineRefused(BankFault):
    """One line is refused; the rest of its file is taken."""
