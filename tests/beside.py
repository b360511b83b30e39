"""The views that no answer rests on, folded by a thread: what their own process does is the matter of `test_other_views`."""

import contextlib
import threading
from collections.abc import Iterator

from hub.projections import runner


@contextlib.contextmanager
def others_beside(dsn: str) -> Iterator[None]:
    """Has the other views of a database folded meanwhile."""
    stop = threading.Event()
    following = threading.Thread(target=runner.follow, args=(dsn, stop))
    following.start()
    try:
        yield
    finally:
        stop.set()
        following.join()
