"""An edge whose clock is ahead: started in the place of `hub.cli`, it lets the hub's own code see a later time, and nothing else.

The database keeps its clock, so an event's recorded_at stays the real time; what is decided, expires or is too early goes by the later one.
"""

import os
import sys
import time
from datetime import datetime, timedelta, tzinfo
from importlib import import_module
from types import ModuleType
from typing import Any

AHEAD = "SANDBOX_AHEAD_S"
# What an edge is made of; it is named here and not imported, since it lies above the sandbox.
_EDGE = ("hub.cli", "hub.commands.serving", "hub.commands.edge", "hub.commands.projector")


class _Time(ModuleType):
    """The module `time`, of which the clock on the wall is ahead."""

    def __init__(self, ahead_s: float) -> None:
        super().__init__("time")
        self._ahead_s, self._ahead_ns = ahead_s, int(ahead_s * 1e9)

    def time(self) -> float:
        """The time in seconds."""
        return time.time() + self._ahead_s

    def time_ns(self) -> int:
        """The time in nanoseconds."""
        return time.time_ns() + self._ahead_ns

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class _Kind(type):
    """Whatever is a datetime is one of `_Ahead` too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, datetime)


def _datetime_ahead(ahead: timedelta) -> type:
    class Ahead(datetime, metaclass=_Kind):
        """Makes plain datetimes, of which now is ahead."""

        def __new__(cls, *parts: Any, **named: Any) -> Any:
            return datetime(*parts, **named)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            """The time ahead, as a plain datetime."""
            return datetime.now(tz) + ahead

    return Ahead


def go_ahead(seconds: float) -> None:
    """Lets every module of the hub that is loaded see the time so many seconds ahead."""
    clock, calendar = _Time(seconds), _datetime_ahead(timedelta(seconds=seconds))
    for name, module in list(sys.modules.items()):
        if not name.startswith("hub.") or name == __name__:
            continue
        if getattr(module, "time", None) is time:
            vars(module)["time"] = clock
        if getattr(module, "datetime", None) is datetime:
            vars(module)["datetime"] = calendar


def main() -> None:
    """Runs the hub's command line, ahead by what the environment says."""
    command, *_ = [import_module(name) for name in _EDGE]
    if (seconds := float(os.environ.pop(AHEAD, "0"))) > 0:
        go_ahead(seconds)
    command.main()
