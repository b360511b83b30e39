"""What is refused of indicators. As in `hub.domain.errors`, the docstring is the message."""

from hub.domain.errors import HubError


class IndicatorUnknown(HubError):
    """There is no such indicator; see `hub kpi`."""


class IndicatorBreakdownUnknown(HubError):
    """The indicator is not broken down like that; its definition says by what it is."""


class IndicatorOutOfRange(HubError):
    """The day is before the first event of the indicator that was known then, or after the day of the position."""


class PopulationUnknown(HubError):
    """There is no such population; see the table of populations."""


class DefinitionInvalid(HubError):
    """A definition of an indicator is broken; the file and the field are named."""


class ReportUnknown(HubError):
    """There is no such report of an indicator; see `hub kpi K1 --reports`."""


class ReportDefinitionChanged(HubError):
    """The report was counted by another definition of the indicator; it stays as it is, and is not compared with what this one counts."""


class ReportChanged(HubError):
    """Someone froze a report of the indicator meanwhile; look at it and try again."""


class IndicatorTooLong(HubError):
    """The hub would have to read too many events for it while it answers others; ask an operator for `hub kpi`, which has no such bound."""


class IndicatorNotRecorded(HubError):
    """The record has no source for this indicator, so there is no report to freeze; its definition says why."""
