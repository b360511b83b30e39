"""Who gets in and how the server ends: mutual TLS, participants by certificate, the standard services, draining."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import feed_service_pb2, feed_service_pb2_grpc, hub_decisions_pb2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from hub.api.server import DRAIN_S
from hub.domain.participant import PREFIX, PROBE, Participant
from hub.journal.recorder import AggregateStore
from hub.trust.authority import CertificateFiles, issue_participant, open_authority
from tests.clients import DEADLINE_S, Province, Refusal, refused
from tests.hub_process import CHONGQING, SICHUAN, Process, RunningHub
from tests.messages import journey

RECORDED, DUPLICATE = feed_service_pb2.EVENT_OUTCOME_RECORDED, feed_service_pb2.EVENT_OUTCOME_DUPLICATE
SERVING = health_pb2.HealthCheckResponse.SERVING


def channel(hub: RunningHub, files: CertificateFiles) -> grpc.Channel:
    """A channel that trusts the hub's authority and shows these certificate files."""
    authority = (hub.certificates_dir / "ca.crt").read_bytes()
    credentials = grpc.ssl_channel_credentials(authority, files.key.read_bytes(), files.certificate.read_bytes())
    return grpc.secure_channel(hub.targets[0], credentials)


def refused_over(opened: grpc.Channel) -> Refusal:
    """How the first call over a channel is refused."""
    with opened:
        feeds = feed_service_pb2_grpc.FeedServiceStub(opened)
        request = feed_service_pb2.GetFeedRequest(feed="cq.card-center")
        return refused(lambda: feeds.GetFeed(request, timeout=DEADLINE_S))


def issued_with(
    hub: RunningHub, directory: Path, *names: x509.GeneralName, purpose: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CLIENT_AUTH
) -> CertificateFiles:
    """A certificate of the hub's own authority with these names, for this purpose."""
    authority = x509.load_pem_x509_certificate((hub.certificates_dir / "ca.crt").read_bytes())
    signer = serialization.load_pem_private_key((hub.certificates_dir / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CHONGQING)]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    files = CertificateFiles(hub.certificates_dir / "ca.crt", directory / "client.crt", directory / "client.key")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))  # fmt: skip
    return files


# Who gets in


def test_without_a_certificate_there_is_no_connection(shared_hub: RunningHub) -> None:
    authority = (shared_hub.certificates_dir / "ca.crt").read_bytes()
    credentials = grpc.ssl_channel_credentials(authority)
    refusal = refused_over(grpc.secure_channel(shared_hub.targets[0], credentials))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "")


def test_without_tls_there_is_no_connection(shared_hub: RunningHub) -> None:
    refusal = refused_over(grpc.insecure_channel(shared_hub.targets[0]))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "")


