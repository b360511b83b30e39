"""The client under test: a command of its own that gets all it needs by its environment."""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from hub.child import Child
from hub.domain.errors import HubError


class TargetUnfit(HubError):
    """被测客户端的命令无法启动 the command of the client under test cannot be started:"""


class Running(Protocol):
    """A client at work."""

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""

    def kill(self) -> None:
        """Ends it at once and waits for its end."""


class Client(Protocol):
    """What can be started with an environment."""

    def start(self, environment: Mapping[str, str]) -> Running:
        """Starts it; raises TargetUnfit."""


class Command:
    """A client that is a command line; what it prints goes to the end of a *log*."""

    def __init__(self, line: str, log: Path) -> None:
        """Takes the line as a shell would split it; raises TargetUnfit for one that is none."""
        try:
            self._words = shlex.split(line)
        except ValueError as error:
            raise TargetUnfit(f"{line}: {error}") from None
        if not self._words:
            raise TargetUnfit("没有命令 there is none")
        self._log = log

    def start(self, environment: Mapping[str, str]) -> "_Process":
        """Starts it; raises TargetUnfit."""
        with self._log.open("ab") as log:
            try:
                return _Process(Child(self._words, {**os.environ, **environment}, stdout=log, stderr=log))
            except OSError as error:
                raise TargetUnfit(f"{self._words[0]}: {error.strerror}") from None


class _Process:
    def __init__(self, child: Child) -> None:
        self._child = child

    def poll(self) -> int | None:
        return self._child.poll()

    def kill(self) -> None:
        # With all that it has started: it leads a session of its own.
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
