"""What is refused of findings and their rules. As in `hub.domain.errors`, the docstring is the message."""

from hub.domain.errors import HubError


class FindingUnknown(HubError):
    """There is no such finding that concerns you; see `hub findings raised`."""


class FindingStep(HubError):
    """The step does not follow from the state of the finding: it is reviewed first, and confirmed or cleared then."""


class FindingReasonUnknown(HubError):
    """A finding is confirmed or cleared for one of the known reasons."""


class FindingChanged(HubError):
    """Someone changed the finding or the rule meanwhile; look at it and try again."""


class FindingRuleUnknown(HubError):
    """There is no such rule of findings; see `hub findings rules`."""


class FindingRuleParameter(HubError):
    """The rule has no such parameter, or the value is out of its bounds; see `hub findings rules`."""


class FindingRuleFloods(HubError):
    """On past days the rule finds more than one in 10,000 uses: it would flood those who review; make it narrower."""


class FindingDays(HubError):
    """The last day is before the first, or nothing was used on these days."""


class FindingDaysTooLong(HubError):
    """There are too many uses on these days to try a rule out while others are answered; take fewer days, or ask an operator."""
