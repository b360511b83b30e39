"""What is refused of audits: faults of who asks, decides or fetches. As in `errors`, the docstring is the message."""

from hub.domain.errors import HubError


class AuditUnknown(HubError):
    """There is no audit under this code; see `hub audit list`."""


class AuditSamePerson(HubError):
    """Who asked for an audit does not decide about it; another person has to, logged in as itself or named by --operator."""


class AuditSameLogin(HubError):
    """The same login asked for this audit under another name; log in as yourself, or use --same-login, which stays in the record."""


class AuditDecided(HubError):
    """The audit is decided already; see `hub audit list`."""


class AuditOver(HubError):
    """The audit has ended; there is nothing to call off."""


class AuditNotApproved(HubError):
    """The audit is not approved, or has ended; it is not run."""


class AuditNotRunning(HubError):
    """The audit does not run; it neither delivers nor fails."""


class AuditNotDelivered(HubError):
    """The audit is not delivered; see `hub audit show` how far it is."""


class AuditPartMissing(HubError):
    """The audit has no such file here: there was none, it was kept long enough, or it is on the machine that ran the audit."""


class AuditChanged(HubError):
    """Someone changed the audit meanwhile; look at it and try again."""


class AuditBeyondRight(HubError):
    """A participant asks about cards of its own province and sees its own audits alone; ask the operators for more."""


class AuditWindowReversed(HubError):
    """The window is empty or ends before it begins; give an end that is later."""


class AuditWindowAhead(HubError):
    """The window reaches beyond what is recorded by now; give an earlier end."""


class AuditWindowBefore(HubError):
    """Nothing was recorded by then; give a later time."""


class AuditNameUnknown(HubError):
    """The question names something that there is not; name one of those that there are:"""


class AuditChangeUnfit(HubError):
    """A change of the question cannot be tried out; mend it and ask again:"""


class FilingUnknown(HubError):
    """No filing of this side and number was ever reported."""


class LoanUnknown(HubError):
    """No loan of an item with this barcode was ever reported."""
