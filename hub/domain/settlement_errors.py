"""What is refused of statements between the provinces, and of funds. As in `errors`, the docstring is the message."""

from hub.domain.errors import HubError


class SchemeUnknown(HubError):
    """There is no such settlement scheme on that day; see `hub settle schemes`."""


class WindowNotEnded(HubError):
    """The window of that business day has not ended; it is cut on the day after, or now with `--early`."""


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
    """The step does not follow from the state of the statement; see `hub settle show`."""


class StatementDisputeOpen(StatementStep):
    """A dispute about a line is open; end it first with `hub settle resolve`."""


class StatementNotAcknowledged(StatementStep):
    """A statement is paid once both sides have acknowledged it with `hub settle acknowledge`."""


class StatementNotPayable(StatementStep):
    """There is nothing to pay: the statement is a memo, its net is zero, or it is paid already."""


class StatementNotDisputable(StatementStep):
    """A side disputes no line of a statement that it has acknowledged, or that is paid; the correction is in a later statement."""


class StatementLineUnknown(HubError):
    """The statement has no such line; see `hub settle show`."""


class DisputeReasonUnknown(HubError):
    """A line is disputed for one of the known reasons."""


class LineDisputedAlready(StatementLineUnknown):
    """A dispute about this line is open already."""


class LineNotDisputed(StatementLineUnknown):
    """There is no open dispute about this line; see `hub settle show`."""


class DisputeEndsOtherwise(StatementLineUnknown):
    """The side that raised a dispute ends it with `--withdrawn`, the other side with `--upheld`."""


class PaymentDiffers(HubError):
    """What was paid is not the net of the statement, or was paid by the side that is owed it."""


class StatementChanged(HubError):
    """Someone changed the statement meanwhile; look at it and try again."""


class FundBatchNotFound(HubError):
    """Nothing was reported of such a batch in this province; name it by its number as it was reported."""


class CouponNotFound(HubError):
    """Nothing was reported of such a coupon for cards of that province; name the province that issued the card, and the coupon's id."""


class CouponsTooMany(HubError):
    """The funder granted too many coupons in those days to be counted at once; ask for fewer days and add them up."""
