"""A real hub in processes of its own: `hub serve` and `hub project` on a test database, with certificates made for the test."""

import contextlib
import functools
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub.admin.registry import register_participant
from hub.child import Child, python
from hub.domain.participant import PREFIX
from hub.domain.roles import every_role
from hub.journal.recorder import AggregateStore
from hub.trust.authority import CertificateFiles, issue_participant, issue_server, open_authority
from tests.forked import Forked

SICHUAN, CHONGQING = f"{PREFIX}sc.card-center", f"{PREFIX}cq.card-center"
FEEDS = {SICHUAN: ("51", ["sc.card-center", "sc.usage"]), CHONGQING: ("50", ["cq.card-center", "cq.usage"])}
# A machine with twenty other things to do is slow to start a hub and to end it; one that never does shows in the other minute.
START_S = 100.0


def environment(dsn: str, data_dir: Path) -> dict[str, str]:
    """The environment a hub process needs."""
    # A machine that runs many hubs at once may be slow to fold; how far behind is too far is the matter of one test.
    settings = {"HUB_METRICS_LISTEN": "", "HUB_MAX_LAG_S": "60", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, "HUB_DSN": dsn, "HUB_DATA_DIR": str(data_dir), **settings}


class Process:
    """One `hub …` process whose first line of output says that it is ready."""

    def __init__(self, arguments: list[str], dsn: str, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self.log = data_dir / f"{arguments[0]}-{time.monotonic_ns()}.log"
        self._arguments, self._environment = arguments, {**environment(dsn, data_dir), **(settings or {})}
        # What others than the hub read of the environment, such as Python itself, they read when a process begins.
        self._forks = all(name.startswith("HUB_") for name in settings or {})
        self.process: Forked | Child | None = None
        self._begin = 0

    def start(self) -> str:
        """Starts it and returns the ready line."""
        self.launch()
        return self.ready()

    def launch(self) -> None:
        """Starts it and does not wait for it."""
        self.log.touch()
        self._begin = self.log.stat().st_size
        if self._forks:
            self.process = Forked(self._arguments, self._environment, self.log)
            return
        with self.log.open("ab") as log:
            self.process = Child(python("hub.cli", *self._arguments), self._environment, stdout=log, stderr=log)

    def ready(self) -> str:
        """Waits until it is ready and returns the line that says so."""
        assert self.process is not None
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            text = self.log.read_bytes()[self._begin :].decode(errors="replace")
            for line in text.splitlines():
                if line.startswith(("listening on", "projecting")):
                    return line
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"{self._arguments[0]} did not start:\n{self.log.read_text()[-4000:]}")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, timeout_s: float = START_S) -> int:
        """Asks it to stop and returns its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout_s)


class RunningHub:
    """A hub with both provinces registered; *targets* are the addresses of its edges.

    One edge folds the views itself, in one process; several, or one *apart* from it, leave that to a process of its own. One that has
    *begun* has started before, with a copy of this database and these files.
    """

    def __init__(
        self,
        dsn: str,
        data_dir: Path,
        edges: int = 1,
        settings: Mapping[str, str] | None = None,
        *,
        apart: bool = False,
        begun: bool = False,
    ) -> None:
        self.dsn, self.data_dir = dsn, data_dir
        self.certificates_dir = data_dir / "certificates"
        if not begun:
            self._begin()
        projectors = [Process(["project"], dsn, data_dir, settings)] if apart or edges > 1 else []
        serve = ["serve", "--listen", "127.0.0.1:0", *([] if projectors else ["--project"])]
        self.edges = [Process(serve, dsn, data_dir, settings) for _ in range(edges)]
        self.processes = [*self.edges, *projectors]
        self.targets: list[str] = []

    def _begin(self) -> None:
        """Makes the first certificates and registers both provinces."""
        open_authority(self.certificates_dir)
        issue_server(self.certificates_dir)
        with contextlib.closing(AggregateStore(self.dsn)) as store:
            for urn, (province, feeds) in FEEDS.items():
                register_participant(store, urn, province, urn, feeds, datetime.now(UTC), every_role())

    @functools.cached_property
    def store(self) -> AggregateStore:
        """What registers for the tests, open as long as the hub is: to open one takes longer than most of what is saved."""
        return AggregateStore(self.dsn)

    @property
    def projector(self) -> Process:
        """The process that folds the views, where that is one of its own."""
        assert len(self.processes) > len(self.edges)
        return self.processes[-1]

    def start(self) -> None:
        """Starts every process and waits until each edge answers: until then the views have still to fold what the hub itself recorded."""
        for process in self.processes:
            process.launch()
        ready = [process.ready() for process in self.processes]
        self.targets = [line.split()[-1] for line in ready[: len(self.edges)]]
        for edge in range(len(self.edges)):
            self._wait_serving(edge)

    def _wait_serving(self, edge: int) -> None:
        with self.channel(SICHUAN, edge) as channel:
            watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=START_S)
            for answer in watched:
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    watched.cancel()
                    return

    def stop(self) -> None:
        """Stops every process."""
        if "store" in self.__dict__:
            self.store.close()
            del self.store
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired, AssertionError):
                process.stop()
            process.kill()

    def certificate(self, urn: str) -> CertificateFiles:
        """A participant's certificate."""
        return issue_participant(self.certificates_dir, urn)

    def channel(self, urn: str, edge: int = 0) -> grpc.Channel:
        """A channel of a participant's to one edge."""
        return self.certificate(urn).channel(self.targets[edge])


@contextlib.contextmanager
def running_hub(
    dsn: str,
    data_dir: Path,
    edges: int = 1,
    settings: Mapping[str, str] | None = None,
    *,
    apart: bool = False,
    begun: bool = False,
) -> Iterator[RunningHub]:
    """A started hub, stopped at the end; *settings* are further variables of its environment."""
    hub = RunningHub(dsn, data_dir, edges, settings, apart=apart, begun=begun)
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()


class BegunHub(Protocol):
    """What runs hubs that have begun: a hub's files are below a directory."""

    def __call__(
        self, data_dir: Path, settings: Mapping[str, str] | None = None, *, apart: bool = False
    ) -> contextlib.AbstractContextManager[RunningHub]:
        """Runs one; arguments are those of `running_hub`."""
