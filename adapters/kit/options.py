"""What the adapters' commands read alike from their options."""

from collections.abc import Sequence

from adapters.kit.errors import AdapterError
from adapters.kit.outbox import Outbox


class OptionUnreadable(AdapterError):
    """An option does not have the form its help text gives."""


def listen_address(listen: str) -> tuple[str, int]:
    """Returns host and port of --listen; raises OptionUnreadable."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise OptionUnreadable(f"--listen {listen}")
    return host, int(port)


def continue_feeds(outbox: Outbox, feeds: Sequence[str], orders: Sequence[str]) -> None:
    """Carries out --continue-at orders FEED=NUMBER for *feeds*; raises OptionUnreadable before the first of them."""
    parts = [order.partition("=") for order in orders]
    for feed, _, number in parts:
        if feed not in feeds or not number.isdecimal() or int(number) < 1:
            raise OptionUnreadable(f"--continue-at {feed}={number}; FEED is one of {', '.join(feeds)}")
    for feed, _, number in parts:
        outbox.continue_at(feed, int(number))
