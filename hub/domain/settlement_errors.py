"""What is refused of statements between the provinces, and of funds. As in `errors`, the docstring is the message."""

from hub.domain.errors import HubError


class SchemeUnknown(HubError):
    """There is no such settlement scheme on that day; see `hub settle schemes`."""


class WindowNotEnded(HubError):
    """The window of that business day has not ended; it is cut on the day after."""


class WindowAlreadyStated(HubError):
    """The window of that business day is stated, and a statement never changes: what comes later is in the next one."""


class WindowBefore(HubError):
    """Nothing was recorded by the end of that business day."""


class StatementUnknown(HubError):
    """There is no such statement; see `hub settle list`."""


class StatementAcknowledgedAlready(HubError):
    """This side has acknowledged the statement already."""


class StatementDiffers(HubError):
    """What was found right is not this statement: its digest is another."""


class StatementStep(HubError):
    """The step does not follow: a dispute is open, a side has not acknowledged, or there is nothing to pay."""


class StatementLineUnknown(HubError):
    """The statement has no such line, or there is no open dispute about it, or it is for the other side to end it so."""


class PaymentDiffers(HubError):
    """What was paid is not the net of the statement, or was paid by the side that is owed it."""


class StatementChanged(HubError):
    """Someone changed the statement meanwhile; look at it and try again."""


class FundBatchNotFound(HubError):
    """Nothing was reported of such a batch in this province; name it by its number as it was reported."""
