"""The client under test: a command of its own that gets all it needs by its environment."""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
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
        """Starts it."""


class Command:
    """A client that is a command line; what it prints goes to the end of a *log*, below the name of the trial."""

    def __init__(self, line: str, log: Path) -> None:
        """Takes the line as a shell would split it; raises TargetUnfit for one that is none."""
        try:
            self._words = shlex.split(line)
        except ValueError as error:
            raise TargetUnfit(f"{line}: {error}") from None
        if not self._words or shutil.which(self._words[0]) is None:
            raise TargetUnfit(f"没有这个程序 there is no such program: {self._words[0] if self._words else line!r}")
        self._log = log

    def start(self, environment: Mapping[str, str]) -> "_Process":
        """Starts it."""
        with self._log.open("ab") as log:
            log.write(f"── {environment.get('CONFORMANCE_TRIAL', '')}\n".encode())
            log.flush()
            return _Process(Child(self._words, {**os.environ, **environment}, stdout=log, stderr=log))


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


RUN = "启动客户端，完成后回车 start the client, and press Enter once it is done"
KILL = (
    "启动客户端：它发出一批，答复迟迟不到。这时杀掉它（kill -9 或在调试器中终止，不要正常退出），再回车 "
    "start the client: it sends a batch and hears nothing. Kill it then (kill -9, or end it in the debugger, not in order), and press Enter"
)
AGAIN = "用同样的变量再次启动它，完成后回车 start it again with the same variables, and press Enter once it is done"


class ByHand:
    """A client that somebody starts; *wait* shows the environment and what to do, and comes back once that is done.

    With *is_killed* the same person kills it in the middle, and starts it again.
    """

    def __init__(self, wait: Callable[[Mapping[str, str], str], None], *, is_killed: bool = False) -> None:
        """Waits for nothing yet."""
        self._wait = wait
        self._todo = [KILL, AGAIN] if is_killed else [RUN]

    def start(self, environment: Mapping[str, str]) -> "_Done":
        """Has it started, and waits."""
        todo = self._todo.pop(0)
        self._wait(environment, todo)
        return _Done([None, -signal.SIGKILL] if todo == KILL else [0])


class _Done:
    """One that was killed says so once the kit had the time to see what it sent, and to start it again."""

    def __init__(self, codes: list[int | None]) -> None:
        self._codes = codes

    def poll(self) -> int | None:
        return self._codes.pop(0) if len(self._codes) > 1 else self._codes[0]

    def kill(self) -> None:
        return
