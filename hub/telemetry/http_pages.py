"""What the page for machines shows, and the server that shows it: a module of its own, since to load it takes a tenth of a start."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import uvicorn
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, make_asgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from hub.telemetry.instruments import Counter, Gauge, Histogram, Instrument, all_instruments, prometheus_name

if TYPE_CHECKING:
    from hub.telemetry.http_endpoint import Liveness, Readiness


class Instruments(Collector):
    """All instruments, as Prometheus reads them."""

    def collect(self) -> Iterable[Metric]:
        """Makes a family of each instrument that has points."""
        return [family for instrument in all_instruments() if (family := _family(instrument)).samples]


def server_of(ready: "Readiness", is_live: "Liveness") -> uvicorn.Server:
    """Makes the server of the pages."""
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
    return uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_config=None, log_level="warning", access_log=False, lifespan="off"))


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
