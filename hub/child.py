"""A command as a child process: its first line of output says that it is ready, and it ends with its parent, however the parent ends.

It has a session of its own, so that a Ctrl-C in the terminal does not reach it: the parent decides the order of stopping.
"""

import multiprocessing
import os
import select
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import hub.lifeline
from hub.lifeline import end_with

START_S = 40.0
STOP_S = 15.0
# Children write to pipes and files of ours, whatever the terminal's encoding.
PIPED = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
Stream = int | IO[bytes] | None


def python(module: str, *arguments: str) -> list[str]:
    """Returns the command that calls `main` of a module with these arguments."""
    return [sys.executable, "-c", f"from {module} import main; main()", *arguments]


def end_with_parent() -> None:
    """Has this process, which `multiprocessing` started, killed once its parent has ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "multiprocessing did not start it"
    # The reading end of a pipe to which the parent alone can write.
    end_with(parent.sentinel)


class Child(subprocess.Popen[str]):
    """One that runs; its `stdout` is a pipe to the parent unless another stream is named."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        stdout: Stream = subprocess.PIPE,
        stderr: Stream = None,
        cwd: Path | None = None,
    ) -> None:
        """Starts it with *environment* and what its output needs."""
        lifeline, held = os.pipe()
        # A child that nobody can stop any more ends as well.
        weakref.finalize(self, os.close, held)
        try:
            super().__init__(
                [sys.executable, "-I", "-S", hub.lifeline.__file__, str(lifeline), *command],
                env={**environment, **PIPED},
                encoding="utf-8",
                errors="replace",
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                pass_fds=[lifeline],
                start_new_session=True,
            )
        finally:
            os.close(lifeline)

    def first_line(self, within_s: float = START_S) -> str:
        """Waits for its first line of output and returns it, "" if it ends or takes longer."""
        assert self.stdout is not None, "its output goes elsewhere"
        ready, _, _ = select.select([self.stdout], [], [], within_s)
        return self.stdout.readline().strip() if ready else ""

    def stop(self, within_s: float = STOP_S) -> int:
        """Asks it to end, kills it if it does not in time, and returns its exit code."""
        if self.poll() is None:
            self.terminate()
        try:
            self.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self.communicate()
        return self.returncode
