"""A test run that is interrupted leaves no process behind, neither a hub nor a database, however it is interrupted."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hub.postgres.server import discard
from tests.signals import heeded

START_S = 100.0
GONE_S = 30.0
LONG_TEST = """
import time

def test_that_takes_long(shared_hub):
    (shared_hub.data_dir / "waits").touch()
    time.sleep(300)
"""


class Run:
    """A test run of its own in a directory, as `make test` begins one, in the middle of a test with a hub."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._log = directory, directory / "log"
        (directory / "test_long.py").write_text(LONG_TEST, encoding="utf-8")
        arguments = [
            "-p",
            "tests.spread",
            "--processes=1",
            "-p",
            "tests.conftest",
            "--rootdir",
            directory,
            "--basetemp",
            directory / "run",
            directory / "test_long.py",
        ]
        own = {"INTERRUPTED_RUN": str(directory), "TMPDIR": str(directory)}
        with self._log.open("wb") as log, heeded(signal.SIGINT):
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *arguments],
                env={**os.environ, **own}, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._clusters: set[str] = set()

    def await_hub(self) -> None:
        """Waits until its test has a hub and a database."""
        give_up_s = time.monotonic() + START_S
        while not any(self._directory.rglob("waits")):
            assert self.process.poll() is None and time.monotonic() < give_up_s, self._log.read_text(encoding="utf-8")
            time.sleep(0.05)
        self._clusters = {str(link.resolve()) for link in self._directory.rglob("postgres")}
        names = [process.name() for process in self.processes()]
        # What collects, what runs the test, and the hub, besides what the database consists of.
        assert (names.count("postgres") > 3, len(names) - names.count("postgres") >= 3) == (True, True), names

    def processes(self) -> list[psutil.Process]:
        """Every process of the run: by its environment or its arguments, and the server by the cluster it lives on."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                seen = (process.environ().get("INTERRUPTED_RUN", ""), *process.cmdline())
                is_its_own = any(str(self._directory) in one for one in seen) or process.cwd() in self._clusters
                if is_its_own and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def close(self) -> None:
        """Ends what is left, whatever the test found."""
        for left in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        self.process.wait()
        for data_dir in {link.parent for link in self._directory.rglob("postgres")}:
            discard(data_dir)


@pytest.fixture
def run() -> Iterator[Run]:
    # A short name: what it starts has sockets in there, whose paths end at 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="hub-test-"))
    begun = Run(directory)
    try:
        begun.await_hub()
        yield begun
    finally:
        begun.close()
        shutil.rmtree(directory)


def ctrl_c(run: Run) -> None:
    os.killpg(run.process.pid, signal.SIGINT)


def kill_the_controller(run: Run) -> None:
    run.process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("interrupt", [ctrl_c, kill_the_controller])
def test_an_interrupted_run_leaves_no_process(run: Run, interrupt: Callable[[Run], None]) -> None:
    interrupt(run)
    give_up_s = time.monotonic() + GONE_S
    while run.process.poll() is None or run.processes():
        assert time.monotonic() < give_up_s, [process.cmdline() for process in run.processes()]
        time.sleep(0.1)
