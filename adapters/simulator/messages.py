"""What the simulator hands over: native messages, each with the number of events it becomes and the fault in it.

A message is content only. Signature, encryption, checksum and the time of sending belong to the sending, so the same
seed gives the same messages whenever they are sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from adapters.chongqing.usage_file import FileHeader
from adapters.chongqing.usage_record import UsageRecord


class Fault(StrEnum):
    """What is planted into the traffic, and who has to notice."""

    # Refused by the Sichuan gateway.
    BAD_SIGNATURE = "sichuan-bad-signature"
    CLOCK_OFF = "sichuan-clock-off"
    UNDECIPHERABLE = "sichuan-undecipherable"
    NUMBER_REPEATED = "sichuan-number-repeated"
    BAD_MONEY = "sichuan-bad-money"
    # Refused by the Chongqing service, or recognised as known.
    BAD_CHECKSUM = "chongqing-bad-checksum"
    BAD_ENCODING = "chongqing-bad-encoding"
    CALL_REPEATED = "chongqing-call-repeated"
    # Refused by line or as a whole from the Chongqing inbox, or recognised as known.
    BROKEN_NAME = "file-broken-name"
    WRONG_SUM = "file-wrong-sum"
    FILE_REPEATED = "file-repeated"
    # No fault: a file that comes again with the next version, one line changed and one added.
    FILE_RESENT = "file-resent"
    # Taken by the adapters, quarantined by the hub.
    UNKNOWN_SCENARIO = "unknown-scenario"
    WRONG_CHECK_DIGIT = "wrong-check-digit"
    UNKNOWN_REGION = "unknown-region"


# The native code that answers each fault; a repeated call is answered as the first was, a repeated file a second time.
CODES: Final[Mapping[Fault, str]] = {
    Fault.BAD_SIGNATURE: "1001",
    Fault.UNDECIPHERABLE: "1002",
    Fault.CLOCK_OFF: "1003",
    Fault.NUMBER_REPEATED: "1003",
    Fault.BAD_MONEY: "3001",
    Fault.BAD_CHECKSUM: "31",
    Fault.BAD_ENCODING: "99",
    Fault.BROKEN_NAME: "43",
    Fault.WRONG_SUM: "07",
}
QUARANTINED: Final = (Fault.UNKNOWN_SCENARIO, Fault.WRONG_CHECK_DIGIT, Fault.UNKNOWN_REGION)


@dataclass(frozen=True, slots=True)
class Earlier:
    """Is in a line instead of the number in feed sc.usage that an earlier line got: known only from the reply."""

    msg_id: str
    line: int


@dataclass(frozen=True, slots=True)
class SichuanMessage:
    """One message to the gateway; messages of one `lane` keep their order."""

    trans_code: str
    msg_id: str
    value: Any
    lane: str
    events: int
    records: int = 1
    fault: Fault | None = None
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class ChongqingCall:
    """One B1 call; calls of one `lane` keep their order."""

    fields: Mapping[str, str]
    lane: str
    events: int
    block: str = ""
    fault: Fault | None = None
    quarantined: int = 0

    @property
    def records(self) -> int:
        """Returns 1: a call is one record, whatever it carries."""
        return 1


@dataclass(frozen=True, slots=True)
class ChongqingFile:
    """One B2 file; `events` counts what its lines become and the one event about the file itself."""

    header: FileHeader
    lines: tuple[UsageRecord, ...] = field(repr=False)
    events: int
    fault: Fault | None = None
    broken_line: int = 0
    quarantined: int = 0

    @property
    def records(self) -> int:
        """Returns how many lines the file holds."""
        return len(self.lines)


Message = SichuanMessage | ChongqingCall | ChongqingFile
