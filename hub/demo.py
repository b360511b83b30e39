"""The main job, live: a hub, its projections, both provinces' adapters and their simulated native traffic, and questions both ways.

Everything runs in processes of its own on a fresh embedded database in data/demo, and is stopped in the end, however it ends.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.live import Live

from adapters.simulator.events import local_start
from adapters.simulator.province import make_province_keys
from hub.api.certificates import CertificateFiles, issue_participant
from hub.api.registry import register_participant
from hub.audit.fsck import check
from hub.config import Config
from hub.demo_questions import Questions
from hub.demo_screen import Picture, announce, draw, farewell, left_behind, suggest
from hub.domain.participant import PREFIX
from hub.embedded import discard, running
from hub.journal.migrate import migrate
from hub.journal.recorder import AggregateStore
from hub.projections import PROJECTIONS

PARTICIPANTS = {
    "sc.card-center": ("51", "四川省社保卡平台 Sichuan card centre", ["sc.card-center", "sc.usage"]),
    "cq.card-center": ("50", "重庆市社保卡平台 Chongqing card centre", ["cq.card-center", "cq.usage"]),
}
START_S, SETTLE_S = 40.0, 60.0
# In a demonstration one looks closer: a tenth of the calls is kept.
TRACE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """*events* 0 means without end; with *leave* it ends when the traffic does."""

    config: Config
    events: int
    rate: int
    leave: bool
    as_json: bool
    seed: int


# Children write to pipes and files of ours, whatever the terminal's encoding.
PIPED = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


class ChildDied(RuntimeError):
    """A process of the demo ended by itself; its log says why."""


class Stage:
    """The processes of the demo: started in order, watched, stopped in reverse."""

    def __init__(self, data_dir: Path, dsn: str) -> None:
        """Logs go to data_dir/logs."""
        self.logs = data_dir / "logs"
        self.logs.mkdir(parents=True)
        # The hub takes the adapters' spans into its own store, as a collector would.
        self.traces = f"127.0.0.1:{_free_port()}"
        telemetry = {"HUB_METRICS_LISTEN": "", "HUB_TRACES_LISTEN": self.traces, "HUB_TRACE_SHARE": str(TRACE_SHARE)}
        self._environment = {**os.environ, "HUB_DSN": dsn, "HUB_DATA_DIR": str(data_dir), **PIPED, **telemetry}
        self._children: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str, module: str, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Starts one, with further settings; its own session keeps the terminal's Ctrl-C from it, so that the order of stopping is ours."""
        with (self.logs / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-c", f"from {module} import main; main()", *arguments],
                env={**self._environment, **settings},
                encoding="utf-8",
                errors="replace",
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._children[name] = child
        return child

    def first_line(self, name: str) -> str:
        """Waits for a child's first line of output."""
        output = self._children[name].stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], START_S)
        line = output.readline().strip() if ready else ""
        if not line:
            raise ChildDied(f"{name} did not start; see {self.logs / name}.log")
        return line

    def watch(self) -> None:
        """Raises ChildDied if one has ended that should run."""
        for name, child in self._children.items():
            if name != "simulator" and child.poll() is not None:
                raise ChildDied(f"{name} ended with {child.returncode}; see {self.logs / name}.log")

    def stop(self) -> None:
        """Stops all, last started first."""
        for name, child in reversed(self._children.items()):
            if child.poll() is None:
                child.terminate()
            try:
                child.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
            del name


def run_demo(settings: DemoSettings) -> int:
    """Runs it and returns the exit code: 0 only if all that must hold holds."""
    data_dir = settings.config.data_dir.resolve() / "demo"
    screen = Console(stderr=settings.as_json)
    stopped = False

    def stop(*_: Any) -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            # At once, whatever the screen is at: what follows takes seconds.
            os.write(sys.stderr.fileno(), "\n停止中 stopping …\n".encode(sys.stderr.encoding, "replace"))

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    discard(data_dir)
    _remove(data_dir)
    data_dir.mkdir(parents=True)
    screen.print("启动内置数据库、枢纽、投影与两省适配器 … starting database, hub, projections and both adapters", soft_wrap=True)
    started = time.monotonic()
    try:
        with running(data_dir) as dsn:
            migrate(dsn)
            result = _perform(settings, data_dir, dsn, screen, lambda: stopped)
    except ChildDied as death:
        screen.print(f"✗ {death}")
        left_behind(screen, str(data_dir))
        return 1
    finally:
        discard(data_dir)
    result["seconds"] = round(time.monotonic() - started, 1)
    is_sound = bool(result.pop("is_sound"))
    if settings.as_json:
        left_behind(screen, str(data_dir))
        print(json.dumps(result, ensure_ascii=False), flush=True)  # noqa: T201 (the answer of the command)
    else:
        farewell(screen, result, is_sound)
        left_behind(screen, str(data_dir))
    return 0 if is_sound else 1


