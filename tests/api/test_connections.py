"""How connections behave: one hub an address, many calls on one connection, and pings on quiet ones."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from chuanyu.exchange.v1 import feed_service_pb2, feed_service_pb2_grpc
from grpc._cython import cygrpc
from grpc_status.rpc_status import from_call

from hub.admin.participants import changing, suspend
from hub.admin.registry import register_participant
from hub.api.edge.bars import BARRED_S
from hub.api.edge.client_certificate import Peer
from hub.api.edge.connections import CONNECTIONS_OF_A_CERTIFICATE, CONTROL
from hub.api.edge.open_streams import STREAM_AGE_S, Leash
from hub.api.edge.quota import BATCHES_IN_HAND
from hub.api.edge.transport import CONNECTION_AGE_S, MESSAGE_BYTES, OPTIONS
from hub.bench.hostile.wire import (
    CANCEL,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    Wire,
    call_headers,
    client_context,
    frame,
    literal,
    message,
)
from hub.domain.errors import HubError
from hub.domain.participant import PREFIX, PROBE
from hub.domain.roles import every_role
from hub.journal.recorder import AggregateStore
from hub.trust.authority import CertificateFiles, issue_participant
from tests.clients import DEADLINE_S, refused
from tests.hub_process import CHONGQING, SICHUAN, BegunHub, Process, RunningHub
from tests.messages import registered

# More than a client asks, by far.
EVERY_S, PINGS = 0.2, 4


@pytest.fixture(scope="module")
def hub_settings() -> dict[str, str]:
    """Time enough for three hundred calls to be refused; calls whose request never comes stay until their client ends them."""
    return {"HUB_CLOSE_REFUSED_AFTER_S": "2", "HUB_FIRST_MESSAGE_S": "3600"}


@pytest.fixture(scope="module")
def impatient_hub(begun_hub: BegunHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub that waits no longer than a second for a request."""
    with begun_hub(tmp_path_factory.mktemp("impatient"), {"HUB_FIRST_MESSAGE_S": "1"}) as hub:
        yield hub


def test_a_second_hub_on_the_address_of_another_is_refused_and_told_which_process_it_is(shared_hub: RunningHub) -> None:
    first = shared_hub.edges[0].process
    assert first is not None
    second = Process(["serve", "--listen", shared_hub.targets[0]], shared_hub.dsn, shared_hub.data_dir)
    try:
        second.start()
    except AssertionError:
        said = second.log.read_text()
    assert "✗ 另一个进程正在监听此地址" in said
    assert "Another process listens on this address" in said
    assert f"{shared_hub.targets[0]}: process {first.pid}" in said
    assert second.process is not None
    assert second.process.wait(DEADLINE_S) == 1


def test_every_option_is_one_that_grpc_knows_for_it_ignores_others_without_a_word() -> None:
    library = Path(cygrpc.__file__).read_bytes()
    assert [name for name, _ in OPTIONS if f"{name}\0".encode() not in library] == []


def test_what_exceeds_a_hundred_calls_on_one_connection_waits_and_is_answered(shared_hub: RunningHub) -> None:
    async def ask() -> list[int]:
        files = shared_hub.certificate(CHONGQING)
        async with grpc.aio.secure_channel(shared_hub.targets[0], files.client_credentials()) as channel:
            feeds = feed_service_pb2_grpc.FeedServiceStub(channel)
            request = feed_service_pb2.GetFeedRequest(feed="cq.usage")
            answers = await asyncio.gather(*(feeds.GetFeed(request, timeout=DEADLINE_S) for _ in range(250)))
        return [answer.next_sequence for answer in answers]

    assert asyncio.run(ask()) == [1] * 250


GET_FEED, WATCH = "chuanyu.exchange.v1.FeedService/GetFeed", "grpc.health.v1.Health/Watch"
APPEND = "chuanyu.exchange.v1.FeedService/AppendEvents"
WATCH_REQUEST = frame(HEADERS, END_HEADERS, 1, call_headers(WATCH)) + frame(DATA, END_STREAM, 1, message(b""))


