"""Calls to this machine itself go through no proxy: every variable that could name one names a dead one."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import pytest
from chuanyu.exchange.v1 import feed_service_pb2, feed_service_pb2_grpc
from chuanyu.exchange.v1.card_service_pb2 import GetCardRequest, GetCardResponse
from chuanyu.exchange.v1.references_pb2 import CardRef
from opentelemetry.trace import SpanKind

from adapters.kit import mutual_tls
from adapters.kit.connection import HubConnection
from adapters.kit.loopback import without_proxy
from adapters.kit.telemetry import SpanExport, Timing
from hub.loopback import channel_options, is_loopback
from hub.stage import status
from tests.hub_process import SICHUAN, RunningHub, environment
from tests.otlp_receiver import OtlpReceiver
from tests.scripted_hub import ScriptedHub

DEAD = "http://127.0.0.1:9"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "GRPC_PROXY")


@pytest.fixture(autouse=True)
def dead_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, DEAD)
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)


def get_feed(channel: grpc.Channel) -> str:
    """The code of a GetFeed, which an answering hub makes OK."""
    with channel:
        try:
            feed_service_pb2_grpc.FeedServiceStub(channel).GetFeed(feed_service_pb2.GetFeedRequest(feed="sc.usage"), timeout=10)
        except grpc.RpcError as error:
            assert isinstance(error, grpc.Call)
            return error.code().name
    return "OK"


def test_a_channel_without_the_option_does_go_through_the_proxy(shared_hub: RunningHub) -> None:
    credentials = shared_hub.certificate(SICHUAN).client_credentials()
    assert get_feed(grpc.secure_channel(shared_hub.targets[0], credentials)) == "UNAVAILABLE"


def test_a_channel_of_the_hubs_own_does_not(shared_hub: RunningHub) -> None:
    assert get_feed(shared_hub.certificate(SICHUAN).channel(shared_hub.targets[0])) == "OK"


@pytest.mark.parametrize("arguments", [
    ["status", "--ready"],
    ["check", "A00000001", "--issuer", "50", "--operator", "tester"],
])  # fmt: skip
def test_the_commands_reach_a_hub_of_this_machine(shared_hub: RunningHub, arguments: list[str]) -> None:
    command = [sys.executable, "-c", "from hub.cli import main; main()", *arguments, "--target", shared_hub.targets[0]]
    done = subprocess.run(
        command, env=environment(shared_hub.dsn, shared_hub.data_dir), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_adapter_reaches_a_hub_of_this_machine(shared_hub: RunningHub) -> None:
    files = shared_hub.certificate(SICHUAN)

    async def ask() -> str:
        connection = HubConnection(shared_hub.targets, mutual_tls(files.authority, files.certificate, files.key))
        feed = await connection.edge.feeds.GetFeed(feed_service_pb2.GetFeedRequest(feed="sc.usage"), timeout=10)
        await connection.close()
        return feed.feed

    assert asyncio.run(ask()) == "sc.usage"


def test_an_adapter_asks_for_a_card_at_a_hub_of_this_machine() -> None:
    async def play() -> None:
        async with ScriptedHub() as hub:
            hub.cards["S00000123"] = GetCardResponse(as_of_position=7)
            assert await hub.connection().get_card(GetCardRequest(card=CardRef(clear="S00000123")), 5)

    asyncio.run(play())


def test_spans_reach_a_collector_of_this_machine() -> None:
    with OtlpReceiver() as receiver:
        export = SpanExport(receiver.endpoint, "province-adapter-sichuan")
        export.put("1" * 32, Timing("a span", SpanKind.INTERNAL, "2" * 16, "", 1, 2, {}))
        export.close()
        assert [span.name for _, span in receiver.spans()] == ["a span"]


@pytest.fixture
def status_page() -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"feeds": {}}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_an_adapters_status_page_of_this_machine_is_read(status_page: str) -> None:
    assert status(status_page) == {"feeds": {}}


@pytest.mark.parametrize("target", ["127.0.0.1:7443", "localhost:7443", "[::1]:7443", "http://127.0.0.1:4317", "127.9.9.9:1"])
def test_what_is_on_this_machine_is_called_without_a_proxy(target: str) -> None:
    assert is_loopback(target)
    assert channel_options(target) == without_proxy(target) == [("grpc.enable_http_proxy", 0)]


@pytest.mark.parametrize("target", ["hub.example:7443", "10.0.0.1:7443", "http://collector:4317", "localhost.example:1", "[2001:db8::1]:1"])
def test_what_is_elsewhere_is_called_as_the_environment_says(target: str) -> None:
    assert (channel_options(target), without_proxy(target)) == ([], [])
