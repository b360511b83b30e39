"""The page for machines that watch: /metrics for Prometheus, /livez and /readyz for what starts processes and routes calls.

It runs in a thread with an event loop of its own, so that a slow scrape is nobody else's business, and it has no secrets: it still
belongs on an address that only operators reach.
"""

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

import uvicorn
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, make_asgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from hub.telemetry.instruments import Counter, Gauge, Histogram, Instrument, all_instruments, prometheus_name

log = logging.getLogger(__name__)

# Says for each service why it is not ready, "" if it is.
Readiness = Callable[[], Mapping[str, str]]
# Says whether the process gets on at all: one that does not should be started again.
Liveness = Callable[[], bool]


class Instruments(Collector):
    """All instruments, as Prometheus reads them."""

    def collect(self) -> Iterable[Metric]:
        """Makes a family of each instrument that has points."""
        return [family for instrument in all_instruments() if (family := _family(instrument)).samples]


class Endpoint:
    """The page's server and its thread."""

    def __init__(self, listen: str, ready: Readiness, is_live: Liveness = lambda: True) -> None:
        """Listens at once on host:port (port 0 for a free one); raises OSError when the address is taken."""
        registry = CollectorRegistry()
        for collector in (Instruments(), ProcessCollector(registry=None), GCCollector(registry=CollectorRegistry())):
            registry.register(collector)

        async def live(_: Request) -> JSONResponse:
            live = is_live()
            return JSONResponse({"live": live}, 200 if live else 503)

        async def readiness(_: Request) -> JSONResponse:
            services = dict(ready())
            return JSONResponse({"ready": not any(services.values()), "services": services}, 503 if any(services.values()) else 200)

        routes = [Route("/livez", live), Route("/readyz", readiness), Mount("/", make_asgi_app(registry))]
        host, _, port = listen.rpartition(":")
        self._socket = socket.create_server((host.strip("[]"), int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = int(self._socket.getsockname()[1])
        settings = uvicorn.Config(Starlette(routes=routes), log_config=None, log_level="warning", access_log=False, lifespan="off")
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="metrics-page", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the server."""
        self._server.should_exit = True
        self._thread.join(3.0)
        with suppress(OSError):
            self._socket.close()


def _family(instrument: Instrument) -> Metric:
    name, labels = prometheus_name(instrument), [label.replace(".", "_") for label in instrument.labels]
    if isinstance(instrument, Histogram):
        histogram = HistogramMetricFamily(name, instrument.description, labels=labels)
        for values, buckets in dict(instrument.values).items():
            counted, cumulated = 0, []
            for bound, count in zip((*map(str, instrument.bounds), "+Inf"), buckets.counts, strict=True):
                counted += count
                cumulated.append((bound, counted))
            histogram.add_metric(list(values), cumulated, buckets.total)
        return histogram
    if isinstance(instrument, Counter):
        counter = CounterMetricFamily(name, instrument.description, labels=labels)
        for values, value in dict(instrument.values).items():
            counter.add_metric(list(values), value)
        return counter
    assert isinstance(instrument, Gauge)
    gauge = GaugeMetricFamily(name, instrument.description, labels=labels)
    for values, value in list(instrument.points().items()):
        gauge.add_metric(list(values), value)
    return gauge


def open_endpoint(listen: str, ready: Readiness, is_live: Liveness) -> Endpoint | None:
    """Opens the page; where the address is taken the hub goes on without it, and says so."""
    try:
        return Endpoint(listen, ready, is_live)
    except OSError as failure:
        log.warning("telemetry: no metrics page on %s (%s); set HUB_METRICS_LISTEN to a free address", listen, failure.strerror)
        return None
