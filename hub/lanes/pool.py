"""The processes that fold lanes: as many as are wanted, or this one alone."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from hub.child import forks_of
from hub.domain.errors import HubError
from hub.lanes.units import begin


class _Here(Executor):
    """One process is this one."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Calls it at once."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextmanager
def processes_of(count: int | None, leave: Callable[[], None], stopped: type[HubError]) -> Iterator[Executor]:
    """Gives so many processes, one a core if None; one is this one, which *leaves* at the end. Raises *stopped* where one of them ended."""
    if (count or os.cpu_count()) == 1:
        try:
            yield _Here()
        finally:
            leave()
        return
    forks, way = forks_of(leave.__module__), (os.nice(0), os.sched_getscheduler(0))
    with ProcessPoolExecutor(count, mp_context=forks, initializer=begin, initargs=way) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise stopped from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
