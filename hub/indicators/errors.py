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
