"""What is refused of totals and breaks. As in `errors`, the docstring is the message."""

from hub.domain.errors import HubError


class TotalsOutOfOrder(HubError):
    """This version of the totals was reported with other content, or a later one was reported before; send the next version."""


class TotalsDayStated(HubError):
    """This side has acknowledged a statement of that business day: what differs comes as a correction, or is a break."""


class UnknownCell(HubError):
    """The totals name a cell that there is not: a place or scenario of no table, a use within one province, or one cell twice."""


class ReachUnknown(HubError):
    """The totals name a feed that no participant of this side has."""


class BreakUnknown(HubError):
    """There is no such break; see `hub reconcile breaks`."""


class BreakStep(HubError):
    """The step does not follow: the break is closed, or its difference would have to be gone, which the hub sees by itself."""


class BreakReasonUnknown(HubError):
    """A break is explained by one of the known reasons."""


class BreakOfOtherSide(HubError):
    """The other side takes this step: the owner explains a break, the side whose book differs closes it, either of these two assigns it."""


class BreakChanged(HubError):
    """Someone changed the business day meanwhile; look at it and try again."""


class TotalsFileUnfit(HubError):
    """The file of totals is not UTF-8 without a byte-order mark, with one kind of line ends, its columns, and whole numbers alone."""
