"""The table of working days: which days are not as their weekday, and for which years the holidays are published."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from hub.domain.reference.reading import Cells, read_table

TABLE = "working_days.csv"
_COLUMNS = ("day", "is_working", "name_zh", "name_en")
_SATURDAY = 5
_ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class WorkingDays:
    """*exceptions* has for each day that is not as its weekday whether it is a working day; *years* are those that are published."""

    exceptions: Mapping[date, bool]
    years: frozenset[int]

    def is_working(self, day: date) -> bool:
        """Whether offices work on a day; in a year that is not published, as its weekday says."""
        return self.exceptions.get(day, day.weekday() < _SATURDAY)

    def next_working(self, day: date) -> date:
        """Returns the first working day after a day."""
        day += _ONE
        while not self.is_working(day):
            day += _ONE
        return day

    def is_published(self, first: date, last: date) -> bool:
        """Whether the holidays of all years from one day to another are published."""
        return all(year in self.years for year in range(first.year, last.year + 1))


def read_working_days(contents: Mapping[str, bytes]) -> WorkingDays:
    """Reads and checks the table; raises InvalidReferenceTable for a day that is given twice, or as its weekday says anyway."""
    exceptions: dict[date, bool] = {}
    for cells, (day, is_working) in read_table(TABLE, contents[TABLE], _COLUMNS, _row):
        if day in exceptions:
            raise cells.refuse("day", "DUPLICATE")
        if is_working == (day.weekday() < _SATURDAY):
            raise cells.refuse("is_working", "AS_ITS_WEEKDAY")
        exceptions[day] = is_working
    return WorkingDays(exceptions, frozenset(day.year for day in exceptions))


def _row(cells: Cells) -> tuple[date, bool]:
    cells.name("name_zh")
    cells.name("name_en")
    return cells.day("day"), cells.one_of("is_working", ("YES", "NO")) == "YES"
