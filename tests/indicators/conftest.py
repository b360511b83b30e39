"""The made-up year that the tests of indicators share."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest

from hub.projections import runner
from hub.projections.engine import advance
from hub.projections.views.agreements import AGREEMENTS
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.indicator_answers import INDICATOR_ANSWERS
from hub.projections.views.indicator_taps import INDICATOR_TAPS
from hub.projections.views.indicator_things import INDICATOR_THINGS
from hub.projections.views.raised_findings import RAISED_FINDINGS
from tests.databases import fresh_database
from tests.indicators.by_sql import Told
from tests.indicators.history import Year, record_findings, record_losses
from tests.recording import Recording

# Tests of other packages have a year of their own.
_numbers = itertools.count()


class Recorded(NamedTuple):
    """The made-up year: a session over it, the same as JSON, the last position of the year, and that of what came late."""

    dsn: str
    connection: psycopg.Connection
    told: Told
    report: int
    late: int


@pytest.fixture(scope="session")
def year(server_dsn: str) -> Iterator[Recorded]:
    """The made-up year, recorded once: tests look at it, and freeze reports after it."""
    with fresh_database(server_dsn, f"hub_year_{os.getpid()}_{next(_numbers)}") as dsn:
        record_losses(dsn)
        record_findings(dsn)
        with contextlib.closing(Recording(dsn)) as journal:
            made = Year(journal)
            report, late = made.record(), made.add_late()
        with runner.connect(dsn) as connection:
            for view in (AGREEMENTS, DAILY_USAGE, INDICATOR_THINGS, INDICATOR_ANSWERS, INDICATOR_TAPS, RAISED_FINDINGS):
                # Small pages: rows are read back and changed again.
                while advance(connection, view, page_events=37):
                    pass
            yield Recorded(dsn, connection, Told(connection), report, late)
