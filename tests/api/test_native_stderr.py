"""What gRPC's core writes past all logging: one structured line a minute, with the peer where the tracer names it."""

import json
import logging
import socket
import ssl
from collections.abc import Iterator

import pytest

from hub.telemetry.native_stderr import MOST_PEERS, watch
from tests.api.test_readiness import until
from tests.hub_process import RunningHub

REFUSED = "I1129 09:39:07.659116 23204 ssl_transport_security.cc:2563] Handshake failed with error SSL_ERROR_SSL: HTTP_REQUEST\n"
FAILED = "I1129 09:39:19.796724 23464 handshaker.cc:155] CallNextHandshakerLocked: error=UNKNOWN: Ssl handshake failed (TSI_X): OK\n"
PEER = " shutdown=false index=2, args={a=b, grpc.internal.endpoint_peer_address=ipv4:192.0.2.%d:5070, c=d}\n"
WELL = "I1129 09:39:19.7 23464 handshaker.cc:155] CallNextHandshakerLocked: error=OK shutdown=false index=0, args={}\n"


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.WARNING, "hub.telemetry.native_stderr")
    yield caplog


def test_a_storm_of_refused_handshakes_is_one_line(said: pytest.LogCaptureFixture) -> None:
    watch([REFUSED] * 500)
    assert said.messages == ["tls: handshakes were refused"]


def test_a_peer_that_is_refused_is_named_once_and_at_most_so_many_are(said: pytest.LogCaptureFixture) -> None:
    watch([line for host in range(60) for line in (FAILED, PEER % host, FAILED, PEER % host)])
    peers = [vars(record)["peer"] for record in said.records]
    assert peers == [f"192.0.2.{host}:5070" for host in range(MOST_PEERS)]


def test_a_handshake_that_succeeds_is_not_said(said: pytest.LogCaptureFixture) -> None:
    watch([WELL, PEER % 1])
    assert said.messages == []


def test_any_other_line_is_said_within_bounds(said: pytest.LogCaptureFixture) -> None:
    watch(["x" * 5_000 + "\n"] * 3)
    assert [(record.message, len(vars(record)["newest"])) for record in said.records] == [("native libraries wrote to standard error", 200)]


@pytest.fixture(scope="module")
def hub_settings() -> dict[str, str]:
    """As an operator starts it."""
    # Other tests import the adapters, which silence the core for the processes that inherit their environment.
    return {"GRPC_VERBOSITY": "INFO"}


def test_a_stranger_at_the_door_is_found_in_the_log_and_every_line_of_it_is_json(shared_hub: RunningHub) -> None:
    host, _, port = shared_hub.targets[0].rpartition(":")
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    stranger.set_alpn_protocols(["h2"])
    with stranger.wrap_socket(socket.create_connection((host, int(port)))) as connection:
        own = connection.getsockname()[1]
        until(lambda: '"peer"' in shared_hub.edges[0].log.read_text())
    lines = [line for line in shared_hub.edges[0].log.read_text().splitlines() if not line.startswith(("listening on", "metrics on"))]
    told = [json.loads(line) for line in lines]
    assert [one["peer"] for one in told if "peer" in one] == [f"127.0.0.1:{own}"]
    assert any("PEER_DID_NOT_RETURN_A_CERTIFICATE" in one.get("reason", "") for one in told)
