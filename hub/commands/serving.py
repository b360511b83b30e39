"""The commands `hub serve` and `hub project`: the processes that run for long."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

import typer

from hub.admin.registry import load_agreements
from hub.api.edge.listeners import Listener, listening
from hub.api.edge.readiness import Limits
from hub.api.process_tuning import tune_process
from hub.api.server import HubServer, ServerSettings
from hub.commands.address import checked_address
from hub.commands.database import database
from hub.config import METRICS_LISTEN, PROJECTOR_METRICS_LISTEN, Config
from hub.domain.errors import HubError
from hub.domain.quota import Quota
from hub.journal.logins import edge_login, may_fold
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.monitoring.observability import observed
from hub.processes import runner as process_runner
from hub.projections import PROJECTIONS, other_views, runner
from hub.projections.engine import create_views
from hub.telemetry.logs import set_up_logs
from hub.telemetry.native_stderr import log_native_lines
from hub.trust.authority import LOCAL_HOSTS, issue_operator, issue_server
from hub.trust.keyring import open_keyring


def serve(
    listen: Annotated[str, typer.Option(help="监听地址。Address to listen on.", callback=checked_address)] = "",
    host: Annotated[
        list[str] | None, typer.Option(help="证书中的主机名或地址，可重复。Host name or address in the certificate, may be repeated.")
    ] = None,
    project: Annotated[bool, typer.Option("--project", help="同时运行投影。Run the projections beside it.")] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="只读：只提供名单与订阅，可连备库。Only hotlists and subscriptions, from a standby too.")
    ] = False,
) -> None:
    """启动 gRPC 服务（双向 TLS）。Serve gRPC over mutual TLS."""
    if project and read_only:
        raise typer.BadParameter("--project 与 --read-only 不能并用 does not go with --read-only")
    config = Config()
    log_native_lines()
    set_up_logs("hub serve", config.logs_dir, config.log_keep_days, config.log_max_bytes)
    with database(config, makes=not read_only, waits=True) as dsn:
        if not read_only:
            _prepare(dsn, makes_views=project)
        settings = _settings(config, dsn if config.dsn else edge_login(dsn), listen or config.listen, host or (), reads_only=read_only)
        with _projections(dsn) if project else contextlib.nullcontext():
            asyncio.run(_serve(config, settings))


def _settings(config: Config, edge_dsn: str, listen: str, hosts: Sequence[str], *, reads_only: bool) -> ServerSettings:
    """Returns what the server needs, with certificates for itself and for the operators of this machine."""
    server = issue_server(config.certificates_dir, (*LOCAL_HOSTS, *hosts))
    issue_operator(config.certificates_dir)
    return ServerSettings(
        edge_dsn,
        listen,
        server,
        open_keyring(config.keys_dir),
        Quota(**config.quota),
        limits=Limits(config.max_lag_s, config.max_clock_drift_s),
        close_refused_after_s=config.close_refused_after_s,
        first_message_s=config.first_message_s,
        reads_only=reads_only,
    )


async def _serve(config: Config, settings: ServerSettings) -> None:
    """Serves until a signal comes, and ends calls at once with the second one."""
    stopped, forced = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (forced if stopped.is_set() else stopped).set()

    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, signalled)
    server = HubServer(settings)
    with observed(config, settings.dsn, "hub serve", METRICS_LISTEN, server.report, server.is_live) as metrics:
        await server.start()
        tune_process()
        address = f"{settings.listen.rpartition(':')[0]}:{server.port}"
        with listening(config.data_dir, Listener(address, urlsplit(metrics).netloc)):
            typer.echo(f"listening on {address}")
            _report_metrics(metrics)
            await stopped.wait()
        typer.echo("stopping: 收尾后退出 draining")
        await server.stop(forced)


class DatabaseReadsOnly(HubError):
    """数据库是备库，只读 the database is a standby and only reads: use --read-only, or name all servers in HUB_DSN (docs/standby.md)"""


def _prepare(dsn: str, *, makes_views: bool) -> None:
    """Puts in what each start looks after."""
    _refuse_standby(dsn)
    store = AggregateStore(dsn)
    load_agreements(store, datetime.now(UTC))
    store.close()
    # On a server of its own an edge logs in as what may not write views: there the projector makes them.
    if makes_views or _may_fold(dsn):
        _make_views(dsn)


def _refuse_standby(dsn: str) -> None:
    with session(dsn, None, "hub-server") as connection:
        row = connection.execute("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'").fetchone()
    if row is not None and row[0]:
        raise DatabaseReadsOnly


@contextlib.contextmanager
def _beside(run: Callable[[str, threading.Event], None], dsn: str, name: str) -> Iterator[None]:
    """Runs what works until it is stopped in a thread meanwhile."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(dsn, stop), name=name)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def _projections(dsn: str) -> Iterator[None]:
    with _beside(_project, dsn, "projections"), _processes(dsn):
        yield


def _project(dsn: str, stop: threading.Event) -> None:
    runner.run(dsn, stop, other_views.folding)


def _processes(dsn: str) -> contextlib.AbstractContextManager[None]:
    return _beside(process_runner.run, dsn, "processes")


def project() -> None:
    """运行投影：把日志折叠成视图。Fold the journal into the views until stopped."""
    config = Config()
    set_up_logs("hub project", config.logs_dir, config.log_keep_days, config.log_max_bytes)
    stop = threading.Event()
    with database(config, makes=True, waits=True) as dsn:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stop.set())
        _refuse_standby(dsn)
        _make_views(dsn)
        with _processes(dsn), observed(config, dsn, "hub project", PROJECTOR_METRICS_LISTEN) as metrics:
            typer.echo("projecting")
            _report_metrics(metrics)
            tune_process()
            _project(dsn, stop)


def _may_fold(dsn: str) -> bool:
    with session(dsn, None, "hub-server") as connection:
        return may_fold(connection)


def _make_views(dsn: str) -> None:
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)


def _report_metrics(metrics: str) -> None:
    if metrics:
        typer.echo(f"metrics on {metrics}")
