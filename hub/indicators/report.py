"""A report of an indicator that was frozen: one event, which never changes; its number follows that of the report before it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg
from chuanyu.exchange.v1 import indicators_pb2 as protos

from hub.domain.aggregate import HubAggregate
from hub.domain.indicators.errors import ReportUnknown
from hub.indicators.tables import ALL, IN, OUT, Name
from hub.journal.numbered import Numbered

KIND = "indicator_report_frozen"
# So many reports of an indicator are looked through for the one before.
MOST = 400


class FrozenReport(HubAggregate):
    """Frozen, and nothing after that."""

    def __init__(self, frozen: protos.IndicatorReportFrozen) -> None:
        """Starts as it stays."""
        self.frozen = frozen

    @staticmethod
    def create_id(code: str) -> UUID:
        """The id follows from the code, so that no number is given twice."""
        return uuid5(NAMESPACE_URL, f"urn:chuanyu:indicator-report:{code}")

    def apply(self, kind: str, message: object) -> None:
        """Nothing follows."""

    @property
    def content(self) -> dict[str, Any]:
        """What was counted and may be shown."""
        found: dict[str, Any] = json.loads(self.frozen.content)
        return found

    @property
    def shown(self) -> dict[Name, int | None]:
        """What it shows of each cell."""
        return shown_of(self.content["figures"], is_of_population=bool(self.frozen.population))


def shown_of(figures: Iterable[Mapping[str, Any]], *, is_of_population: bool) -> dict[Name, int | None]:
    """Returns what figures show of each cell: the numerator and the denominator, and what is left where both are shown."""
    found: dict[Name, int | None] = {}
    for one in figures:
        cell, inside, whole = one["cell"], one["numerator"], one["denominator"]
        if is_of_population or (whole is None and not one["is_hidden"]):
            # A count, or a share of a population, which anybody may know.
            found[cell, ALL] = inside
            continue
        found |= {(cell, IN): inside, (cell, ALL): whole}
        found[cell, OUT] = None if inside is None or whole is None else whole - inside
    return found


def code_of(indicator: str, number: int) -> str:
    """Returns the code of a report."""
    return f"IR-{indicator}-{number}"


def reports_of(indicator: str) -> Numbered[FrozenReport]:
    """Returns how the reports of an indicator are found by number."""
    return Numbered(FrozenReport, lambda number: FrozenReport.create_id(code_of(indicator, number)))


def find(connection: psycopg.Connection, code: str) -> FrozenReport:
    """Returns a report by its code; raises ReportUnknown."""
    prefix, _, digits = code.upper().rpartition("-")
    indicator = prefix.removeprefix("IR-")
    if not (digits.isascii() and digits.isdigit() and 0 < len(digits) <= 9):
        raise ReportUnknown
    found = reports_of(indicator).at_numbers(connection, [int(digits)])
    if not found:
        raise ReportUnknown
    return found[0]


def listed(connection: psycopg.Connection, indicator: str) -> list[FrozenReport]:
    """Returns the reports of an indicator, the newest first."""
    known = reports_of(indicator)
    return known.at_numbers(connection, known.newest_numbers(connection, MOST))
