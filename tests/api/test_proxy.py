"""The proxy in front, with the configuration that ships: it passes TLS through, and keeps from the edges what never becomes TLS."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator

import grpc
import pytest
from chuanyu.exchange.v1 import feed_service_pb2, feed_service_pb2_grpc

from hub.bench.hostile.proxy import CONFIGURATION, ProxyMissing, haproxy, proxy
from tests.clients import DEADLINE_S, refused
from tests.hub_process import CHONGQING, SICHUAN, RunningHub

OF_A_SOURCE = 256
# A client that has begun may be quiet for as long.
QUIET_S = 90.0


@pytest.fixture(scope="module")
def program() -> str:
    try:
        return haproxy()
    except ProxyMissing as missing:
        if os.geteuid() == 0:
            pytest.fail(str(missing))
        pytest.skip("haproxy is not installed: it is in Debian's package haproxy, which `make system-deps` brings")


@pytest.fixture(scope="module")
def proxied(program: str, shared_hub: RunningHub) -> Iterator[str]:
    """The address of a proxy before the hub of the module."""
    assert program
    with proxy(shared_hub.targets) as address:
        yield address


def test_the_configuration_that_ships_is_valid(program: str) -> None:
    environment = {**os.environ, "HUB_PROXY_LISTEN": "127.0.0.1:7443", "HUB_PROXY_EDGES": "localhost:7443"}
    subprocess.run([program, "-c", "-f", CONFIGURATION], env=environment, check=True, capture_output=True)


def connected(address: str) -> socket.socket:
    """A TCP connection that has said nothing yet."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=QUIET_S / 2)


def is_ended(connection: socket.socket) -> bool:
    """Whether the other side ends a connection without a word."""
    with contextlib.suppress(ConnectionResetError):
        return connection.recv(1) == b""
    return True


def is_refused_or_ended(stack: contextlib.ExitStack, address: str) -> bool:
    """Whether a connection is not kept: the other side may reset it so early that it never came to be on this side."""
    try:
        further = stack.enter_context(connected(address))
    except ConnectionResetError:
        return True
    return is_ended(further)


def feeds(hub: RunningHub, address: str, urn: str) -> feed_service_pb2_grpc.FeedServiceStub:
    """A participant's stub by way of the proxy."""
    return feed_service_pb2_grpc.FeedServiceStub(grpc.secure_channel(address, hub.certificate(urn).client_credentials()))


def test_the_hub_knows_by_the_handshake_itself_who_calls_through_the_proxy(shared_hub: RunningHub, proxied: str) -> None:
    request = feed_service_pb2.GetFeedRequest(feed="cq.usage")
    assert feeds(shared_hub, proxied, CHONGQING).GetFeed(request, timeout=DEADLINE_S).next_sequence == 1
    assert refused(lambda: feeds(shared_hub, proxied, SICHUAN).GetFeed(request, timeout=DEADLINE_S)).reason == "NOT_FEED_OWNER"


def test_what_is_not_tls_or_says_nothing_is_ended_by_the_proxy(proxied: str) -> None:
    began_s = time.monotonic()
    with connected(proxied) as silent, connected(proxied) as chatty:
        chatty.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert is_ended(chatty)
        assert is_ended(silent)
        assert time.monotonic() - began_s > 3


def test_a_source_has_a_bounded_number_of_connections(proxied: str) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(OF_A_SOURCE):
            stack.enter_context(connected(proxied))
        assert is_refused_or_ended(stack, proxied)
