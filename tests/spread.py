"""Runs the tests of a session in several processes (`-p tests.spread --processes 4`), each forked from the one that has collected them.

Where each process collects them again, as those of pytest-xdist do, that takes more than running most files, and memory for each.
A process takes the next scope when it has begun the last test of its own, so the tests of a scope stay together and share what they set up.
"""

import mmap
import os
import selectors
import signal
import sys
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import pytest
from _pytest.runner import pytest_sessionfinish as end_fixtures

from hub.lifeline import end_with

NONE = -1
# Folders whose files share a year that takes long to make, or the hub that pages show; what is in a browser takes as long as the rest.
SHARING, ALONE = frozenset({"indicators", "meeting", "console"}), "test_browser"


def scope_of(item: pytest.Item) -> str:
    """Names what one process runs the whole of: a file, of some folders all files."""
    folder = item.path.parent
    return str(folder if folder.name in SHARING and item.path.stem != ALONE else item.path)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the number of processes; with none, tests run where they were collected."""
    parser.addoption("--processes", type=int, default=0, help="run the tests in so many processes, scope by scope")


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Runs all tests in processes of their own, if those are asked for and there is something to run."""
    count = session.config.getoption("processes")
    if count < 1 or session.config.option.collectonly or session.testsfailed or not session.items:
        return None
    Spread(session, count).run()
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
    return True


class Spread:
    """The processes and what is left for them."""

    def __init__(self, session: pytest.Session, count: int) -> None:
        self.session, self.items, self.count = session, session.items, count
        self._scopes = [scope_of(item) for item in self.items]
        # Scopes that nobody has taken, each as the number of its first test: a pipe gives each number to one process alone.
        self._left, filling = os.pipe()
        for number, scope in enumerate(self._scopes):
            if number == 0 or self._scopes[number - 1] != scope:
                os.write(filling, number.to_bytes(4, "little"))
        os.close(filling)
        # Of each process the test that it runs and the one that it has taken for afterwards: known also when it has crashed.
        self.state = memoryview(mmap.mmap(-1, 8 * count + 4)).cast("i")
        # Closed by the kernel with this process, and then it kills the others.
        self.lifeline = os.pipe()
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Returns when all tests have been run, or those that were begun when one too many had failed."""
        for number in range(self.count):
            self._fork(number, self.take())
        try:
            while self._selector.get_map():
                for key, _ in self._selector.select():
                    self._hear(*key.data)
        finally:
            for key in self._selector.get_map().values():
                os.waitpid(key.data[2], 0)

    def take(self) -> int:
        """Returns the first test of a scope that nobody has taken."""
        taken = os.read(self._left, 4)
        return int.from_bytes(taken, "little") if taken else NONE

    def following(self, test: int) -> int:
        """Returns what the process that runs a test runs next."""
        if test + 1 < len(self.items) and self._scopes[test + 1] == self._scopes[test]:
            return test + 1
        return self.take()

    def _fork(self, number: int, test: int) -> None:
        if test == NONE or self.state[-1]:
            return
        receiving, sending = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        if (process := os.fork()) == 0:
            os.close(receiving)
            Worker(self, number, Connection(sending, readable=False)).run(test)
        os.close(sending)
        connection = Connection(receiving, writable=False)
        self._selector.register(connection, selectors.EVENT_READ, (number, connection, process))

    def _hear(self, number: int, connection: Connection, process: int) -> None:
        """Passes on what a process says of one test; where it has ended within one, another goes on after that."""
        config = self.session.config
        try:
            reports, warned = connection.recv()
        except EOFError:
            self._selector.unregister(connection)
            connection.close()
            _, status = os.waitpid(process, 0)
            test, then = self.state[2 * number], self.state[2 * number + 1]
            if test != NONE:
                self._tell([self._crash(self.items[test], status)])
                self._fork(number, then)
            return
        for warning, nodeid in warned:
            said = warnings.WarningMessage(*warning)
            config.hook.pytest_warning_recorded.call_historic(
                kwargs={"warning_message": said, "when": "runtest", "nodeid": nodeid, "location": None}
            )
        self._tell([config.hook.pytest_report_from_serializable(config=config, data=data) for data in reports])

    def _tell(self, reports: list[pytest.TestReport]) -> None:
        hook = self.session.config.hook
        hook.pytest_runtest_logstart(nodeid=reports[0].nodeid, location=reports[0].location)
        for report in reports:
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=reports[0].nodeid, location=reports[0].location)
        self.state[-1] = bool(self.session.shouldfail or self.session.shouldstop)

    def _crash(self, item: pytest.Item, status: int) -> pytest.TestReport:
        code = os.waitstatus_to_exitcode(status)
        why = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return pytest.TestReport(item.nodeid, item.location, {item.name: 1}, "failed", f"its process ended {why}", "call")


class Worker:
    """One of the processes, which is a plugin of its own session: what is said of a test goes to the process that has collected it."""

    def __init__(self, spread: Spread, number: int, connection: Connection) -> None:
        self._spread, self._number, self._connection = spread, number, connection
        self._config = spread.session.config
        self._reports: list[Any] = []
        self._warned: list[Any] = []

    def run(self, test: int) -> NoReturn:
        """Runs a test and all that follow for this process, and ends it."""
        code = 1
        try:
            self._begin()
            self._run(test)
            code = 0
        except Exception:
            self._config.pluginmanager.getplugin("capturemanager").stop_global_capturing()
            traceback.print_exc()
        finally:
            end_fixtures(self._spread.session)
            os._exit(code)

    def _begin(self) -> None:
        os.close(self._spread.lifeline[1])
        # Opened again: who is killed is kept with what was opened, which those that are forked otherwise share.
        end_with(os.open(f"/proc/{os.getppid()}/fd/{self._spread.lifeline[0]}", os.O_RDONLY))
        plugins = self._config.pluginmanager
        capture, terminal = plugins.getplugin("capturemanager"), plugins.getplugin("terminalreporter")
        # What tests write is kept in files, which would be shared, too.
        capture.stop_global_capturing()
        capture.start_global_capturing()
        plugins.unregister(terminal)
        terminal._tw._file = sys.__stderr__
        plugins.register(self, "terminalreporter")
        # A plugin hears what was warned of before it was registered.
        self._warned.clear()
        self._tw = terminal._tw
        factory = self._config._tmp_path_factory  # type: ignore[attr-defined]
        factory._basetemp = Path(factory.getbasetemp(), f"process-{os.getpid()}")
        factory._basetemp.mkdir(mode=0o700)

    def _run(self, test: int) -> None:
        session, items, state, at = self._spread.session, self._spread.items, self._spread.state, 2 * self._number
        while test != NONE and not (state[-1] or session.shouldfail or session.shouldstop):
            state[at], state[at + 1] = test, self._spread.following(test)
            then = state[at + 1]
            self._config.hook.pytest_runtest_protocol(item=items[test], nextitem=items[then] if then != NONE else None)
            self._connection.send((self._reports, self._warned))
            self._reports, self._warned, test = [], [], then
        state[at] = NONE

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps what is said of a test, until it has ended."""
        self._reports.append(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, nodeid: str) -> None:
        """Keeps a warning."""
        warning = (str(warning_message.message), warning_message.category, warning_message.filename, warning_message.lineno)
        self._warned.append((warning, nodeid))
