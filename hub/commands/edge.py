"""What `hub serve` does with its database: prepares it, and serves until a signal comes."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import typer

from hub.admin.registry import load_agreements
from hub.api.edge.listeners import Listener, listening
from hub.api.edge.readiness import Limits
from hub.api.process_tuning import tune_process
from hub.api.server import HubServer, ServerSettings
from hub.commands.projector import make_views, projections, refuse_standby, report_metrics
from hub.config import METRICS_LISTEN, Config
from hub.domain.quota import Quota
from hub.intake.rule_faults import validator
from hub.journal.logins import edge_login, may_fold
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.monitoring.observability import observed
from hub.trust.authority import LOCAL_HOSTS, issue_operator, issue_server
from hub.trust.keyring import open_keyring

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(config: Config, dsn: str, listen: str, hosts: Sequence[str], *, projects: bool, reads_only: bool) -> None:
    """Serves, and *projects* meanwhile, or *reads_only*."""
    if not reads_only:
        _prepare(dsn, makes_views=projects)
    settings = _settings(config, dsn if config.dsn else edge_login(dsn), listen, hosts, reads_only=reads_only)
    with projections(config, dsn) if projects else contextlib.nullcontext():
        asyncio.run(_serve(config, settings))
    # What is left is the end of the interpreter, which gives signals back their default.
    for name in _SIGNALS:
        signal.signal(name, signal.SIG_IGN)


def _settings(config: Config, edge_dsn: str, listen: str, hosts: Sequence[str], *, reads_only: bool) -> ServerSettings:
    """Returns what the server needs, with certificates for itself and for the operators of this machine."""
    server = issue_server(config.certificates_dir, (*LOCAL_HOSTS, *hosts))
    issue_operator(config.certificates_dir)
    return ServerSettings(
        edge_dsn,
        listen,
        server,
        open_keyring(config.keys_dir),
        config.keys_dir,
        config.log_name,
        Quota(**config.quota),
        limits=Limits(config.max_lag_s, config.max_clock_drift_s),
        close_refused_after_s=config.close_refused_after_s,
        first_message_s=config.first_message_s,
        reads_only=reads_only,
        data_dir=config.data_dir,
    )


async def _serve(config: Config, settings: ServerSettings) -> None:
    """Serves until a signal comes, and ends calls at once with the second one."""
    stopped, forced = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (forced if stopped.is_set() else stopped).set()

    _take_signals(asyncio.get_running_loop(), signalled)
    server = HubServer(settings)
    with observed(config, settings.dsn, "hub serve", METRICS_LISTEN, server.report, server.is_live) as metrics:
        await server.start()
        tune_process()
        address = f"{settings.listen.rpartition(':')[0]}:{server.port}"
        with listening(config.data_dir, Listener(address, urlsplit(metrics).netloc)):
            typer.echo(f"listening on {address}")
            report_metrics(metrics)
            # What only refusals need.
            await asyncio.to_thread(validator)
            await stopped.wait()
        typer.echo("stopping: 收尾后退出 draining")
        await server.stop(forced)


def _take_signals(loop: asyncio.AbstractEventLoop, signalled: Callable[[], None]) -> None:
    """Has signals noted as long as the process lives; a loop's own are gone before what is folded beside it has ended."""

    def take(*_: object) -> None:
        with contextlib.suppress(RuntimeError):
            # Raised by a loop that has ended: there is nothing left to ask for.
            loop.call_soon_threadsafe(signalled)

    for name in _SIGNALS:
        signal.signal(name, take)


def _prepare(dsn: str, *, makes_views: bool) -> None:
    """Puts in what each start looks after."""
    with session(dsn, None, "hub-server") as connection:
        refuse_standby(connection)
        # On a server of its own an edge logs in as what may not write views: there the projector makes them.
        makes_views = makes_views or may_fold(connection)
    with contextlib.closing(AggregateStore(dsn)) as store:
        load_agreements(store, datetime.now(UTC))
    if makes_views:
        make_views(dsn)
