"""The faults that Chongqing's native side is answered, each with the code its own systems already know.

Three kinds, because the native side treats them differently: a refused call is answered at once (B1), a refused
file is answered with one line and nothing of it is applied (B2), a refused line costs only itself (B2). Texts name
fields and never repeat values: they travel into acknowledgement files and logs.
"""

from enum import StrEnum


class ChongqingError(Exception):
    """Something the Chongqing side sent cannot be taken."""


class ReplyCode(StrEnum):
    """`<ERR>` of a B1 reply, §5.3."""

    DONE = "00"
    ALREADY = "01"
    CARD_UNKNOWN = "11"
    # The hub holds pseudonyms and cannot compare names: declared by the format, never answered by this adapter.
    NAME_DIFFERS = "12"
    STATE_NOT_ALLOWED = "21"
    CHECKSUM_WRONG = "31"
    OTHER = "99"


class CallRefused(ChongqingError):
    """A B1 call is refused before anything is recorded."""

    code = ReplyCode.OTHER

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class MalformedCall(CallRefused):
    """The body is not GB18030 pseudo-XML, or a field is missing, doubled or impossible."""


class ChecksumWrong(CallRefused):
    """The 校验码 does not match the fields: changed on the way, or made with another secret."""

    code = ReplyCode.CHECKSUM_WRONG


class OperationUnknown(CallRefused):
    """The 操作 is not one this adapter translates."""


class IssuerOnly(CallRefused):
    """The operation changes a card, and only the province that issued it may."""


class SerialReused(CallRefused):
    """The 流水号 was used before for another call: taking it as a repeat would lose a fact."""


class SerialSpent(CallRefused):
    """The call was taken some time ago; a caller who sends it again learns nothing of the card."""


class AckCode(StrEnum):
    """`errCode` of a B2 acknowledgement: 01–19 refuse the whole file, 41–59 one line."""

    ACCEPTED = "00"
    HEADER = "01"
    FILE_NAME = "02"
    RECORD_LENGTH = "03"
    SEQUENCE = "04"
    TRAILER = "05"
    COUNT = "06"
    SUM = "07"
    DIGEST = "08"
    VERSION = "09"
    CONTENT_CHANGED = "10"
    TOTALS = "11"
    NOT_TAKEN = "12"
    DIGITS = "41"
    CALENDAR = "42"
    NAME_BYTES = "43"
    SCENE = "44"
    AREA = "45"
    CARD = "46"
    FLAG = "47"
    TEST_RECORD = "48"
    TEXT = "49"
    CONCESSION = "50"
    CONTRADICTION = "51"
    UNREADABLE = "52"


class FileRefused(ChongqingError):
    """A B2 file is refused as a whole; `line_no` is 0 when no single line is to blame."""

    def __init__(self, code: AckCode, text: str, line_no: int = 0) -> None:
        super().__init__(text)
        self.code, self.text, self.line_no = code, text, line_no


class LineRefused(ChongqingError):
    """One B2 detail line is refused; the rest of its file is taken."""

    def __init__(self, code: AckCode, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text
