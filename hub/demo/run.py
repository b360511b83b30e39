"""The main job, live: a hub, its projections, both provinces' adapters and their simulated native traffic, and questions both ways.

Everything runs in processes of its own on a fresh embedded database in data/demo, and is stopped in the end, however it ends.
"""

import contextlib
import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.live import Live

from adapters.sichuan.keys import make_province_keys
from adapters.simulator.clock import business_day
from adapters.simulator.events import local_start
from hub.audit.fsck import Report, check
from hub.child import Forked
from hub.config import Config
from hub.demo.evidence import make_evidence
from hub.demo.funds import todays_batch
from hub.demo.program import Program
from hub.demo.proofs import show_receipts, sign_batches
from hub.demo.questions import Questions
from hub.demo.screen import Picture, announce, draw, farewell, left_behind, show_sealed
from hub.demo.stopping import ENDED_AT_ONCE, EndedAtOnce, Stopping
from hub.demo.witness import show_cosigned, start_witness
from hub.journal.logins import app_login, edge_login
from hub.journal.migrate import migrate
from hub.monitoring.vitals import LogVitals, read_log
from hub.postgres.server import discard, running
from hub.projections import DECIDED_BY, PROJECTIONS
from hub.stage import ChildDied, Stage, free_port, register, staged, start_adapters, start_simulator, status

SETTLE_S = 60.0
# In a demonstration one looks closer: a tenth of the calls is kept.
TRACE_SHARE = 0.1

# Opens the bars that show how far something is.
Progress = Callable[[], AbstractContextManager[Report]]


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """*events* 0 means without end; with *leave* it ends when the traffic does."""

    config: Config
    events: int
    rate: int
    leave: bool
    as_json: bool
    seed: int


def run_demo(settings: DemoSettings, progress: Progress) -> int:
    """Runs it and returns the exit code: 0 only if all that must hold holds."""
    data_dir = settings.config.data_dir.resolve() / "demo"
    screen = Console(stderr=settings.as_json)
    stopping = Stopping()
    stopping.listen()
    started = time.monotonic()
    try:
        discard(data_dir)
        _remove(data_dir)
        data_dir.mkdir(parents=True)
        screen.print("启动内置数据库、枢纽、投影与两省适配器 … starting database, hub, projections and both adapters", soft_wrap=True)
        # Nobody reads the database afterwards: it is ended without saving.
        with running(data_dir, discards=True) as owner:
            migrate(owner)
            result = _perform(settings, data_dir, app_login(owner), screen, progress, stopping)
    except ChildDied as death:
        screen.print(f"✗ {death}")
        left_behind(screen, str(data_dir))
        return 1
    except EndedAtOnce:
        left_behind(screen, str(data_dir))
        return ENDED_AT_ONCE
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


def _perform(settings: DemoSettings, data_dir: Path, dsn: str, screen: Console, progress: Progress, stopping: Stopping) -> dict[str, Any]:
    # The hub takes the adapters' spans into its own store, as a collector would.
    traces, metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    observed = {"HUB_METRICS_LISTEN": "", "HUB_TRACES_LISTEN": traces, "HUB_TRACE_SHARE": str(TRACE_SHARE)}
    with staged(data_dir, dsn, observed) as stage, stopping.on(stage):
        certificates = register(dsn, data_dir)
        stage.start("hub", "hub.cli", "serve", "--listen", "127.0.0.1:0", HUB_METRICS_LISTEN=metrics, HUB_DSN=edge_login(dsn))
        target = stage.first_line("hub").split()[-1]
        log_site = f"127.0.0.1:{free_port()}"
        witness = start_witness(stage, data_dir, log_site)
        stage.start("projections", "hub.cli", "project", HUB_LOG_LISTEN=log_site, HUB_LOG_POLICY=str(witness.policy))
        stage.first_line("projections")
        stage.start("console", "hub.cli", "console", "--listen", "127.0.0.1:0", "--demo")
        _, _, console, *links = stage.first_line("console").split()
        # The simulator plays the province, whose public key the Sichuan adapter asks for.
        make_province_keys(data_dir / "sichuan/keys")
        tracing = ("--otlp-endpoint", f"http://{traces}", "--trace-ratio", str(TRACE_SHARE))
        sign_batches(stage, dsn, data_dir)
        urls = start_adapters(stage, data_dir, [target], certificates, *tracing)
        begin = datetime.now(UTC) - timedelta(hours=25)
        simulator = _start_simulator(stage, settings, data_dir, urls, begin)
        with Questions(target, certificates, settings.seed, begin, settings.events) as questions:
            picture = Picture(target, f"http://{metrics}/metrics", str(data_dir), console, links, f"http://{log_site}/checkpoint")
            picture.day, picture.fund_batch = business_day(local_start(begin)).isoformat(), todays_batch(datetime.now(UTC))
            program = Program(stage, screen, picture, dsn, data_dir, certificates, questions)
            stopping.show_begins()
            tally = _watch(stage, settings, dsn, urls, simulator, program, screen, stopping)
        screen.print("等待视图跟上，核对日志与视图 … waiting for the views, checking journal and views", soft_wrap=True)
        with progress() as report:
            show_sealed(screen, _settle(dsn, urls, report))
            show_cosigned(screen, dsn)
            program.end()
            problems = program.problems + show_receipts(stage, screen, data_dir, f"http://{log_site}")
            problems += make_evidence(screen, dsn, data_dir, witness.policy)
            # What was made is recorded, too.
            _settle(dsn, urls, report)
            return _result(dsn, urls, tally, questions.outcomes, program, problems, report)


