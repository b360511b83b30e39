"""The errors an adapter raises to its operator or to its own gateway; each docstring is the message.

A fault in what a province sent is not here: its answer is a native code, owned by the adapter of that province.
"""


class AdapterError(Exception):
    """The adapter cannot go on."""

    def __init__(self, facts: str = "") -> None:
        """Joins the message of the class with the *facts* of this case."""
        message = " ".join((type(self).__doc__ or "").split())
        super().__init__(f"{message} ({facts})" if facts else message)


class OutboxLost(AdapterError):
    """The hub has recorded numbers that this outbox never handed out, so the outbox file is not the one that sent them.

    Stop the adapter and restore the outbox file. If it is lost for good, start once with --continue-at FEED=NUMBER, the
    number the hub expects: what still waits here is numbered from there, and nothing is dropped.
    """


class HubBehind(AdapterError):
    """The hub expects a number that it has acknowledged already.

    Either this is another hub, or the hub was restored from an old copy. The acknowledged events are no longer in the
    outbox: check --hub, then ask the hub's operators to restore up to the acknowledged number before starting again.
    """


class SequenceConflict(AdapterError):
    """The hub holds another event under a number of this feed.

    Two outboxes have written the feed, or this one was restored from an old copy. Nothing is skipped: stop the adapter,
    find out which events are right, and start with --continue-at FEED=NUMBER once the hub's are known to be.
    """


class OutboxDamaged(AdapterError):
    """The outbox lacks a number that the hub has not acknowledged, or the hub acknowledged one that was never handed out.

    Nothing more is sent. Keep a copy of the outbox file, and compare the hub's last number of the feed with it before anything is changed.
    """


class SenderFault(AdapterError):
    """A fault of the adapter's own has stopped the feed; what the hub has not acknowledged is still in the outbox.

    The log says where it happened. Report it, and start the adapter again: it goes on where the outbox is.
    """


class FeedStopped(AdapterError):
    """The feed is stopped: it sends nothing more until the cause is mended and the adapter is started again."""


class HubUnreachable(AdapterError):
    """No hub answered in time on any of the configured targets."""


class DataDirectoryInUse(AdapterError):
    """Another adapter runs on this data directory: stop it, or give this one a directory of its own with --data-dir."""


class CertificateUnreadable(AdapterError):
    """A certificate or key file cannot be read."""
