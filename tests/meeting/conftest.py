"""The made-up year of the indicators, with reports for the joint meeting: one before and one after what came late."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from hub.indicators.desk import Officer
from hub.meeting import desk
from hub.meeting.report import MeetingReport
from tests.indicators.conftest import Recorded, year

__all__ = ["year"]
AT = datetime(2026, 1, 5, tzinfo=UTC)
BY = Officer("operator", "li.lei")


class Reports(NamedTuple):
    """The year; a report of a month and one of the quarter as known then, and the quarter again after late events."""

    year: Recorded
    november: MeetingReport
    then: MeetingReport
    now: MeetingReport


@pytest.fixture(scope="session")
def reports(year: Recorded) -> Iterator[Reports]:
    asked = (("2025-11", year.report), ("2025-Q4", year.report), ("2025-q4", year.late))
    with desk.opened(year.dsn, year.connection) as opened:
        made = [opened.freeze(period, position, BY, AT) for period, position in asked]
    yield Reports(year, *made)