def _start_simulator(stage: Stage, settings: DemoSettings, data_dir: Path, urls: dict[str, str], begin: datetime) -> Forked:
    start = local_start(begin).strftime("%Y-%m-%dT%H:%M:%S")
    return start_simulator(stage, data_dir, urls, settings.seed, settings.events, "--rate", str(settings.rate), "--start", start)


def _watch(
    stage: Stage,
    settings: DemoSettings,
    dsn: str,
    urls: dict[str, str],
    simulator: Forked,
    program: Program,
    screen: Console,
    stopping: Stopping,
) -> dict[str, Any]:
    """Shows the running picture until the traffic ends or someone stops it, and returns the simulator's tally.

    Where it goes on after the traffic, what is shown at the end is shown as soon as the views have all of it, while it can be tried.
    In a file a picture that changes would only be in the way: there the addresses are printed once, at the beginning.
    """
    announce(screen, program.picture)
    arrived_at = 0
    live = Live(console=screen, refresh_per_second=4, transient=False) if screen.is_terminal else None
    with live or contextlib.nullcontext(), psycopg.connect(dsn, autocommit=True) as connection:
        while not stopping.is_asked:
            stage.watch()
            has_ended = simulator.poll() is not None
            if has_ended and settings.leave:
                break
            program.go_on()
            statuses, positions = {name: status(url) for name, url in urls.items()}, _positions(connection)
            program.picture.update(statuses, positions, program.questions)
            if live:
                live.update(draw(program.picture))
            if has_ended and not arrived_at and not _pending(statuses):
                arrived_at = positions[0]
            if arrived_at and positions[2] >= arrived_at and not program.has_ended:
                program.end()
                screen.print("流量已结束，枢纽仍在运行；Ctrl-C 结束 the traffic has ended, the hub goes on; Ctrl-C ends it", soft_wrap=True)
            time.sleep(0.25)
    simulator.send_signal(signal.SIGTERM)
    output = simulator.last_words(SETTLE_S)
    try:
        return dict(json.loads(output.strip().splitlines()[-1]))
    except (IndexError, json.JSONDecodeError):
        raise ChildDied(f"simulator gave no tally; see {stage.logs / 'simulator.log'}") from None


def _positions(connection: psycopg.Connection) -> tuple[int, int, int]:
    """Returns the head's position, that of the views that answers rest on, and that of the view furthest behind."""
    row = connection.execute(
        """SELECT (SELECT position FROM journal.head),
                  (SELECT min(position) FROM views.checkpoint WHERE view = ANY (%s)),
                  (SELECT min(position) FROM views.checkpoint WHERE view = ANY (%s))""",
        ([projection.name for projection in DECIDED_BY], [projection.name for projection in PROJECTIONS]),
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1] or 0), int(row[2] or 0)


def _pending(statuses: dict[str, dict[str, Any]]) -> int:
    """Returns how many events wait in the adapters."""
    return sum(int(feed["pending"]) for one in statuses.values() for feed in one.get("feeds", {}).values())


def _settle(dsn: str, urls: dict[str, str], report: Report) -> LogVitals:
    """Waits until nothing is pending in the adapters, the views have caught up and all is sealed; returns how far that is."""
    deadline = time.monotonic() + SETTLE_S
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < deadline:
            pending = _pending({name: status(url) for name, url in urls.items()})
            head, _, behind = _positions(connection)
            report("views", behind, head)
            if not pending and head == behind and not read_log(connection).unsealed_events:
                break
            time.sleep(0.1)
        return read_log(connection)


def _result(
    dsn: str,
    urls: dict[str, str],
    tally: dict[str, Any],
    checks: Counter[str],
    program: Program,
    problems: list[str],
    report: Report,
) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for url in urls.values():
        for feed in status(url).get("feeds", {}).values():
            counts.update({name: int(feed[name]) for name in ("sent", "recorded", "quarantined", "duplicates")})
    checked = check(dsn, report)
    recorded = counts["recorded"] + counts["quarantined"]
    is_sound = (
        checked.is_clean
        and not problems
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
        "holes": checked.holes,
        "views_equal": all(checked.views.values()),
        "checks": dict(checks),
        "small_participants": program.small.as_json(),
        "case": program.case.shown,
        "panels": program.panels,
        "problems": [*checked.problems, *problems],
        "events_in_journal": checked.events,
        "surprises": tally.get("surprises", []),
        "is_sound": is_sound,
    }
