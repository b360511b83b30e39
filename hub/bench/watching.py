"""What a measured process and all below it use: looked at all the time, since the processes of a pool are no children of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

LOOK_EVERY_S = 0.02


@dataclass(slots=True)
class Used:
    """What was seen: the most memory that one process had, and the CPU seconds of each by its id."""

    largest: int = 0
    cpu_s: dict[int, float] = field(default_factory=dict)

    @property
    def largest_mb(self) -> int:
        """The most memory of a process in megabytes; the kernel's own maximum begins with that of the process that started it."""
        return self.largest >> 20

    def us(self, events: int) -> float:
        """Returns the CPU of all of them in microseconds an event."""
        return round(sum(self.cpu_s.values()) / events * 1e6, 2)

    def look(self, process: psutil.Process) -> None:
        """Looks at a process."""
        with suppress(psutil.Error):
            times = process.cpu_times()
            self.cpu_s[process.pid] = times.user + times.system
            self.largest = max(self.largest, process.memory_info().rss)


@contextmanager
def looking(look: Callable[[], None], every_s: float = LOOK_EVERY_S) -> Iterator[None]:
    """Looks again and again, by a thread of its own, while the block runs."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(every_s):
            look()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


@contextmanager
def watched() -> Iterator[Used]:
    """Gives what this process and all below it use from now on; a process that ends between two looks has used a little more."""
    own, used = psutil.Process(), Used()
    began = own.cpu_times()

    def look() -> None:
        for one in (own, *own.children(recursive=True)):
            used.look(one)

    try:
        with looking(look):
            yield used
    finally:
        used.look(own)
        used.cpu_s[own.pid] = used.cpu_s.get(own.pid, 0.0) - began.user - began.system
