"""The hub's numbers: one real scrape and one real push after traffic, and what each instrument promises."""

import contextlib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceServicer, add_MetricsServiceServicer_to_server
from prometheus_client.parser import text_string_to_metric_families

from hub.admin.registry import change_quota
from hub.journal.recorder import AggregateStore
from hub.telemetry import names
from hub.telemetry.http_endpoint import Endpoint
from hub.telemetry.instruments import Counter, Gauge, Histogram, all_instruments, prometheus_name
from hub.telemetry.otlp import TIMEOUT_S, MetricsPush
from tests.clients import Province, refused
from tests.hub_process import CHONGQING, SICHUAN, BegunHub, RunningHub
from tests.messages import journey, question, registered

OUTCOMES = ("recorded", "duplicate", "quarantined")
DOCS = Path(__file__).parents[2] / "docs"
Samples = dict[str, dict[frozenset[tuple[str, str]], float]]


def scrape(port: int, path: str = "/metrics") -> Samples:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        text = response.read().decode()
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    """The value of a point; 0 if there is none."""
    return samples.get(name, {}).get(frozenset(labels.items()), 0.0)


@pytest.fixture
def watched(begun_hub: BegunHub, tmp_path: Path) -> Iterator[tuple[RunningHub, int]]:
    """A hub and the port of its page."""
    with begun_hub(tmp_path, {"HUB_METRICS_LISTEN": "127.0.0.1:0"}) as hub:
        deadline, pages = time.monotonic() + 60, []
        while not pages and time.monotonic() < deadline:
            pages = [line for line in hub.edges[0].log.read_text().splitlines() if line.startswith("metrics on ")]
        yield hub, int(pages[0].rpartition(":")[2].removesuffix("/metrics"))


def test_a_scrape_tells_what_each_participant_and_feed_did_and_how_the_hub_is(watched: tuple[RunningHub, int]) -> None:
    hub, port = watched
    chongqing, sichuan = Province(hub, CHONGQING), Province(hub, SICHUAN)
    first, bad = registered("M00000001"), journey("M00000001", at_s=4_000_000_000)
    position = int(chongqing.append("cq.card-center", 1, first, bad).positions[0])
    chongqing.append("cq.card-center", 1, first, bad)
    refused(lambda: chongqing.append("cq.card-center", 9, journey("M00000001")))
    with contextlib.closing(AggregateStore(hub.dsn)) as store:
        change_quota(store, SICHUAN, {"events_per_s": 1}, datetime.now(UTC))
    trips = [journey("M00000002", "51") for _ in range(500)]
    sichuan.append("sc.usage", 1, *trips)
    refused(lambda: sichuan.append("sc.usage", 501, *trips))
    answer = sichuan.cards.CheckAcceptance(question("metric-1", "M00000001", "50", "TRA.MET", "510100", position), timeout=20)
    deadline = time.monotonic() + 60
    while value(samples := scrape(port), "hub_journal_position") < answer.position and time.monotonic() < deadline:
        time.sleep(0.2)

    cq = {"hub_participant": "cq.card-center", "hub_feed": "cq.card-center"}
    assert value(samples, "hub_feed_events_received_total", **cq) == 5
    answered = {outcome: value(samples, "hub_feed_events_answered_total", **cq, hub_outcome=outcome) for outcome in OUTCOMES}
    assert answered == {"recorded": 1, "duplicate": 2, "quarantined": 1}
    assert value(samples, "hub_feed_batches_refused_total", **cq, hub_reason="SEQUENCE_GAP") == 1
    assert value(samples, "hub_feed_clock_ahead_seconds", **cq) < 0
    sc = {"hub_participant": "sc.card-center", "hub_feed": "sc.usage"}
    # Of a batch that is refused before it is read nobody knows its feed, or how many there are.
    assert value(samples, "hub_feed_events_received_total", **sc) == 500
    method = "chuanyu.exchange.v1.FeedService/AppendEvents"
    assert value(samples, "hub_refusals_total", hub_participant="sc.card-center", rpc_method=method, hub_reason="QUOTA_EXCEEDED") == 1
    assert value(samples, "hub_refusals_total", hub_participant="cq.card-center", rpc_method=method, hub_reason="SEQUENCE_GAP") == 1
    calls = {"rpc_method": method, "hub_participant": "cq.card-center"}
    assert value(samples, "rpc_server_call_duration_seconds_count", **calls, rpc_response_status_code="OK") == 2
    assert value(samples, "rpc_server_call_duration_seconds_count", **calls, rpc_response_status_code="FAILED_PRECONDITION") == 1
    assert value(samples, "hub_feed_last_sequence", **cq) == 2
    outcomes = {dict(labels)["hub_outcome"]: count for labels, count in samples["hub_decisions_total"].items()}
    assert sum(outcomes.values()) == 1
    assert all(dict(labels)["hub_direction"] == "50>51" for labels in samples["hub_decisions_total"])
    assert sum(samples["hub_decision_duration_seconds_count"].values()) == 1
    assert value(samples, "hub_journal_commit_duration_seconds_count", hub_writer="decisions") == 1
    assert value(samples, "hub_journal_holes") == 0
    assert value(samples, "hub_certificate_expiry_seconds", hub_certificate="server") > 300 * 86_400
    assert value(samples, "hub_database_size_bytes") > 1_000_000
    assert abs(value(samples, "hub_clock_drift_seconds")) < 1
    assert samples["process_resident_memory_bytes"]
    for channel in (chongqing.channel, sichuan.channel):
        channel.close()