async def pinged(hub: RunningHub, first: bytes) -> Wire:
    """A connection with what is sent first, and some pings until the last is answered or the connection is ended."""
    wire = await Wire.open(hub.targets[0], client_context(hub.certificate(CHONGQING)))
    await wire.send(first)
    for number in range(PINGS):
        await asyncio.sleep(EVERY_S if number else 0)
        await wire.send(frame(PING, 0, 0, bytes(8)))
    async with asyncio.timeout(DEADLINE_S):
        while wire.received.get(PING, 0) < PINGS and not wire.is_closed:
            await asyncio.sleep(0.01)
    await wire.close()
    return wire


def test_pings_of_a_quiet_client_are_answered_with_and_without_calls(shared_hub: RunningHub) -> None:
    async def play() -> tuple[Wire, Wire]:
        return await asyncio.gather(pinged(shared_hub, WATCH_REQUEST), pinged(shared_hub, b""))

    calling, idle = asyncio.run(play())
    assert (calling.goaway, calling.received[HEADERS], calling.received[PING]) == (None, 1, PINGS)
    assert (idle.goaway, idle.received[PING]) == (None, PINGS)


@pytest.mark.parametrize(
    ("name", "sent"),
    [("cq.pinging", frame(PING, 0, 0, bytes(8))), ("cq.settling", frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff"))],
    ids=["pings", "settings"],
)
def test_who_sends_frames_without_end_and_no_message_is_barred(name: str, sent: bytes, shared_hub: RunningHub) -> None:
    certificate = hasty(shared_hub, name)

    async def play() -> None:
        wire = await Wire.open(shared_hub.targets[0], client_context(certificate))
        async with asyncio.timeout(DEADLINE_S):
            # Once it is barred nothing that it sends is taken any more, and sending waits: the log says so before.
            while not is_barred(shared_hub, name, CONTROL):
                sending = asyncio.create_task(wire.send(sent * 20_000))
                await asyncio.wait((sending,), timeout=0.5)
        sending.cancel()
        await wire.close()

    asyncio.run(play())
    assert is_barred(shared_hub, name, CONTROL)


async def half_open(hub: RunningHub, urn: str, connections: int, streams: int, method: str) -> list[Wire]:
    """Connections with so many calls each whose request never comes."""
    context = client_context(hub.certificate(urn))
    wires = await asyncio.gather(*(Wire.open(hub.targets[0], context) for _ in range(connections)))
    calls_ = b"".join(frame(HEADERS, END_HEADERS, 2 * number + 1, call_headers(method)) for number in range(streams))
    await asyncio.gather(*(wire.send(calls_) for wire in wires))
    return list(wires)


def asked_meanwhile(
    hub: RunningHub, attack: Coroutine[None, None, list[Wire]], questions: int = 20, refusals: int = 0
) -> tuple[int, list[Wire]]:
    """How many questions of another participant were answered while an attack went on, and its connections once it had its refusals."""

    async def play() -> tuple[int, list[Wire]]:
        wires = await attack
        answered = 0
        async with grpc.aio.secure_channel(hub.targets[0], hub.certificate(CHONGQING).client_credentials()) as channel:
            feeds = feed_service_pb2_grpc.FeedServiceStub(channel)
            for _ in range(questions):
                await feeds.GetFeed(feed_service_pb2.GetFeedRequest(feed="cq.usage"), timeout=DEADLINE_S)
                answered += 1
        async with asyncio.timeout(DEADLINE_S):
            while sum(wire.received.get(HEADERS, 0) for wire in wires) < refusals:
                await asyncio.sleep(0.02)
        await asyncio.gather(*(wire.close() for wire in wires))
        return answered, wires

    return asyncio.run(play())


def test_a_message_beyond_the_limit_of_all_messages_is_refused_by_grpc_without_a_reason(shared_hub: RunningHub) -> None:
    with shared_hub.channel(CHONGQING) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(f"/{APPEND}")(bytes(MESSAGE_BYTES + 1), timeout=DEADLINE_S)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert from_call(caught.value) is None


# Comes before the tests after which a certificate is barred for a minute.
def test_batches_beyond_those_in_hand_wait_unread_and_only_their_own_participant_waits(shared_hub: RunningHub) -> None:
    async def appended(urn: str, feed: str, card_no: str) -> int:
        async with grpc.aio.secure_channel(shared_hub.targets[0], shared_hub.certificate(urn).client_credentials()) as channel:
            request = feed_service_pb2.AppendEventsRequest(feed=feed, first_sequence=1, events=[registered(card_no, feed_province[feed])])
            answer = await feed_service_pb2_grpc.FeedServiceStub(channel).AppendEvents(request, timeout=DEADLINE_S)
            return len(answer.positions)

    feed_province = {"sc.card-center": "51", "cq.card-center": "50"}

    async def play() -> tuple[bool, int, int]:
        (wire,) = await half_open(shared_hub, SICHUAN, 1, BATCHES_IN_HAND, APPEND)
        others = await appended(CHONGQING, "cq.card-center", "A00000001")
        own = asyncio.create_task(appended(SICHUAN, "sc.card-center", "B00000001"))
        done, _ = await asyncio.wait((own,), timeout=1)
        await wire.close()
        return bool(done), others, await own

    assert asyncio.run(play()) == (False, 1, 1)


@pytest.mark.parametrize("method", [GET_FEED, WATCH])
def test_a_thousand_calls_whose_request_never_comes_keep_nobody_else_out(shared_hub: RunningHub, method: str) -> None:
    answered, _ = asked_meanwhile(shared_hub, half_open(shared_hub, SICHUAN, 10, 100, method))
    assert answered == 20


@pytest.mark.parametrize(
    "method", [GET_FEED, WATCH, "chuanyu.exchange.v1.SubscriptionService/Subscribe", "chuanyu.exchange.v1.CardService/CheckAcceptance"]
)
def test_a_request_that_does_not_come_in_time_is_refused(impatient_hub: RunningHub, method: str) -> None:
    over = threading.Event()

    def nothing() -> Iterator[bytes]:
        over.wait()
        yield from ()

    try:
        with impatient_hub.channel(CHONGQING) as channel:
            refusal = refused(lambda: list(channel.stream_stream(f"/{method}")(nothing(), timeout=DEADLINE_S)))
    finally:
        over.set()
    assert (refusal.code, refusal.reason, refusal.metadata) == (grpc.StatusCode.DEADLINE_EXCEEDED, "REQUEST_LATE", {"limit_s": "1"})


def test_calls_of_a_suspended_participant_are_refused_before_their_request_comes(shared_hub: RunningHub) -> None:
    answered, wires = asked_meanwhile(shared_hub, half_open(shared_hub, suspended(shared_hub), 3, 100, GET_FEED), refusals=300)
    assert answered == 20
    assert sum(wire.received.get(HEADERS, 0) for wire in wires) == 300


def suspended(hub: RunningHub) -> str:
    """A participant that is suspended."""
    urn = f"{PREFIX}cq.suspended"
    store = AggregateStore(hub.dsn)
    register_participant(store, urn, "50", urn, ["cq.suspended"], datetime.now(UTC))
    with changing(store, "cq.suspended") as participant:
        suspend(participant, "KEY_LOST", datetime.now(UTC))
    store.close()
    return urn


def test_connections_of_a_certificate_are_bounded_and_those_of_who_may_not_speak_are_closed(shared_hub: RunningHub) -> None:
    async def play() -> tuple[int, int]:
        many = await half_open(shared_hub, PROBE, CONNECTIONS_OF_A_CERTIFICATE + 3, 0, GET_FEED)
        barred = await half_open(shared_hub, f"{PREFIX}nobody", 2, 0, GET_FEED)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and (sum(wire.is_closed for wire in many) < 3 or not all(wire.is_closed for wire in barred)):
            await asyncio.sleep(0.1)
        found = sum(wire.is_closed for wire in many), sum(wire.is_closed for wire in barred)
        await asyncio.gather(*(wire.close() for wire in (*many, *barred)))
        return found

    assert asyncio.run(play()) == (3, 2)


@pytest.mark.slow
def test_who_begins_calls_only_to_give_them_up_is_disconnected(shared_hub: RunningHub) -> None:
    async def play() -> bool:
        wire = await Wire.open(shared_hub.targets[0], client_context(shared_hub.certificate(f"{PREFIX}sc.card-center")))
        stream, deadline = 1, time.monotonic() + 30
        while not wire.is_closed and time.monotonic() < deadline:
            calls_ = (frame(HEADERS, END_HEADERS, number, call_headers(GET_FEED)) + frame(RST_STREAM, 0, number, CANCEL)
                      for number in range(stream, stream + 1_000, 2))  # fmt: skip
            await wire.send(b"".join(calls_))
            stream += 1_000
            await asyncio.sleep(0.02)
        await wire.close()
        return wire.is_closed

    assert asyncio.run(play())


def is_barred(hub: RunningHub, name: str, why: str = "calls given up at once") -> bool:
    """Whether a certificate of a participant was barred for a reason."""
    return any((line["event"], line.get("reason")) == ("certificate.barred", why) for line in logged(hub, "security", name))


def logged(hub: RunningHub, log: str, name: str) -> list[dict[str, object]]:
    """The lines about a participant in one of the hub's logs, as far as they are whole: it is read while it is written.

    It is read again and again while it grows by thousands of lines, so that only those that have the name are taken apart.
    """
    written = (file.read_text().rpartition("\n")[0] for file in (hub.data_dir / "logs").glob(f"{log}*"))
    found = (json.loads(line) for text in written for line in lines_with(f'"{name}"', text))
    return [line for line in found if line["participant"] == name]


def lines_with(what: str, text: str) -> Iterator[str]:
    """The lines of a text that have something in them, without a look at each line."""
    at = text.find(what)
    while at >= 0:
        end = text.find("\n", at) % (len(text) + 1)
        yield text[text.rfind("\n", 0, at) + 1 : end]
        at = text.find(what, end)


def end_calls_at_once(hub: RunningHub, certificate: CertificateFiles, is_enough: Callable[[], bool], within_s: float = 60) -> None:
    """Makes calls that are let in, and gives each up before an answer can come: no more a second than the quota allows."""
    burst = 45

    async def play() -> None:
        wire = await Wire.open(hub.targets[0], client_context(certificate))
        stream, give_up = 1, time.monotonic() + within_s
        while time.monotonic() < give_up and not is_enough():
            if wire.is_closed:
                await wire.close()
                wire, stream = await Wire.open(hub.targets[0], client_context(certificate)), 1
            streams = range(stream, stream + 2 * burst, 2)
            await wire.send(b"".join(frame(HEADERS, END_HEADERS, number, call_headers(GET_FEED)) for number in streams))
            await asyncio.sleep(0.01)
            await wire.send(b"".join(frame(RST_STREAM, 0, number, CANCEL) for number in streams))
            await asyncio.sleep(0.06)
            stream = streams.stop
        await wire.close()

    asyncio.run(play())


def hasty(hub: RunningHub, name: str) -> CertificateFiles:
    """A registered participant's certificate."""
    urn = f"{PREFIX}{name}"
    store = AggregateStore(hub.dsn)
    register_participant(store, urn, "50", urn, [name], datetime.now(UTC), every_role())
    store.close()
    return hub.certificate(urn)


def test_who_makes_calls_only_to_end_them_at_once_is_disconnected(shared_hub: RunningHub) -> None:
    end_calls_at_once(shared_hub, hasty(shared_hub, "cq.hasty"), lambda: is_barred(shared_hub, "cq.hasty"))
    assert is_barred(shared_hub, "cq.hasty")


def test_a_barred_certificate_is_refused_on_each_new_connection_and_loses_it(shared_hub: RunningHub) -> None:
    certificate = hasty(shared_hub, "cq.barred")
    end_calls_at_once(shared_hub, certificate, lambda: is_barred(shared_hub, "cq.barred"))

    async def play() -> None:
        call = frame(HEADERS, END_HEADERS, 1, call_headers(GET_FEED)) + frame(DATA, END_STREAM, 1, message(b""))
        wire = await Wire.open(shared_hub.targets[0], client_context(certificate), call)
        while not wire.is_closed:
            await asyncio.sleep(0.01)
        await wire.close()

    async def until_refused() -> None:
        # Who is barred also loses connections by the look once a second, before a call on them is refused.
        refused = {"reason": "QUOTA_EXCEEDED", "code": "RESOURCE_EXHAUSTED"}
        async with asyncio.timeout(DEADLINE_S):
            while not any(refused.items() <= line.items() for line in logged(shared_hub, "access", "cq.barred")):
                await play()

    asyncio.run(until_refused())
    assert is_barred(shared_hub, "cq.barred")


@pytest.mark.parametrize(("letters", "is_closed"), [(10_000, False), (150_000, True)])
def test_metadata_beyond_the_limit_are_refused_also_before_the_settings_are_agreed(
    letters: int, is_closed: bool, shared_hub: RunningHub
) -> None:
    certificate = hasty(shared_hub, f"cq.many-{letters}")
    filling = literal(b"x-filling", b"f" * 1_000, indexed=True) + b"\xbe" * (letters // 1_000 - 1)
    call = frame(HEADERS, END_HEADERS, 1, call_headers(GET_FEED, filling)) + frame(DATA, END_STREAM, 1, message(b""))

    def refusals() -> list[object]:
        return [line["reason"] for line in logged(shared_hub, "access", f"cq.many-{letters}")]

    async def play() -> bool:
        wire = await Wire.open(shared_hub.targets[0], client_context(certificate), call)
        async with asyncio.timeout(DEADLINE_S):
            while not refusals() or wire.is_closed is not is_closed:
                await asyncio.sleep(0.05)
        found = wire.is_closed
        await wire.close()
        return found

    assert asyncio.run(play()) is is_closed
    assert refusals() == ["REQUEST_TOO_LARGE"]
    assert is_barred(shared_hub, f"cq.many-{letters}", "metadata") is is_closed


def test_who_ends_calls_at_once_costs_another_certificate_of_the_same_name_no_connection(shared_hub: RunningHub, tmp_path: Path) -> None:
    patient = hasty(shared_hub, "cq.patient")
    for name in ("ca.crt", "ca.key"):
        shutil.copy(shared_hub.certificates_dir / name, tmp_path)
    other = issue_participant(tmp_path, f"{PREFIX}cq.patient")
    states: list[grpc.ChannelConnectivity] = []
    with patient.channel(shared_hub.targets[0]) as channel:
        feeds, request = feed_service_pb2_grpc.FeedServiceStub(channel), feed_service_pb2.GetFeedRequest(feed="cq.patient")
        feeds.GetFeed(request, timeout=DEADLINE_S)
        channel.subscribe(states.append)
        end_calls_at_once(shared_hub, other, lambda: is_barred(shared_hub, "cq.patient"))
        # Both certificates have one quota, which may be spent for a second; a barred one would be refused for a minute.
        give_up = time.monotonic() + BARRED_S / 2
        while True:
            try:
                feeds.GetFeed(request, timeout=DEADLINE_S)
                break
            except grpc.RpcError:
                assert time.monotonic() < give_up
                time.sleep(0.2)
    assert is_barred(shared_hub, "cq.patient")
    assert set(states) == {grpc.ChannelConnectivity.READY}


LOOKS = """
import os
from hub.api.edge.sockets import own_sockets
before = os.listdir("/proc/self/fd")
assert [list(own_sockets(1)) for _ in range(3)] == [[], [], []]
assert os.listdir("/proc/self/fd") == before
"""


def test_looking_at_the_connections_leaves_no_descriptor_open() -> None:
    # In a process of its own: here connections of other tests are still being closed.
    subprocess.run([sys.executable, "-c", LOOKS], check=True)


def test_a_stream_is_over_before_its_connection_is() -> None:
    async def play() -> list[int]:
        async def admitted(_: Peer) -> None:
            """Everybody is."""

        async def abort(_: HubError) -> None:
            """Nobody is refused."""

        async def numbers(over: asyncio.Event) -> AsyncIterator[int]:
            yield 1
            await over.wait()
            yield 2

        return [number async for number in Leash(admitted, 0.05).held(numbers, Peer(CHONGQING), abort)]

    assert asyncio.run(asyncio.wait_for(play(), DEADLINE_S)) == [1, 2]
    assert CONNECTION_AGE_S > STREAM_AGE_S
