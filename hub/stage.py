"""The whole main job in processes: a hub, both provinces' adapters, their simulated traffic; for the demo and for the fault campaign.

Adapters and simulator are commands of their own here as everywhere: the hub starts them and never imports them.
"""

import contextlib
import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub.admin.registry import register_participant
from hub.child import START_S, Forked, forks_of
from hub.domain.participant import PREFIX
from hub.domain.roles import every_role
from hub.journal.recorder import AggregateStore
from hub.trust.authority import CertificateFiles, issue_participant

PARTICIPANTS = {
    "sc.card-center": ("51", "四川省社保卡平台 Sichuan card centre", ["sc.card-center", "sc.usage"]),
    "cq.card-center": ("50", "重庆市社保卡平台 Chongqing card centre", ["cq.card-center", "cq.usage"]),
}
# The card centre of each province, by its number.
CARD_CENTRES = {province: name for name, (province, *_) in PARTICIPANTS.items()}
ADAPTERS = {"sichuan": CARD_CENTRES["51"], "chongqing": CARD_CENTRES["50"]}
# Its processes are forks of one that has imported what they need, which takes most of the time that a short command has: gRPC first for the
# hub, which counts the lines of its core. What else a command needs it imports itself.
_forks = forks_of("hub.preloaded", "hub.audit.requests.desk", "adapters.cli")
# An edge answers what is under way and writes what waits before it ends.
STOP_S = 45.0


class ChildDied(RuntimeError):
    """A process ended by itself; its log says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a child was started as, to be started so again."""

    module: str
    arguments: tuple[str, ...]
    settings: Mapping[str, str]


class Stage:
    """The processes: started in order, watched, stopped in reverse."""

    def __init__(self, data_dir: Path, dsn: str, settings: Mapping[str, str]) -> None:
        """Logs go to data_dir/logs; *settings* are further variables of every child's environment."""
        self.logs = data_dir / "logs"
        self.logs.mkdir(parents=True)
        self._environment = {**os.environ, "HUB_DSN": dsn, "HUB_DATA_DIR": str(data_dir), **settings}
        self._children: dict[str, Forked] = {}
        self._commands: dict[str, Command] = {}

    def start(self, name: str, module: str, *arguments: str, **settings: str) -> Forked:
        """Starts one, with further settings."""
        self._commands[name] = Command(module, arguments, settings)
        child = Forked(_forks, module, arguments, {**self._environment, **settings}, self.logs / f"{name}.log")
        self._children[name] = child
        return child

    def start_again(self, name: str) -> None:
        """Starts one that has ended as it was started before."""
        command = self._commands[name]
        self.start(name, command.module, *command.arguments, **command.settings)

    def run(self, module: str, *arguments: str) -> str:
        """Runs a command to its end and returns what it printed; raises ChildDied."""
        log = self.logs / "commands.log"
        said_before = log.stat().st_size if log.exists() else 0
        child = Forked(_forks, module, arguments, self._environment, log)
        printed = child.last_words()
        if child.poll():
            said = log.read_bytes()[said_before:].decode(errors="replace")
            raise ChildDied(f"{arguments[0]} ended with {child.poll()}: {said[-1000:]}")
        return printed

    def end(self, name: str, number: signal.Signals) -> None:
        """Sends one a signal that ends it, and waits until it has ended; raises subprocess.TimeoutExpired."""
        child = self._children[name]
        child.send_signal(number)
        child.last_words(STOP_S)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends one a signal."""
        self._children[name].send_signal(number)

    def first_line(self, name: str) -> str:
        """Waits for a child's first line of output."""
        line = self._children[name].first_line()
        if not line:
            raise ChildDied(f"{name} did not start; see {self.logs / name}.log")
        return line

    def watch(self) -> None:
        """Raises ChildDied if one has ended that should run."""
        for name, child in self._children.items():
            if name != "simulator" and child.poll() is not None:
                raise ChildDied(f"{name} ended with {child.poll()}; see {self.logs / name}.log")

    def await_answer(self, url: str) -> None:
        """Waits until an adapter answers; raises ChildDied."""
        deadline = time.monotonic() + START_S
        while not status(url):
            self.watch()
            if time.monotonic() > deadline:
                raise ChildDied(f"an adapter does not answer; see {self.logs}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stops all, last started first."""
        for child in reversed(self._children.values()):
            child.stop()

    def kill(self) -> None:
        """Ends all at once, without a word; `stop` reaps them."""
        for child in self._children.values():
            child.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def staged(data_dir: Path, dsn: str, settings: Mapping[str, str]) -> Iterator[Stage]:
    """Yields a stage and stops all that was started on it."""
    stage = Stage(data_dir, dsn, settings)
    try:
        yield stage
    finally:
        stage.stop()


def register(dsn: str, data_dir: Path) -> dict[str, CertificateFiles]:
    """Registers both provinces and returns their certificates by name."""
    store = AggregateStore(dsn)
    for name, (province, title, feeds) in PARTICIPANTS.items():
        register_participant(store, f"{PREFIX}{name}", province, title, feeds, datetime.now(UTC), every_role())
    store.close()
    return {name: issue_participant(data_dir / "certificates", f"{PREFIX}{name}") for name in PARTICIPANTS}


def start_adapters(
    stage: Stage, data_dir: Path, targets: Sequence[str], certificates: Mapping[str, CertificateFiles], *further: str
) -> dict[str, str]:
    """Starts both adapters on the hub's *targets* and returns their addresses once they answer; the province's keys are there already."""
    urls = {}
    for province, name in ADAPTERS.items():
        files, port, home = certificates[name], free_port(), data_dir / province
        folders = ["--inbox", str(home / "inbox"), "--ack-dir", str(home / "ack")] if province == "chongqing" else []
        stage.start(
            province, "adapters.cli", province,
            "--ca", str(files.authority), "--cert", str(files.certificate), "--key", str(files.key),
            *(word for target in targets for word in ("--hub", target)),
            "--listen", f"127.0.0.1:{port}", "--data-dir", str(home), *folders, *further,
        )  # fmt: skip
        urls[province] = f"http://127.0.0.1:{port}"
    for url in urls.values():
        stage.await_answer(url)
    return urls


def start_simulator(stage: Stage, data_dir: Path, urls: Mapping[str, str], seed: int, events: int, *further: str) -> Forked:
    """Starts seeded traffic of both provinces to their adapters, *events* 0 without end."""
    return stage.start(
        "simulator", "adapters.cli", "simulate", "--json", "--seed", str(seed), "--events", str(events),
        "--sichuan", urls["sichuan"], "--chongqing", urls["chongqing"], "--inbox", str(data_dir / "chongqing/inbox"),
        "--sichuan-keys", str(data_dir / "sichuan/keys"),
        "--chongqing-secret", str(data_dir / "chongqing/keys/card-service.secret"), *further,
    )  # fmt: skip


def status(url: str) -> dict[str, Any]:
    """Returns an adapter's status, nothing while it does not answer."""
    # Without proxies, whatever the environment names: the adapter is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/status", timeout=5) as response:
            return dict(json.load(response))
    except OSError:
        return {}


def free_port() -> int:
    """Returns a port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