def test_the_page_says_whether_the_hub_lives_and_is_ready() -> None:
    reasons = {"FeedService": "", "CardService": "views are 12 s behind"}
    page = Endpoint("127.0.0.1:0", lambda: reasons)
    try:
        assert b"true" in urllib.request.urlopen(f"http://127.0.0.1:{page.port}/livez", timeout=10).read()
        with pytest.raises(urllib.error.HTTPError) as not_ready:
            urllib.request.urlopen(f"http://127.0.0.1:{page.port}/readyz", timeout=10)
        assert (not_ready.value.code, b"12 s behind" in not_ready.value.read()) == (503, True)
        reasons["CardService"] = ""
        assert urllib.request.urlopen(f"http://127.0.0.1:{page.port}/readyz", timeout=10).status == 200
    finally:
        page.stop()


class Collector(MetricsServiceServicer):
    """Receives metrics by OTLP."""

    def __init__(self) -> None:
        self.received: list[ExportMetricsServiceRequest] = []
        self.came = threading.Event()

    def Export(self, request: ExportMetricsServiceRequest, _context: grpc.ServicerContext) -> ExportMetricsServiceResponse:  # noqa: N802
        """Takes metrics."""
        self.received.append(request)
        self.came.set()
        return ExportMetricsServiceResponse()


def test_a_push_sends_the_same_numbers_to_a_collector() -> None:
    names.COMMIT_DURATION.record(0.003, "a test")
    names.DECISIONS.add("TRA.MET", "50>51", "A TEST", count=3)
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(1))
    add_MetricsServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    push = MetricsPush(f"http://127.0.0.1:{port}", "hub serve", "one", every_s=0.05)
    try:
        assert collector.came.wait(60)
    finally:
        push.stop()
        server.stop(0).wait()
    metrics = {metric.name: metric for metric in collector.received[0].resource_metrics[0].scope_metrics[0].metrics}
    points = {tuple(a.value.string_value for a in point.attributes): point.as_int for point in metrics["hub.decisions"].sum.data_points}
    assert points["TRA.MET", "50>51", "A TEST"] == 3
    assert metrics["hub.decisions"].sum.is_monotonic
    durations = {
        tuple(a.value.string_value for a in point.attributes): point
        for point in metrics["hub.journal.commit.duration"].histogram.data_points
    }
    assert (durations["a test",].count, round(durations["a test",].sum, 4)) == (1, 0.003)
    assert metrics["hub.journal.commit.duration"].unit == "s"


def test_a_push_to_a_collector_that_is_away_ends_at_once() -> None:
    push = MetricsPush("http://127.0.0.1:1", "hub serve", "one", every_s=0.01)
    time.sleep(0.2)
    began = time.monotonic()
    push.stop()
    assert time.monotonic() - began < TIMEOUT_S


def test_a_histogram_counts_each_value_in_the_bucket_it_falls_into() -> None:
    histogram = Histogram(name="test.size", unit="s", description="", bounds=(1, 2))
    for size in (0.5, 1, 1.5, 2, 7):
        histogram.record(size)
    assert (histogram.values[()].counts, histogram.values[()].total) == ([2, 2, 1], 12)


def test_a_gauge_that_is_replaced_forgets_the_points_that_are_gone() -> None:
    gauge = Gauge(name="test.gone", unit="s", description="", labels=(names.FEED,))
    gauge.replace({("one",): 1, ("two",): 2})
    gauge.replace({("two",): 3})
    assert gauge.points() == {("two",): 3}


def test_every_metric_is_described_for_operators() -> None:
    text = (DOCS / "telemetry.md").read_text()
    described = [vars(names)[name] for name in vars(names) if isinstance(vars(names)[name], Counter | Gauge | Histogram)]
    assert [prometheus_name(instrument) for instrument in described if f"`{prometheus_name(instrument)}`" not in text] == []
    assert len(described) > 30
    assert set(map(id, described)) <= set(map(id, all_instruments()))


def test_a_page_that_nobody_asked_for_ends_like_any_other() -> None:
    endpoint = Endpoint("127.0.0.1:0", dict)
    endpoint.stop()
    with pytest.raises(urllib.error.URLError):
        scrape(endpoint.port)
    assert not [thread for thread in threading.enumerate() if thread.name == "metrics-page"]
