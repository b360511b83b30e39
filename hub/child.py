"""A command as a child process: its first line of output says that it is ready, and it ends with its parent, however the parent ends.

It has a session of its own, so that a Ctrl-C in the terminal does not reach it: the parent decides the order of stopping.
"""

import atexit
import contextlib
import gc
import logging
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import IO, NoReturn

import hub.lifeline
from hub.lifeline import end_with

log = logging.getLogger(__name__)

START_S = 40.0
STOP_S = 15.0
# Children write to pipes and files of ours, whatever the terminal's encoding.
PIPED = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
Stream = int | IO[bytes] | None


def python(module: str, *arguments: str) -> list[str]:
    """Returns the command that calls `main` of a module with these arguments."""
    return [sys.executable, "-c", f"from {module} import main; main()", *arguments]


def is_called(name: str) -> None:
    """Has the list of processes call this process by a name, of 15 bytes at most."""
    Path("/proc/self/comm").write_text(name, encoding="ascii")


def end_with_parent() -> None:
    """Has this process, which `multiprocessing` started, killed once its parent has ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "multiprocessing did not start it"
    # The reading end of a pipe to which the parent alone can write.
    end_with(parent.sentinel)


_imported: list[str] = []


def forks_of(*modules: str) -> ForkServerContext:
    """Returns what starts processes as forks of one that has imported these modules, and those that were named here before.

    Most of what a short process costs is its imports. The one that is forked begins with the first fork, does nothing else, and ends with
    this process; it has no thread and no connection, which a fork of a process at work would have the remains of.
    """
    _imported.extend(module for module in modules if module not in _imported)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_imported)
    return context


class Forked:
    """A child that calls `main` of a module that *forks* has imported; its `stdout` is a pipe to the parent, whose session it leaves.

    Its `stderr` goes to the end of a *log*, where one is named, after which the list of processes then calls it.
    """

    def __init__(
        self, forks: ForkServerContext, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path | None = None
    ) -> None:
        reading, said = forks.Pipe(duplex=False)
        self._process = forks.Process(target=_run_forked, args=(module, list(arguments), dict(environment), said, log))
        try:
            self._process.start()
        except BaseException:
            reading.close()
            raise
        finally:
            said.close()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self.stdout = os.fdopen(os.dup(reading.fileno()), encoding="utf-8", errors="replace")
        reading.close()

    def poll(self) -> int | None:
        """Returns its exit code, None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def first_line(self, within_s: float = START_S) -> str:
        """Waits for its first line of output and returns it, "" if it ends or takes longer."""
        return _first_line(self.stdout, within_s)

    def last_words(self, within_s: float | None = None) -> str:
        """Waits for its end and returns what is left of its output; raises subprocess.TimeoutExpired."""
        # It has ended once nobody can write to the pipe: one that waits for room there would never do so.
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.append(self.stdout.read()), name="last-words", daemon=True)
        reader.start()
        reader.join(within_s)
        self._process.join(within_s)
        if self.poll() is None or not said:
            raise subprocess.TimeoutExpired(self._process.name, within_s or 0)
        return said[0]

    def stop(self, within_s: float = STOP_S) -> None:
        """Asks it to end, and kills it if it does not in time."""
        self._process.terminate()
        self._process.join(within_s)
        self.kill()

    def kill(self) -> None:
        """Kills it unless it has ended, and waits for its end."""
        self._process.kill()
        self._process.join()
        self.stdout.close()


def _run_forked(module: str, arguments: Sequence[str], environment: Mapping[str, str], said: Connection, log: Path | None) -> None:
    end_with_parent()
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(said.fileno(), 1)
    said.close()
    if log is not None:
        is_called(log.stem[:15])
        with log.open("ab") as end:
            os.dup2(end.fileno(), 2)
    # Those of before know of what was there before, such as whether one can go back in it.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, encoding="utf-8", closefd=False) for number in (1, 2))
    sys.argv = [module, *arguments]
    try:
        import_module(module).main()
    finally:
        # multiprocessing ends a process without them, and the last lines of a log are written by one.
        atexit._run_exitfuncs()


def _first_line(output: IO[str], within_s: float) -> str:
    ready, _, _ = select.select([output], [], [], within_s)
    return output.readline().strip() if ready else ""


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
        return _first_line(self.stdout, within_s)

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


class Copy:
    """A child that begins as a copy of this process, so that it has all that is imported here; it waits until it is to `begin`.

    It is made before gRPC is at work here: a fork of a process with gRPC at work may abort. Its `stdout` is a pipe to the parent.
    """

    def __init__(self, run: Callable[[], None]) -> None:
        """*run* is what it does; raises OSError where there is no room for a process."""
        lifeline, self._held = os.pipe()
        reading, said = os.pipe()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        try:
            self.pid = os.fork()
        except OSError:
            for descriptor in (lifeline, self._held, reading, said):
                os.close(descriptor)
            raise
        if self.pid == 0:
            for descriptor in (self._held, reading):
                os.close(descriptor)
            _run_as_copy(run, lifeline, said)
        for descriptor in (lifeline, said):
            os.close(descriptor)
        # A child that nobody can stop any more ends as well.
        weakref.finalize(self, os.close, self._held)
        self.stdout = os.fdopen(reading, encoding="utf-8", errors="replace")
        self.returncode: int | None = None
        self._ending = threading.Lock()

    def begin(self) -> None:
        """Has it do what it is for."""
        os.write(self._held, b".")

    def wait(self) -> int:
        """Waits for its end and returns its exit code."""
        if self.returncode is None:
            # Until its end is fetched, its number is nobody else's.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            with self._ending:
                self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def terminate(self) -> None:
        """SIGTERM, unless it has ended."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with self._ending:
            if self.returncode is None:
                os.kill(self.pid, number)


def _run_as_copy(run: Callable[[], None], lifeline: int, said: int) -> NoReturn:
    """Waits for a word on the lifeline, runs, and ends the process without what its parent has to do at its own end."""
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(said, 1)
        _keep_only({0, 1, 2, lifeline, sys.stderr.fileno()})
        # What is loaded stays shared with the parent as long as the collector does not look at it.
        gc.freeze()
        if os.read(lifeline, 1):
            end_with(lifeline)
            run()
        code = 0
    except Exception:
        log.exception("a copy of the process has ended")
    finally:
        os._exit(code)


def _keep_only(kept: Collection[int]) -> None:
    """Closes all other descriptors: a lock that the parent has on one of them would be had as long as this process lives."""
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor not in kept:
            # The one of the list itself is closed by now.
            with contextlib.suppress(OSError):
                os.close(descriptor)
