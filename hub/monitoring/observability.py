"""Starts a process's traces, metrics, readings of the database and kept logs, as configured."""

import contextlib
from collections.abc import Iterator

from hub.admin.certificate_expiry import certificate_days
from hub.audit import verdicts
from hub.config import Config
from hub.monitoring.gauges import publishing
from hub.telemetry.http_endpoint import Liveness, Readiness
from hub.telemetry.setup import TelemetrySettings, store_in, telemetry


@contextlib.contextmanager
def observed(
    config: Config, dsn: str, service: str, metrics_listen: str, ready: Readiness | None = None, is_live: Liveness = lambda: True
) -> Iterator[str]:
    """Observes a process while it runs, and yields the address of its numbers, "" for none; with HUB_TELEMETRY=false it does nothing.

    *metrics_listen* is where its numbers are read unless the settings name a place. *ready* says why a service is not ready; without it
    a process is ready while the database can be read. *is_live* says whether it gets on at all.
    """
    if not config.telemetry:
        yield ""
        return
    listen = metrics_listen if config.metrics_listen is None else config.metrics_listen
    settings = TelemetrySettings(
        store_in(config.data_dir, config.trace_keep_hours, config.trace_max_bytes),
        config.otlp_endpoint,
        listen,
        config.traces_listen if service == "hub serve" else "",
        config.trace_share,
        config.trace_slow_ms,
    )
    with (
        publishing(
            dsn,
            config.data_dir / "postgres",
            lambda: certificate_days(dsn, config.certificates_dir),
            lambda: verdicts.last(config.data_dir),
        ) as publisher,
        telemetry(settings, service, ready or publisher.report, is_live) as page,
    ):
        yield "" if page is None else f"http://{listen.rpartition(':')[0]}:{page.port}/metrics"
