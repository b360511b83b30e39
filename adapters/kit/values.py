"""Reads what both native formats have: local times of exactly so many ASCII digits, and text that may be written down.

Systems write a date they do not have as 0001-01-01 or as zeros; such a time is no time. `UNEXPECTED` are the errors that a native value
can cause in code that only reads values: they say that the value is wrong, never that trying again would help.
"""

import re
import traceback
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from typing import Final

LOCAL: Final = timezone(timedelta(hours=8))
# The oldest people alive were born after it; no plan of either province reaches further than the second.
EARLIEST_YEAR, LATEST_YEAR = 1880, 2199
# Controls, surrogates and bidirectional overrides. Wide spaces and, from older code pages, private-use characters occur in names.
UNWRITABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
UNEXPECTED: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_DIGITS: Final = {"%Y": "[0-9]{4}", **dict.fromkeys(("%m", "%d", "%H", "%M", "%S"), "[0-9]{2}")}


def where(error: BaseException) -> str:
    """Returns the kind of an error and its place, for the log: its own text may quote what a province sent."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {place.filename}:{place.lineno}"


def read_time(text: str, form: str) -> datetime:
    """Returns the local time without zone in *text*, which has exactly the digits of *form* (as `strptime`); raises ValueError."""
    # strptime takes one digit for two, blanks, and the digits of every script.
    if _pattern(form).fullmatch(text) is None:
        raise ValueError("not the digits of the format")
    return _bounded(datetime.strptime(text, form))


def read_day(text: str, form: str = "%Y%m%d") -> date:
    """Returns the day in *text*, as `read_time` does."""
    return read_time(text, form).date()


def to_utc(local: datetime) -> datetime:
    """Returns the UTC instant of a local time without zone; raises ValueError for one that no system can mean."""
    return _bounded(local).replace(tzinfo=LOCAL).astimezone(UTC)


def _bounded(at: datetime) -> datetime:
    if not EARLIEST_YEAR <= at.year <= LATEST_YEAR:
        raise ValueError("not a date that can be meant")
    return at


@cache
def _pattern(form: str) -> re.Pattern[str]:
    return re.compile(re.sub("%[A-Za-z]", lambda directive: _DIGITS[directive[0]], form))
