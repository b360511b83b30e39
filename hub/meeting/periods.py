"""The period of a report: a year, half, quarter or month."""

import re
from calendar import monthrange
from datetime import date
from typing import NamedTuple

from hub.meeting.errors import PeriodUnfit

_FORM = re.compile(r"([0-9]{4})(?:-(?:H([12])|Q([1-4])|(0[1-9]|1[0-2])))?", re.ASCII)


class Period(NamedTuple):
    """A period: what it is called, and its days."""

    code: str
    first: date
    last: date


def period(text: str) -> Period:
    """Returns the period of a text such as 2026, 2026-H1, 2026-Q1 or 2026-03; raises PeriodUnfit."""
    code = text.strip().upper()
    found = _FORM.fullmatch(code)
    if found is None or found[1] == "0000":
        raise PeriodUnfit(period=text)
    year, half, quarter, month = int(found[1]), found[2], found[3], found[4]
    length = 6 if half else 3 if quarter else 1 if month else 12
    first = (int(half or quarter) - 1) * length + 1 if half or quarter else int(month or 1)
    last = first + length - 1
    return Period(code, date(year, first, 1), date(year, last, monthrange(year, last)[1]))