def _remove(data_dir: Path) -> None:
    import shutil

    shutil.rmtree(data_dir, ignore_errors=True)


def _perform(settings: DemoSettings, data_dir: Path, dsn: str, screen: Console, is_stopped: Any) -> dict[str, Any]:
    with _stage(data_dir, dsn) as stage:
        certificates = _register(dsn, data_dir)
        metrics = f"127.0.0.1:{_free_port()}"
        stage.start("hub", "hub.cli", "serve", "--listen", "127.0.0.1:0", HUB_METRICS_LISTEN=metrics)
        target = stage.first_line("hub").split()[-1]
        stage.start("projections", "hub.cli", "project")
        stage.first_line("projections")
        urls = _start_adapters(stage, data_dir, target, certificates)
        begin = datetime.now(UTC) - timedelta(hours=25)
        simulator = _start_simulator(stage, settings, data_dir, urls, begin)
        with Questions(target, certificates, settings.seed, begin, settings.events) as questions:
            picture = Picture(target, f"http://{metrics}/metrics", str(data_dir))
            tally = _watch(stage, settings, dsn, urls, simulator, questions, screen, picture, is_stopped)
        screen.print("等待视图跟上，核对日志与视图 … waiting for the views, checking journal and views", soft_wrap=True)
        _settle(dsn, urls)
        return _result(dsn, urls, tally, questions.outcomes)


@contextlib.contextmanager
def _stage(data_dir: Path, dsn: str) -> Iterator[Stage]:
    stage = Stage(data_dir, dsn)
    try:
        yield stage
    finally:
        stage.stop()


def _register(dsn: str, data_dir: Path) -> dict[str, CertificateFiles]:
    store = AggregateStore(dsn)
    for name, (province, title, feeds) in PARTICIPANTS.items():
        register_participant(store, f"{PREFIX}{name}", province, title, feeds, datetime.now(UTC))
    store.close()
    return {name: issue_participant(data_dir / "certificates", f"{PREFIX}{name}") for name in PARTICIPANTS}


def _start_adapters(stage: Stage, data_dir: Path, target: str, certificates: dict[str, CertificateFiles]) -> dict[str, str]:
    """Starts both adapters and returns their addresses once they answer."""
    # The simulator plays the province, whose public key the Sichuan adapter asks for.
    make_province_keys(data_dir / "sichuan/keys")
    urls = {}
    for province, name, further in (
        ("sichuan", "sc.card-center", []),
        ("chongqing", "cq.card-center", ["--inbox", str(data_dir / "chongqing/inbox"), "--ack-dir", str(data_dir / "chongqing/ack")]),
    ):
        files, port = certificates[name], _free_port()
        stage.start(
            province,
            "adapters.cli",
            province,
            "--ca",
            str(files.authority),
            "--cert",
            str(files.certificate),
            "--key",
            str(files.key),
            "--hub",
            target,
            "--listen",
            f"127.0.0.1:{port}",
            "--otlp-endpoint",
            f"http://{stage.traces}",
            "--trace-ratio",
            str(TRACE_SHARE),
            "--data-dir",
            str(data_dir / province),
            *further,
        )
        urls[province] = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        stage.watch()
        if all(_status(url) for url in urls.values()):
            return urls
        time.sleep(0.1)
    raise ChildDied(f"an adapter does not answer; see {stage.logs}")


