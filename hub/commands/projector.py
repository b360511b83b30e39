"""What `hub project` does with its database: folds the journal into the views until a signal comes."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial

import psycopg
import typer

from hub.api.process_tuning import tune_process
from hub.audit.requests import runner as auditing
from hub.config import PROJECTOR_METRICS_LISTEN, Config
from hub.domain.errors import HubError
from hub.findings import runner as finding
from hub.journal.sessions import session
from hub.monitoring.observability import observed
from hub.processes import runner as process_runner
from hub.projections import PROJECTIONS, other_views, runner
from hub.projections.engine import create_views
from hub.reconciliation import runner as settling
from hub.tlog import runner as sealing
from hub.tlog.runner import LogSettings


def run(config: Config, dsn: str) -> None:
    """Folds, runs the hub's own processes, carries out audits, cuts windows and seals the log meanwhile."""
    stop, moved = threading.Event(), threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    with session(dsn, None, "hub-server") as connection:
        refuse_standby(connection)
    make_views(dsn)
    with (
        _others(config, dsn) as others,
        _works(config, dsn, stop, moved),
        _log_site(config, dsn) as log_site,
        observed(config, dsn, "hub project", PROJECTOR_METRICS_LISTEN) as metrics,
    ):
        typer.echo("projecting")
        report_metrics(metrics)
        if log_site:
            typer.echo(f"log on {log_site}")
        tune_process()
        runner.run(dsn, stop, others, moved)


class DatabaseReadsOnly(HubError):
    """数据库是备库，只读 the database is a standby and only reads: use --read-only, or name all servers in HUB_DSN (docs/standby.md)"""


def refuse_standby(connection: psycopg.Connection) -> None:
    """Raises DatabaseReadsOnly."""
    row = connection.execute("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'").fetchone()
    if row is not None and row[0]:
        raise DatabaseReadsOnly


def make_views(dsn: str) -> None:
    """Makes the views that are not there."""
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)


@contextlib.contextmanager
def _beside(run: Callable[[str, threading.Event], None], dsn: str, name: str, stop: threading.Event) -> Iterator[None]:
    """Runs what works until *stop* is set in a thread meanwhile, and sets it: all that have it come to their end together."""
    thread = threading.Thread(target=run, args=(dsn, stop), name=name)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def projections(config: Config, dsn: str) -> Iterator[None]:
    """Folds, runs the hub's own processes, carries out audits, cuts windows and seals the log, meanwhile; begun before gRPC is at work."""
    stop, moved = threading.Event(), threading.Event()
    with (
        _others(config, dsn) as others,
        _beside(partial(runner.run, beside=others, moved=moved), dsn, "projections", stop),
        _works(config, dsn, stop, moved),
        _log_site(config, dsn),
    ):
        yield


def _others(config: Config, dsn: str) -> contextlib.AbstractContextManager[runner.Beside]:
    # Not by whether this process keeps traces by now: it may begin with that later than with the views.
    return other_views.prepared(dsn, traced=config.telemetry)


@contextlib.contextmanager
def _works(config: Config, dsn: str, stop: threading.Event, moved: threading.Event) -> Iterator[None]:
    """Runs what follows the journal beside the views, which say by *moved* when they have moved."""
    settings = LogSettings(config.keys_dir, config.log_name)
    with (
        _beside(partial(process_runner.run, moved=moved), dsn, "processes", stop),
        _beside(partial(auditing.run, config=config), dsn, "audits", stop),
        _beside(settling.run, dsn, "settlement", stop),
        _beside(finding.run, dsn, "findings", stop),
        _beside(partial(sealing.run, settings=settings), dsn, "sealer", stop),
        witnessing(config, dsn),
    ):
        try:
            yield
        finally:
            stop.set()
            moved.set()


def witnessing(config: Config, dsn: str) -> contextlib.AbstractContextManager[None]:
    """Has the witnesses of the policy cosign the log meanwhile, where there is a policy."""
    if config.log_policy is None:
        return contextlib.nullcontext()
    # A hub without witnesses starts without what calls them.
    from hub.tlog import witness_runner

    settings = LogSettings(config.keys_dir, config.log_name)
    return _beside(partial(witness_runner.run, settings=settings, path=config.log_policy), dsn, "witnessing", threading.Event())


def _log_site(config: Config, dsn: str) -> contextlib.AbstractContextManager[str]:
    if not config.log_listen:
        return contextlib.nullcontext("")
    # A hub that has no site starts without a web server.
    from hub.tlog.site import serving

    return serving(dsn, config.log_listen)


def report_metrics(metrics: str) -> None:
    """Says where the process's numbers are read, if anywhere."""
    if metrics:
        typer.echo(f"metrics on {metrics}")
