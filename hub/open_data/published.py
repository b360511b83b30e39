"""Which figures are open data: those that a report for the joint meeting showed, each once, while no few follow from all of them.

Nothing else of the hub's is in it: no event, no key, no name. So what is written rests on frozen reports alone.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hub.domain.errors import HubError
from hub.meeting.facts import facts_by_indicator
from hub.meeting.guard import Seen, gives_away, seen
from hub.meeting.report import MeetingReport

COLUMNS = (
    "meeting_report", "as_of", "as_known_position", "indicator_report", "indicator", "definition_version", "by", "cell", "numerator",
    "denominator", "is_hidden",
)  # fmt: skip
# What a cell may be called: codes of provinces, regions, scenarios, modes and the like. No name of a person is one.
_CELL = re.compile(r"[0-9]{2}|[0-9]{6}(?:\|[0-9]{6})*|[0-9]{2}>[0-9]{2}|[A-Z][A-Z_.]{0,39}|")


class CellUnfit(HubError):
    """单元的名称不是代码，不可公开 a cell is called by what is no code, which is not published:"""


class Published(NamedTuple):
    """A report of an indicator that is published: by which report for the meeting, and the facts of it."""

    meeting: MeetingReport
    report: str
    as_of: str
    position: int
    fact: Mapping[str, Any]
    figures: tuple[Mapping[str, Any], ...]

    @property
    def indicator(self) -> str:
        """Such as K1."""
        indicator: str = self.fact["indicator"]
        return indicator

    @property
    def shown(self) -> Seen:
        """What it shows."""
        return seen(self.fact, self.report, self.figures)

    def rows(self) -> Iterable[tuple[Any, ...]]:
        """Yields its figures in the order of COLUMNS."""
        head = (self.meeting.code, self.as_of, self.position, self.report, self.indicator, self.fact["definition_version"], self.fact["by"])
        for one in self.figures:
            yield (*head, one["cell"], one["numerator"], one["denominator"], one["is_hidden"])


def published(reports: Iterable[MeetingReport]) -> tuple[list[Published], list[Published]]:
    """Returns what is published of reports, the oldest first, and what is withheld since a few could be computed from it and what is.

    What was published once stays so when there are more reports. Raises CellUnfit.
    """
    kept: list[Published] = []
    withheld: list[Published] = []
    taken: set[str] = set()
    last: dict[str, str] = {}
    for meeting in reports:
        for one in (each for fact in facts_by_indicator(meeting).values() for each in _of(meeting, fact, last)):
            if one.report not in taken:
                taken.add(one.report)
                (withheld if gives_away(one.shown, (other.shown for other in kept)) else kept).append(one)
        last = {"as_of": meeting.frozen.as_of}
    return kept, withheld


def _of(meeting: MeetingReport, fact: Mapping[str, Any], last: Mapping[str, str]) -> Iterable[Published]:
    """Yields the report before as known then, and its own report."""
    position, now = meeting.frozen.as_known_position, fact["now"]
    if now is not None:
        yield _fitting(Published(meeting, now["report"], last["as_of"], position, fact, tuple(now["figures"])))
    if fact["figures"]:
        yield _fitting(Published(meeting, fact["report"], meeting.frozen.as_of, position, fact, tuple(fact["figures"])))


def _fitting(one: Published) -> Published:
    for figure in one.figures:
        if _CELL.fullmatch(figure["cell"]) is None:
            raise CellUnfit(f"{one.report} {one.fact['by']}")
    return one