def _start_simulator(stage: Stage, settings: DemoSettings, data_dir: Path, urls: dict[str, str], begin: datetime) -> subprocess.Popen[str]:
    return stage.start(
        "simulator",
        "adapters.cli",
        "simulate",
        "--json",
        "--seed",
        str(settings.seed),
        "--events",
        str(settings.events),
        "--rate",
        str(settings.rate),
        "--sichuan",
        urls["sichuan"],
        "--chongqing",
        urls["chongqing"],
        "--inbox",
        str(data_dir / "chongqing/inbox"),
        "--sichuan-keys",
        str(data_dir / "sichuan/keys"),
        "--chongqing-secret",
        str(data_dir / "chongqing/keys/card-service.secret"),
        "--start",
        local_start(begin).strftime("%Y-%m-%dT%H:%M:%S"),
    )


def _watch(
    stage: Stage,
    settings: DemoSettings,
    dsn: str,
    urls: dict[str, str],
    simulator: subprocess.Popen[str],
    questions: Questions,
    screen: Console,
    picture: Picture,
    is_stopped: Any,
) -> dict[str, Any]:
    """Shows the running picture until the traffic ends or someone stops it, and returns the simulator's tally.

    In a file a picture that changes would only be in the way: there the addresses stand once, at the beginning.
    """
    announce(screen, picture)
    suggested = ""
    live = Live(console=screen, refresh_per_second=4, transient=False) if screen.is_terminal else None
    with live or contextlib.nullcontext(), psycopg.connect(dsn, autocommit=True) as connection:
        while not is_stopped():
            stage.watch()
            if simulator.poll() is not None and settings.leave:
                break
            if questions.suggestion and not suggested:
                suggested = questions.suggestion
                suggest(screen, picture, suggested)
            picture.update({name: _status(url) for name, url in urls.items()}, _positions(connection), questions)
            if live:
                live.update(draw(picture))
            time.sleep(0.25)
    if simulator.poll() is None:
        simulator.terminate()
    output, _ = simulator.communicate(timeout=SETTLE_S)
    try:
        return dict(json.loads(output.strip().splitlines()[-1]))
    except (IndexError, json.JSONDecodeError):
        raise ChildDied(f"simulator gave no tally; see {stage.logs / 'simulator.log'}") from None


def _positions(connection: psycopg.Connection) -> tuple[int, int]:
    """Returns the head's position and that of the view furthest behind."""
    row = connection.execute(
        "SELECT (SELECT position FROM journal.head), (SELECT min(position) FROM views.checkpoint WHERE view = ANY (%s))",
        ([projection.name for projection in PROJECTIONS],),
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1] or 0)


def _status(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"{url}/status", timeout=5) as response:  # noqa: S310 (our own loopback address)
            return dict(json.load(response))
    except OSError:
        return {}


def _settle(dsn: str, urls: dict[str, str]) -> None:
    """Waits until nothing is pending in the adapters and the views have caught up."""
    deadline = time.monotonic() + SETTLE_S
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < deadline:
            pending = sum(feed["pending"] for url in urls.values() for feed in _status(url).get("feeds", {}).values())
            head, behind = _positions(connection)
            if not pending and head == behind:
                return
            time.sleep(0.1)


def _result(dsn: str, urls: dict[str, str], tally: dict[str, Any], checks: Counter[str]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for url in urls.values():
        for feed in _status(url).get("feeds", {}).values():
            counts.update({name: int(feed[name]) for name in ("sent", "recorded", "quarantined", "duplicates")})
    findings = check(dsn)
    recorded = counts["recorded"] + counts["quarantined"]
    is_sound = (
        findings.is_clean
        and recorded + counts["duplicates"] == counts["sent"]
        and not tally.get("surprises")
        and bool(tally.get("settled"))
    )
    return {
        "sent": counts["sent"],
        "recorded": recorded,
        "quarantined": counts["quarantined"],
        "duplicates": counts["duplicates"],
        "refused": sum(tally.get("refused", {}).values()),
        "holes": findings.holes,
        "views_equal": all(findings.views.values()),
        "checks": dict(checks),
        "problems": findings.problems,
        "events_in_journal": asdict(findings)["events"],
        "surprises": tally.get("surprises", []),
        "is_sound": is_sound,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