def test_a_certificate_of_another_authority_makes_no_connection(shared_hub: RunningHub, tmp_path: Path) -> None:
    open_authority(tmp_path)
    refusal = refused_over(channel(shared_hub, issue_participant(tmp_path, CHONGQING)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "")


def test_a_certificate_without_a_name_of_ours_is_unauthenticated(shared_hub: RunningHub, tmp_path: Path) -> None:
    files = issued_with(shared_hub, tmp_path, x509.UniformResourceIdentifier("https://cq.example/card-center"))
    refusal = refused_over(channel(shared_hub, files))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_REQUIRED")


def test_a_common_name_is_no_participant_name(shared_hub: RunningHub, tmp_path: Path) -> None:
    files = issued_with(shared_hub, tmp_path, x509.DNSName("cq.card-center"))
    refusal = refused_over(channel(shared_hub, files))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_REQUIRED")


def test_a_name_spelt_otherwise_is_no_participant_name(shared_hub: RunningHub, tmp_path: Path) -> None:
    files = issued_with(shared_hub, tmp_path, x509.UniformResourceIdentifier(CHONGQING.upper()))
    refusal = refused_over(channel(shared_hub, files))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_REQUIRED")


def test_a_certificate_that_names_several_participants_is_unfit_also_for_the_first(shared_hub: RunningHub, tmp_path: Path) -> None:
    names = x509.UniformResourceIdentifier(CHONGQING), x509.UniformResourceIdentifier(SICHUAN)
    refusal = refused_over(channel(shared_hub, issued_with(shared_hub, tmp_path, *names)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_UNFIT")


def test_a_certificate_that_does_not_say_it_is_for_clients_is_unfit(shared_hub: RunningHub, tmp_path: Path) -> None:
    files = issued_with(shared_hub, tmp_path, x509.UniformResourceIdentifier(CHONGQING), purpose=None)
    refusal = refused_over(channel(shared_hub, files))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_UNFIT")


def test_a_participant_that_is_not_registered_is_denied(shared_hub: RunningHub) -> None:
    refusal = refused_over(shared_hub.channel(f"{PREFIX}cq.newcomer"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PARTICIPANT_UNKNOWN")


def test_a_participant_that_is_suspended_is_denied(shared_hub: RunningHub) -> None:
    urn = f"{PREFIX}cq.suspended"
    store = AggregateStore(shared_hub.dsn)
    registered = hub_decisions_pb2.ParticipantRegistered(participant=urn, province="50", feeds=["cq.suspended"])
    participant = Participant.begin("participant_registered", registered, Participant.create_id(urn), datetime.now(UTC))
    suspended = hub_decisions_pb2.ParticipantSuspended(participant=urn, reason_code="KEY_LOST")
    participant.record("participant_suspended", suspended, datetime.now(UTC))
    store.save(participant)
    store.close()
    refusal = refused_over(shared_hub.channel(urn))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PARTICIPANT_SUSPENDED")


def test_who_may_not_get_in_may_not_stream_either(shared_hub: RunningHub) -> None:
    with shared_hub.channel(f"{PREFIX}cq.newcomer") as opened:
        feeds = feed_service_pb2_grpc.FeedServiceStub(opened)
        refusal = refused(lambda: list(feeds.StreamEvents(iter(()), timeout=DEADLINE_S)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PARTICIPANT_UNKNOWN")


def test_a_new_participant_gets_in_without_a_restart(shared_hub: RunningHub) -> None:
    urn = f"{PREFIX}cq.latecomer"
    with shared_hub.channel(urn) as opened:
        feeds = feed_service_pb2_grpc.FeedServiceStub(opened)
        request = feed_service_pb2.GetFeedRequest(feed="cq.latecomer")
        refused(lambda: feeds.GetFeed(request, timeout=DEADLINE_S))
        store = AggregateStore(shared_hub.dsn)
        registered = hub_decisions_pb2.ParticipantRegistered(participant=urn, province="50", feeds=["cq.latecomer"])
        at = datetime.now(UTC)
        store.save(Participant.begin("participant_registered", registered, Participant.create_id(urn), at))
        store.ensure_feeds([("cq.latecomer", urn)])
        store.close()
        assert feeds.GetFeed(request, timeout=DEADLINE_S).next_sequence == 1


# The standard services


@pytest.fixture(scope="module")
def opened(shared_hub: RunningHub) -> Iterator[grpc.Channel]:
    with shared_hub.channel(CHONGQING) as channel:
        yield channel


@pytest.mark.parametrize("service", ["", "chuanyu.exchange.v1.FeedService", "chuanyu.exchange.v1.CardService"])
def test_health_says_that_each_service_serves(service: str, opened: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(opened)
    assert health.Check(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE_S).status == SERVING


def test_reflection_lists_our_services(opened: grpc.Channel) -> None:
    reflection = reflection_pb2_grpc.ServerReflectionStub(opened)
    requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    answer = next(reflection.ServerReflectionInfo(requests, timeout=DEADLINE_S))
    listed = {service.name for service in answer.list_services_response.service}
    assert {"chuanyu.exchange.v1.FeedService", "chuanyu.exchange.v1.CardService"} <= listed


def test_reflection_gives_the_file_of_a_method(opened: grpc.Channel) -> None:
    reflection = reflection_pb2_grpc.ServerReflectionStub(opened)
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol="chuanyu.exchange.v1.CardService")
    answer = next(reflection.ServerReflectionInfo(iter([request]), timeout=DEADLINE_S))
    assert b"CheckAcceptance" in answer.file_descriptor_response.file_descriptor_proto[0]


def test_channelz_tells_an_operator_of_the_server_and_nobody_else(shared_hub: RunningHub, opened: grpc.Channel) -> None:
    request = channelz_pb2.GetServersRequest()
    with shared_hub.channel(PROBE) as operator:
        assert len(channelz_pb2_grpc.ChannelzStub(operator).GetServers(request, timeout=DEADLINE_S).server) == 1
    assert refused(lambda: channelz_pb2_grpc.ChannelzStub(opened).GetServers(request, timeout=DEADLINE_S)).reason == "NOT_PERMITTED"


def test_reflection_is_for_who_may_speak(shared_hub: RunningHub) -> None:
    requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    with shared_hub.channel(f"{PREFIX}nobody") as stranger:
        reflection = reflection_pb2_grpc.ServerReflectionStub(stranger)
        assert refused(lambda: next(reflection.ServerReflectionInfo(requests, timeout=DEADLINE_S))).reason == "PARTICIPANT_UNKNOWN"


@pytest.mark.parametrize(
    "call",
    [
        lambda opened: health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE_S),
        lambda opened: channelz_pb2_grpc.ChannelzStub(opened).GetServers(channelz_pb2.GetServersRequest(), timeout=DEADLINE_S),
    ],
    ids=["health", "channelz"],
)
def test_the_standard_services_need_a_certificate_too(call: Callable[[grpc.Channel], object], shared_hub: RunningHub) -> None:
    authority = (shared_hub.certificates_dir / "ca.crt").read_bytes()
    with grpc.secure_channel(shared_hub.targets[0], grpc.ssl_channel_credentials(authority)) as opened:
        assert refused(lambda: call(opened)).code == grpc.StatusCode.UNAVAILABLE


# Where it listens


def test_a_second_edge_does_not_share_the_address_of_the_first(shared_hub: RunningHub) -> None:
    first = shared_hub.edges[0].process
    assert first is not None
    second = Process(["serve", "--listen", shared_hub.targets[0]], shared_hub.dsn, shared_hub.data_dir)
    second.launch()
    assert second.process is not None
    assert second.process.wait(DEADLINE_S) == 1
    assert f"{shared_hub.targets[0]}: process {first.pid}, " in (said := second.log.read_text())
    assert "另一个进程正在监听此地址" in said
    assert Province(shared_hub, CHONGQING).next_sequence("cq.usage") == 1


# How it ends


@pytest.fixture
def edge(shared_hub: RunningHub) -> Iterator[int]:
    """The number of a further edge of the hub's, to be stopped by a test."""
    process = Process(["serve", "--listen", "127.0.0.1:0"], shared_hub.dsn, shared_hub.data_dir)
    shared_hub.edges.append(process)
    shared_hub.targets.append(process.start().split()[-1])
    yield len(shared_hub.edges) - 1
    process.kill()


@pytest.fixture
def held(shared_hub: RunningHub, edge: int) -> Iterator[psycopg.Connection]:
    """A transaction that holds the journal's head, so that an append stays under way until it ends."""
    with psycopg.connect(shared_hub.dsn) as connection:
        connection.execute("SELECT position FROM journal.head FOR UPDATE")
        yield connection


def until(condition: Callable[[], bool]) -> None:
    """Waits until a condition holds, ten seconds at most."""
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def is_waiting(dsn: str) -> bool:
    """Whether a writer waits for the head."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT application_name FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return ("hub-writer",) in rows.fetchall()


def is_turned_away(province: Province) -> bool:
    """Whether a new call finds no server."""
    try:
        province.next_sequence("cq.usage")
    except grpc.RpcError as error:
        return error.code() == grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
    return False


def test_sigterm_answers_the_append_under_way_and_exits_with_zero(shared_hub: RunningHub, edge: int, held: psycopg.Connection) -> None:
    chongqing = Province(shared_hub, CHONGQING, edge)
    batch = feed_service_pb2.AppendEventsRequest(feed="cq.usage", first_sequence=1, events=[journey("A12345678")])
    under_way = chongqing.feeds.AppendEvents.future(batch, timeout=DEADLINE_S)
    until(lambda: is_waiting(shared_hub.dsn))
    shared_hub.edges[edge].signal(signal.SIGTERM)
    until(lambda: is_turned_away(chongqing))
    assert not under_way.done()
    held.rollback()
    assert list(under_way.result().outcomes) == [RECORDED]
    assert shared_hub.edges[edge].process.wait(DEADLINE_S) == 0


def test_a_second_sigterm_ends_calls_under_way_and_what_waits_is_written_all_the_same(
    shared_hub: RunningHub, edge: int, held: psycopg.Connection
) -> None:
    sichuan = Province(shared_hub, SICHUAN, edge)
    batch = feed_service_pb2.AppendEventsRequest(feed="sc.usage", first_sequence=1, events=[journey("A12345678")])
    under_way = sichuan.feeds.AppendEvents.future(batch, timeout=DEADLINE_S)
    until(lambda: is_waiting(shared_hub.dsn))
    shared_hub.edges[edge].signal(signal.SIGTERM)
    until(lambda: is_turned_away(sichuan))
    assert not under_way.done()
    shared_hub.edges[edge].signal(signal.SIGTERM)
    assert under_way.exception(timeout=4) is not None
    held.rollback()
    assert shared_hub.edges[edge].process.wait(DEADLINE_S) == 0
    assert list(Province(shared_hub, SICHUAN).append("sc.usage", 1, journey("A12345678")).outcomes) == [DUPLICATE]


def test_signals_that_come_until_its_very_end_change_nothing(hub: RunningHub) -> None:
    process = hub.edges[0].process
    assert process is not None
    while process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        time.sleep(0.002)
    assert process.poll() == 0


def test_an_edge_without_work_ends_at_once(shared_hub: RunningHub, edge: int) -> None:
    began_s = time.monotonic()
    assert shared_hub.edges[edge].stop(DEADLINE_S) == 0
    assert time.monotonic() - began_s < DRAIN_S


def test_a_new_edge_goes_on_where_the_feed_stands(shared_hub: RunningHub, edge: int) -> None:
    Province(shared_hub, CHONGQING).append("cq.card-center", 1, journey("A12345678"))
    assert Province(shared_hub, CHONGQING, edge).next_sequence("cq.card-center") == 2
