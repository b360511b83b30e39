"""A report for the joint meeting that was frozen: one event with all that it says; files are made of its bytes alone."""

from collections.abc import Iterator
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg
from chuanyu.exchange.v1 import indicators_pb2 as protos

from hub.audit import outcome as outcomes
from hub.audit.outcome import Outcome
from hub.domain.aggregate import HubAggregate
from hub.journal.numbered import Numbered
from hub.meeting.errors import MeetingReportUnknown

KIND = "meeting_report_frozen"
_PREFIX = "MR-"
_PAGE = 20


class MeetingReport(HubAggregate):
    """Frozen, and nothing after that."""

    def __init__(self, frozen: protos.MeetingReportFrozen) -> None:
        """Starts as it stays."""
        self.frozen = frozen

    def apply(self, kind: str, message: object) -> None:
        """Nothing follows."""

    @property
    def code(self) -> str:
        """What people call it."""
        return self.frozen.report_code

    @property
    def outcome(self) -> Outcome:
        """What it says; raises OutcomeForeign where another release wrote it."""
        return outcomes.read(self.frozen.content)


def code_of(number: int) -> str:
    """Returns the code of a report."""
    return f"{_PREFIX}{number}"


def id_of(number: int) -> UUID:
    """Returns the id of a report, which follows from its number, so that no number is given twice."""
    return uuid5(NAMESPACE_URL, f"urn:chuanyu:meeting-report:{number}")


REPORTS = Numbered(MeetingReport, id_of)


def find(connection: psycopg.Connection, code: str) -> MeetingReport:
    """Returns a report by its code; raises MeetingReportUnknown."""
    digits = code.upper().removeprefix(_PREFIX)
    is_number = code.upper().startswith(_PREFIX) and digits.isascii() and digits.isdigit() and 0 < len(digits) <= 9
    found = REPORTS.at_numbers(connection, [int(digits)]) if is_number else []
    if not found:
        raise MeetingReportUnknown
    return found[0]


def newest(connection: psycopg.Connection, most: int, before: int = 0) -> list[MeetingReport]:
    """Returns the newest reports, the newest first; those before a number, if one is given."""
    return REPORTS.at_numbers(connection, REPORTS.newest_numbers(connection, most, before))


def earlier(connection: psycopg.Connection, number: int) -> Iterator[MeetingReport]:
    """Yields the reports before a number, the newest first."""
    while number > 1:
        page = newest(connection, _PAGE, number)
        yield from page
        number -= len(page) or number
