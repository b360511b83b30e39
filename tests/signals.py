"""Signals as a process finds them that a shell began in the foreground."""

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def heeded(number: signal.Signals) -> Iterator[None]:
    """Has what is started meanwhile heed a signal: what `nohup`, or a shell for its background, has ignored, children ignore as well."""
    before = signal.getsignal(number)
    if before is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)
