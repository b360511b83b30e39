"""Participants and certificates in safe hands: registered, rotated, withdrawn, suspended, through the commands and seen over gRPC."""

import asyncio
import contextlib
import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from chuanyu.exchange.v1 import (
    card_service_pb2_grpc,
    event_pb2,
    feed_service_pb2,
    feed_service_pb2_grpc,
    hotlist_service_pb2,
    hotlist_service_pb2_grpc,
    hub_decisions_pb2,
    subscription_service_pb2,
    subscription_service_pb2_grpc,
)
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from typer.testing import CliRunner

from hub.admin.participants import (
    CertificateUnknown,
    CertificateWithdrawnBefore,
    LastCertificate,
    NothingOlder,
    ParticipantChanged,
    ParticipantNotFound,
    changing,
    find_participant,
)
from hub.admin.registry import register_participant
from hub.api.edge.client_certificate import Peer, Peers
from hub.api.edge.directory import FRESH_FOR_S, Directory
from hub.api.edge.open_streams import CHECK_EVERY_S
from hub.api.edge.quota import Quotas
from hub.cli import app
from hub.domain.errors import CertificateWithdrawn, RequestInvalid
from hub.domain.participant import PREFIX, Participant, ParticipantNotSuspended, ParticipantSuspendedAlready
from hub.domain.quota import Quota
from hub.domain.roles import every_role
from hub.journal.recorder import AggregateStore
from hub.trust.authority import AuthorityKeyMissing, CertificateFiles, files_of, issue, issue_participant, issue_server, open_authority
from hub.trust.certificates import days_left, entry, read_certificates
from hub.trust.rotation import CertificateUnfit, issue_further
from hub.trust.server_tls import ServerCertificate, ServerCertificateUnfit
from tests.clients import DEADLINE_S, Refusal, of_feed, refusal_of, refused
from tests.hub_process import RunningHub, environment
from tests.senders import event_of

WITHIN_S = 60.0
WITHDRAWN = (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_WITHDRAWN")
SUSPENDED = (grpc.StatusCode.PERMISSION_DENIED, "PARTICIPANT_SUSPENDED")
ENDED = (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_ENDED")
TLS = (grpc.StatusCode.UNAVAILABLE, "")


def run(hub: RunningHub, *arguments: str) -> Result:
    """Runs `hub participants …` on a hub's database."""
    return CliRunner().invoke(app, ["participants", *arguments], env=environment(hub.dsn, hub.data_dir))


def done(hub: RunningHub, *arguments: str) -> str:
    """Runs a command that must succeed."""
    result = run(hub, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def added(hub: RunningHub, name: str, *options: str) -> str:
    """Registers a participant of Chongqing with a feed of its name, and returns the name."""
    done(hub, "add", name, "--province", "50", "--feed", name, "--every-role", *options)
    return name


def participant(hub: RunningHub, name: str) -> Participant:
    """The participant as its events show it."""
    with contextlib.closing(AggregateStore(hub.dsn)) as store:
        return find_participant(store, name)


def files(hub: RunningHub, stem: str) -> CertificateFiles:
    return files_of(hub.certificates_dir, stem)


def fingerprint(certificate: CertificateFiles) -> str:
    return entry(read_certificates(certificate.certificate)[0]).fingerprint


def opened(hub: RunningHub, certificate: CertificateFiles, *options: tuple[str, int]) -> grpc.Channel:
    """A connection of its own with a certificate."""
    authority = files(hub, "ca").certificate.read_bytes()
    credentials = grpc.ssl_channel_credentials(authority, certificate.key.read_bytes(), certificate.certificate.read_bytes())
    return grpc.secure_channel(hub.targets[0], credentials, [("grpc.use_local_subchannel_pool", 1), *options])


def asks(channel: grpc.Channel, feed: str) -> feed_service_pb2.GetFeedResponse:
    stub = feed_service_pb2_grpc.FeedServiceStub(channel)
    return stub.GetFeed(feed_service_pb2.GetFeedRequest(feed=feed), timeout=DEADLINE_S)


def outcome(hub: RunningHub, certificate: CertificateFiles, feed: str) -> tuple[grpc.StatusCode, str]:
    """How one call with a certificate over a new connection ends."""
    with opened(hub, certificate) as channel:
        try:
            asks(channel, feed)
        except grpc.RpcError as error:
            # Another call might end otherwise: what was just registered is known a moment later.
            return how(refusal_of(error))
    return (grpc.StatusCode.OK, "")


def becomes(expected: tuple[grpc.StatusCode, str], hub: RunningHub, certificate: CertificateFiles, feed: str) -> bool:
    """Whether calls with a certificate come to end so."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        if outcome(hub, certificate, feed) == expected:
            return True
        time.sleep(0.1)
    return False


def how(refusal: Refusal) -> tuple[grpc.StatusCode, str]:
    return refusal.code, refusal.reason


# Commands


def test_add_registers_and_records_the_certificate_it_issues(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.added")
    assert list(participant(shared_hub, name).certificates) == [fingerprint(files(shared_hub, name))]
    assert outcome(shared_hub, files(shared_hub, name), name) == (grpc.StatusCode.OK, "")


def test_list_tells_state_feeds_and_days_of_certificates(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.listed")
    row = next(row for row in json.loads(done(shared_hub, "list", "--json")) if row["name"] == name)
    (certificate,) = row["certificates"]
    assert (row["state"], row["feeds"], certificate["state"]) == ("ACTIVE", {name: 1}, "VALID")
    assert 364 < certificate["days_left"] <= 365
    assert certificate["fingerprint"][:16] in done(shared_hub, "list")


def test_rotate_puts_a_new_certificate_beside_the_old_and_both_open_the_hub(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.rotated")
    output = done(shared_hub, "rotate", name)
    old, new = files(shared_hub, name), files(shared_hub, f"{name}_2")
    assert fingerprint(old) in output
    assert fingerprint(new) in output
    assert f"hub participants withdraw {name} --all-but-newest" in output
    assert outcome(shared_hub, old, name) == outcome(shared_hub, new, name) == (grpc.StatusCode.OK, "")


def test_rotate_can_withdraw_the_old_at_once(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.replaced")
    done(shared_hub, "rotate", name, "--withdraw-old", "--reason", "KEY_LOST")
    assert participant(shared_hub, name).withdrawn == {fingerprint(files(shared_hub, name)): "KEY_LOST"}
    assert outcome(shared_hub, files(shared_hub, f"{name}_2"), name) == (grpc.StatusCode.OK, "")


def test_a_certificate_known_before_that_is_put_in_place_again_is_the_one_that_stays(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.known")
    first = files(shared_hub, name)
    done(shared_hub, "rotate", name)
    assert "--all-but-newest" not in done(shared_hub, "rotate", name, "--certificate-file", str(first.certificate))
    done(shared_hub, "rotate", name, "--certificate-file", str(first.certificate), "--withdraw-old")
    assert list(participant(shared_hub, name).withdrawn) == [fingerprint(files(shared_hub, f"{name}_2"))]
    assert outcome(shared_hub, first, name) == (grpc.StatusCode.OK, "")


@pytest.mark.parametrize("command", [["rotate"], ["add", "--province", "50", "--feed", "cq.gone"]])
def test_a_withdrawn_certificate_is_not_put_in_place_again(shared_hub: RunningHub, command: list[str]) -> None:
    name = added(shared_hub, "cq.gone")
    done(shared_hub, "withdraw", name, "--all", "--reason", "KEY_LOST")
    result = run(shared_hub, *command, name, "--certificate-file", str(files(shared_hub, name).certificate))
    assert isinstance(result.exception, CertificateWithdrawnBefore)


def test_where_nothing_older_is_in_force_nothing_is_withdrawn(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.newest")
    assert isinstance(run(shared_hub, "withdraw", name, "--all-but-newest", "--reason", "X").exception, NothingOlder)
    assert participant(shared_hub, name).withdrawn == {}


def test_add_issues_another_certificate_only_if_none_is_in_force(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.again")
    added(shared_hub, name)
    assert not files(shared_hub, f"{name}_2").certificate.exists()
    done(shared_hub, "withdraw", name, "--all", "--reason", "KEY_LOST")
    added(shared_hub, name)
    assert list(participant(shared_hub, name).certificates) == [fingerprint(files(shared_hub, stem)) for stem in (name, f"{name}_2")]


def test_a_certificate_of_before_this_was_recorded_still_opens_the_hub_and_can_be_withdrawn(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.earlier", "--no-certificate")
    earlier = issue_participant(shared_hub.certificates_dir, f"{PREFIX}{name}")
    assert outcome(shared_hub, earlier, name) == (grpc.StatusCode.OK, "")
    done(shared_hub, "rotate", name)
    done(shared_hub, "withdraw", name, "--all-but-newest", "--reason", "ROTATED")
    assert list(participant(shared_hub, name).withdrawn) == [fingerprint(earlier)]


def test_a_certificate_nobody_knows_is_withdrawn_by_its_whole_fingerprint(shared_hub: RunningHub, tmp_path: Path) -> None:
    name = added(shared_hub, "cq.copied")
    copy = issue_further(shared_hub.certificates_dir, f"{PREFIX}{name}")
    copy = moved(copy, tmp_path)
    assert outcome(shared_hub, copy, name) == (grpc.StatusCode.OK, "")
    done(shared_hub, "withdraw", name, "--fingerprint", fingerprint(copy), "--reason", "NOT_OURS")
    assert becomes(WITHDRAWN, shared_hub, copy, name)
    assert outcome(shared_hub, files(shared_hub, name), name) == (grpc.StatusCode.OK, "")


def moved(certificate: CertificateFiles, directory: Path) -> CertificateFiles:
    """Takes a certificate and its key out of the hub's folder."""
    elsewhere = CertificateFiles(certificate.authority, directory / "client.crt", directory / "client.key")
    certificate.certificate.rename(elsewhere.certificate)
    certificate.key.rename(elsewhere.key)
    return elsewhere


def test_the_first_digits_of_a_fingerprint_are_enough_if_they_are_eight(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.digits")
    done(shared_hub, "rotate", name)
    first = fingerprint(files(shared_hub, name))
    assert isinstance(run(shared_hub, "withdraw", name, "--fingerprint", first[:7], "--reason", "X").exception, CertificateUnknown)
    done(shared_hub, "withdraw", name, "--fingerprint", first[:8], "--reason", "X")
    assert list(participant(shared_hub, name).withdrawn) == [first]


def test_the_last_certificate_is_withdrawn_only_by_all(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.last")
    only = fingerprint(files(shared_hub, name))
    assert isinstance(run(shared_hub, "withdraw", name, "--fingerprint", only, "--reason", "X").exception, LastCertificate)
    assert participant(shared_hub, name).withdrawn == {}
    done(shared_hub, "withdraw", name, "--all", "--reason", "X")
    assert list(participant(shared_hub, name).withdrawn) == [only]


@pytest.mark.parametrize("arguments", [["withdraw"], ["withdraw", "--all"], ["suspend"]])
def test_withdrawal_and_suspension_want_a_choice_and_a_reason(shared_hub: RunningHub, arguments: list[str]) -> None:
    assert run(shared_hub, *arguments, "cq.card-center").exit_code == 2


def test_a_reason_is_a_code_of_some_length(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.wordy")
    assert isinstance(run(shared_hub, "suspend", name, "--reason", "").exception, RequestInvalid)
    assert isinstance(run(shared_hub, "withdraw", name, "--all", "--reason", "X" * 65).exception, RequestInvalid)


@pytest.mark.parametrize("feed", ["hub.index", "hub", "hub.cq", "a9c81565-8065-5b40-838b-e957989c59b1"])
def test_no_feed_of_a_participant_has_the_name_of_a_stream_of_the_hub(shared_hub: RunningHub, feed: str) -> None:
    refusal = run(shared_hub, "add", "cq.grasping", "--province", "50", "--feed", "cq.grasping", "--feed", feed).exception
    assert isinstance(refusal, RequestInvalid)
    assert "feeds[1]" in str(refusal)


def test_a_participant_that_is_not_registered_is_not_found(shared_hub: RunningHub) -> None:
    for command in (["rotate"], ["resume"], ["suspend", "--reason", "X"], ["withdraw", "--all", "--reason", "X"]):
        assert isinstance(run(shared_hub, *command, "cq.nobody").exception, ParticipantNotFound)
    assert not files(shared_hub, "cq.nobody").certificate.exists()


def test_suspension_and_resumption_alternate(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.paused")
    assert isinstance(run(shared_hub, "resume", name).exception, ParticipantNotSuspended)
    done(shared_hub, "suspend", name, "--reason", "KEY_LOST")
    assert isinstance(run(shared_hub, "suspend", name, "--reason", "KEY_LOST").exception, ParticipantSuspendedAlready)
    done(shared_hub, "resume", name)
    assert becomes((grpc.StatusCode.OK, ""), shared_hub, files(shared_hub, name), name)


def test_a_change_that_another_was_faster_with_is_refused(shared_hub: RunningHub) -> None:
    name, store = added(shared_hub, "cq.contested"), AggregateStore(shared_hub.dsn)
    with pytest.raises(ParticipantChanged), contextlib.closing(store), changing(store, name) as contested:
        done(shared_hub, "suspend", name, "--reason", "KEY_LOST")
        contested.withdraw_certificate(fingerprint(files(shared_hub, name)), "KEY_LOST", datetime.now(UTC))
    assert participant(shared_hub, name).withdrawn == {}


# Requests, and other authorities


def requested(path: Path, *names: str, key: CertificateIssuerPrivateKeyTypes | None = None) -> tuple[Path, CertificateFiles]:
    """A certificate request for URI names, with a key that the hub never sees."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")]))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name) for name in names]), critical=False)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (path / "client.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (path / "client.csr").write_bytes(request.public_bytes(pem))
    return path / "client.csr", CertificateFiles(path / "ca.crt", path / "client.crt", path / "client.key")


def test_a_request_is_signed_and_the_key_stays_with_the_participant(shared_hub: RunningHub, tmp_path: Path) -> None:
    name = added(shared_hub, "cq.own-key", "--no-certificate")
    csr, own = requested(tmp_path, f"{PREFIX}{name}")
    done(shared_hub, "rotate", name, "--csr", str(csr), "--days", "30")
    own.certificate.write_bytes(files(shared_hub, name).certificate.read_bytes())
    assert not files(shared_hub, name).key.exists()
    assert outcome(shared_hub, own, name) == (grpc.StatusCode.OK, "")
    assert 29 < days_left(shared_hub.certificates_dir, [participant(shared_hub, name)], datetime.now(UTC))[name] <= 30


@pytest.mark.parametrize(
    "names", [[f"{PREFIX}sc.card-center"], [], [f"{PREFIX}cq.requests", f"{PREFIX}sc.card-center"], [f"{PREFIX}cq.requests.x"]]
)
def test_a_request_for_another_name_is_refused(shared_hub: RunningHub, tmp_path: Path, names: list[str]) -> None:
    name = added(shared_hub, "cq.requests", "--no-certificate")
    csr, _ = requested(tmp_path, *names)
    assert isinstance(run(shared_hub, "rotate", name, "--csr", str(csr)).exception, CertificateUnfit)
    assert participant(shared_hub, name).certificates == {}
    assert not files(shared_hub, name).certificate.exists()


def test_a_request_with_a_key_that_tls_does_not_take_is_refused(shared_hub: RunningHub, tmp_path: Path) -> None:
    name = added(shared_hub, "cq.edwards", "--no-certificate")
    csr, _ = requested(tmp_path, f"{PREFIX}{name}", key=ed25519.Ed25519PrivateKey.generate())
    assert isinstance(run(shared_hub, "rotate", name, "--csr", str(csr)).exception, CertificateUnfit)


def test_what_is_no_request_is_refused(shared_hub: RunningHub, tmp_path: Path) -> None:
    (tmp_path / "client.csr").write_bytes(b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n")
    result = run(shared_hub, "rotate", "cq.card-center", "--csr", str(tmp_path / "client.csr"))
    assert isinstance(result.exception, CertificateUnfit)


def test_a_certificate_of_another_authority_opens_the_hub_once_it_is_trusted_and_registered(shared_hub: RunningHub, tmp_path: Path) -> None:
    name = added(shared_hub, "cq.own-authority", "--no-certificate")
    open_authority(tmp_path, "Chongqing CA")
    own = issue_participant(tmp_path, f"{PREFIX}{name}")
    options = ("--province", "50", "--feed", name, "--certificate-file", str(own.certificate))
    assert outcome(shared_hub, own, name) == TLS
    assert isinstance(run(shared_hub, "add", name, *options).exception, CertificateUnfit)
    done(shared_hub, "trust", str(own.authority))
    assert outcome(shared_hub, own, name) == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_UNREGISTERED")
    done(shared_hub, "add", name, *options)
    assert becomes((grpc.StatusCode.OK, ""), shared_hub, own, name)
    assert not files(shared_hub, name).certificate.exists()


def test_a_trusted_authority_does_not_speak_for_others(shared_hub: RunningHub, tmp_path: Path) -> None:
    open_authority(tmp_path, "Another CA")
    forged = issue_participant(tmp_path, f"{PREFIX}sc.card-center")
    done(shared_hub, "trust", str(forged.authority))
    assert outcome(shared_hub, forged, "sc.card-center") == (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_UNREGISTERED")
    result = run(shared_hub, "rotate", "cq.card-center", "--certificate-file", str(forged.certificate))
    assert isinstance(result.exception, CertificateUnfit)


def test_an_authority_that_bears_anothers_name_is_not_trusted(shared_hub: RunningHub, tmp_path: Path) -> None:
    open_authority(tmp_path)
    assert isinstance(run(shared_hub, "trust", str(tmp_path / "ca.crt")).exception, CertificateUnfit)


def test_an_authority_that_is_trusted_no_more_speaks_for_nobody(tmp_path: Path) -> None:
    own = issue_participant(tmp_path / "own", f"{PREFIX}cq.card-center")
    foreign = issue_participant(tmp_path / "foreign", f"{PREFIX}cq.card-center")
    peers = [Peers(tmp_path / "own").of(certificate.certificate.read_bytes()) for certificate in (own, foreign)]
    assert [peer is not None and peer.needs_registration for peer in peers] == [False, True]


def test_a_participants_certificate_is_no_authority(shared_hub: RunningHub, tmp_path: Path) -> None:
    leaf = issue_participant(tmp_path, f"{PREFIX}cq.leaf")
    assert isinstance(run(shared_hub, "trust", str(leaf.certificate)).exception, CertificateUnfit)


def test_without_the_authoritys_key_certificates_come_from_elsewhere(shared_hub: RunningHub, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(files(shared_hub, "ca").certificate.read_bytes())
    with pytest.raises(AuthorityKeyMissing):
        issue_further(tmp_path, f"{PREFIX}cq.card-center")


# Open streams


def lines(channel: grpc.Channel, feed: str, stop: threading.Event) -> dict[str, Callable[[], Any]]:
    """Every kind of stream, opened and then idle: each call returns when the stream ends."""

    def silent() -> Iterator[Any]:
        stop.wait(100)
        yield from ()

    def after_one_batch() -> Iterator[feed_service_pb2.StreamEventsRequest]:
        yield feed_service_pb2.StreamEventsRequest(feed=feed, first_sequence=1, events=[event_of(feed, 1)])
        yield from silent()

    feeds = feed_service_pb2_grpc.FeedServiceStub(channel)
    subscribe = subscription_service_pb2_grpc.SubscriptionServiceStub(channel).Subscribe
    deltas = hotlist_service_pb2_grpc.HotlistServiceStub(channel).StreamHotlistDeltas
    return {
        "StreamEvents": lambda: list(feeds.StreamEvents(after_one_batch())),
        "StreamAcceptance": lambda: list(card_service_pb2_grpc.CardServiceStub(channel).StreamAcceptance(silent())),
        "Subscribe": lambda: list(subscribe(subscription_service_pb2.SubscribeRequest())),
        "StreamHotlistDeltas": lambda: list(deltas(hotlist_service_pb2.StreamHotlistDeltasRequest(from_epoch=1, follow=True))),
    }


METHODS = ["StreamEvents", "StreamAcceptance", "Subscribe", "StreamHotlistDeltas"]
Endings = dict[tuple[str, str], Refusal]


@pytest.fixture(scope="module")
def endings(shared_hub: RunningHub) -> Endings:
    """How idle streams ended: of one withdrawn, one suspended, one whose certificate ends; those of a fourth go on."""
    built = CliRunner().invoke(app, ["hotlist", "build"], env=environment(shared_hub.dsn, shared_hub.data_dir))
    assert built.exit_code == 0, built.output
    names = [added(shared_hub, f"cq.idle-{what}", "--no-certificate") for what in ("withdrawn", "suspended", "ended", "kept")]
    stop, found = threading.Event(), {}

    def wait(name: str, method: str, call: Callable[[], Any]) -> None:
        found[name.removeprefix("cq.idle-"), method] = refused(call)

    channels = {}
    with ThreadPoolExecutor(16) as pool:
        for name in names:
            # A slow machine connects meanwhile.
            valid_for = timedelta(seconds=10) if name == "cq.idle-ended" else timedelta(days=1)
            channels[name] = opened(shared_hub, issue_participant(shared_hub.certificates_dir, f"{PREFIX}{name}", valid_for))
            asks(channels[name], name)
        waiting = {
            name: [pool.submit(wait, name, method, call) for method, call in lines(channel, name, stop).items()]
            for name, channel in channels.items()
        }
        time.sleep(0.5)
        try:
            done(shared_hub, "withdraw", "cq.idle-withdrawn", "--all", "--reason", "KEY_LOST")
            done(shared_hub, "suspend", "cq.idle-suspended", "--reason", "KEY_LOST")
            for name in ("cq.idle-withdrawn", "cq.idle-suspended", "cq.idle-ended"):
                wait_for(waiting[name], DEADLINE_S)
            assert not any(future.done() for future in waiting["cq.idle-kept"])
        finally:
            stop.set()
            for channel in channels.values():
                channel.close()
    return found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("what", "expected"), [("withdrawn", WITHDRAWN), ("suspended", SUSPENDED), ("ended", ENDED)])
def test_an_idle_stream_ends_by_itself(endings: Endings, what: str, expected: tuple[grpc.StatusCode, str], method: str) -> None:
    assert how(endings[what, method]) == expected


@pytest.mark.usefixtures("endings")
def test_streams_that_were_ended_leave_nothing_behind(shared_hub: RunningHub) -> None:
    assert "never retrieved" not in shared_hub.edges[0].log.read_text()


def test_a_stream_whose_reader_lags_ends_all_the_same(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.lagging")
    with opened(shared_hub, files(shared_hub, name), ("grpc.http2.bdp_probe", 0)) as channel:
        feeds = feed_service_pb2_grpc.FeedServiceStub(channel)
        for first in range(1, 2_001, 500):
            batch = [event_of(name, number) for number in range(first, first + 500)]
            feeds.AppendEvents(feed_service_pb2.AppendEventsRequest(feed=name, first_sequence=first, events=batch), timeout=DEADLINE_S)
        stream = subscription_service_pb2_grpc.SubscriptionServiceStub(channel).Subscribe(subscription_service_pb2.SubscribeRequest())
        next(stream)
        done(shared_hub, "withdraw", name, "--all", "--reason", "KEY_LOST")
        assert becomes(WITHDRAWN, shared_hub, files(shared_hub, name), name)
        time.sleep(CHECK_EVERY_S)
        delivered = 0

        def read_on() -> None:
            nonlocal delivered
            for response in stream:
                delivered += response.HasField("delivered")

        assert how(refused(read_on)) == WITHDRAWN
        assert delivered < 2_000


def test_nothing_is_taken_in_any_more_from_a_withdrawn_stream_that_does_not_read_its_answers(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.not-reading")
    done(shared_hub, "rotate", name)
    done(shared_hub, "quota", name, "--streams-at-once", "1")
    batches: queue.SimpleQueue[feed_service_pb2.StreamEventsRequest | None] = queue.SimpleQueue()

    def push(number: int) -> None:
        # Each answer says what is wrong with its events, in 50 kB: two of them fill the window, and others wait behind them. One that were
        # larger than the whole window would stop half way: gRPC sends no refusal behind it, and the connection is closed in its time.
        events = [event_pb2.Event()] * 250
        batches.put(feed_service_pb2.StreamEventsRequest(feed=name, first_sequence=number * 250 + 1, events=events))

    with (
        opened(shared_hub, files(shared_hub, name), ("grpc.http2.bdp_probe", 0)) as old,
        opened(shared_hub, files(shared_hub, f"{name}_2")) as new,
    ):
        stream = feed_service_pb2_grpc.FeedServiceStub(old).StreamEvents(iter(batches.get, None))
        for number in range(6):
            push(number)
        recorded(new, name, 1_500)
        done(shared_hub, "withdraw", name, "--all-but-newest", "--reason", "KEY_LOST")
        assert becomes(WITHDRAWN, shared_hub, files(shared_hub, name), name)
        time.sleep(1.5 * CHECK_EVERY_S)
        push(6)
        until_a_stream_opens(new)
        assert asks(new, name).next_sequence == 1_501
        assert how(refused(lambda: list(stream))) == WITHDRAWN
        batches.put(None)


def until_a_stream_opens(channel: grpc.Channel) -> None:
    """Tries to open a stream until the quota lets it."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        with contextlib.suppress(grpc.RpcError):
            list(feed_service_pb2_grpc.FeedServiceStub(channel).StreamEvents(iter(()), timeout=DEADLINE_S))
            return
    raise AssertionError("no stream opens")


def recorded(channel: grpc.Channel, feed: str, count: int) -> None:
    """Waits until a feed has so many events."""
    until = time.monotonic() + DEADLINE_S
    while asks(channel, feed).next_sequence <= count:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_look_that_is_given_up_lets_nobody_in_again(dsn: str) -> None:
    urn, store = f"{PREFIX}cq.given-up", AggregateStore(dsn)
    register_participant(store, urn, "50", urn, [], datetime.now(UTC), every_role())
    one = Peer(urn, "00" * 32)

    async def ask_again_and_again() -> None:
        directory = Directory(dsn, Quotas(Quota(1_000, 10_000, 256, 64)))
        await directory.admitted(one)
        with changing(store, urn) as withdrawn:
            withdrawn.withdraw_certificate(one.fingerprint, "KEY_LOST", datetime.now(UTC))
        await asyncio.sleep(FRESH_FOR_S + 0.1)
        given_up = asyncio.create_task(directory.admitted(one))
        await asyncio.sleep(0)
        given_up.cancel()
        try:
            with pytest.raises(CertificateWithdrawn):
                await directory.admitted(one)
        finally:
            directory.close()

    with contextlib.closing(store):
        asyncio.run(ask_again_and_again())


class Load:
    """Streams a feed over one connection as fast as it is answered, and notes what is acknowledged and how it ended."""

    def __init__(self, channel: grpc.Channel, feed: str, first: int, most: int) -> None:
        self._channel, self._feed, self._next, self._end = channel, feed, first, first + most
        self.acknowledged: dict[int, int] = {}
        self.ended: tuple[grpc.StatusCode, str] = (grpc.StatusCode.OK, "")
        self._ended = threading.Event()
        self._window = threading.Semaphore(4)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _batches(self) -> Iterator[feed_service_pb2.StreamEventsRequest]:
        while self._next < self._end and not self._ended.is_set():
            if self._window.acquire(timeout=0.1):
                events = [event_of(self._feed, number) for number in range(self._next, self._next + 10)]
                yield feed_service_pb2.StreamEventsRequest(feed=self._feed, first_sequence=self._next, events=events)
                self._next += 10
                time.sleep(0.005)

    def _run(self) -> None:
        answers = feed_service_pb2_grpc.FeedServiceStub(self._channel).StreamEvents(self._batches())

        def take() -> str:
            for answer in answers:
                self.acknowledged.update(enumerate(answer.appended.positions, answer.appended.first_sequence))
                self._window.release()
            raise EOFError

        with contextlib.suppress(EOFError):
            self.ended = how(refused(take))
        self._ended.set()


def test_rotation_and_withdrawal_under_load_lose_no_acknowledged_event(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.loaded")
    with opened(shared_hub, files(shared_hub, name)) as old:
        before = Load(old, name, 1, 1_000_000)
        time.sleep(0.5)
        done(shared_hub, "rotate", name)
        with opened(shared_hub, files(shared_hub, f"{name}_2")) as new:
            asks(new, name)
            done(shared_hub, "withdraw", name, "--all-but-newest", "--reason", "ROTATED")
            before.thread.join(60)
            assert before.ended == WITHDRAWN
            assert how(refused(lambda: asks(old, name))) == WITHDRAWN
            first = asks(new, name).next_sequence
            after = Load(new, name, first, 200)
            after.thread.join(60)
    assert after.ended == (grpc.StatusCode.OK, "")
    recorded = {event.sequence: event.position for event in of_feed(shared_hub.dsn, name)}
    assert list(recorded) == list(range(1, first + 200))
    assert len(before.acknowledged) > 100
    assert {**before.acknowledged, **after.acknowledged}.items() <= recorded.items()


# Ends of certificates


def test_a_certificate_that_has_ended_makes_no_connection(shared_hub: RunningHub) -> None:
    name = added(shared_hub, "cq.over", "--no-certificate")
    over = issue_participant(shared_hub.certificates_dir, f"{PREFIX}{name}", timedelta(seconds=-1))
    assert outcome(shared_hub, over, name) == TLS


def test_days_left_tells_the_servers_the_authoritys_and_each_newest(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    issue_server(tmp_path, valid_for=timedelta(days=29))
    urn = f"{PREFIX}cq.card-center"
    one = Participant.begin("participant_registered", registration(urn), Participant.create_id(urn), now)
    one.add_certificate(entry(read_certificates(issue_participant(tmp_path, urn, timedelta(days=300)).certificate)[0]), now)
    assert {name: round(days) for name, days in days_left(tmp_path, [one], now).items()} == {
        "ca": 3650, "server": 29, "cq.card-center": 300}  # fmt: skip
    newer = entry(read_certificates(issue_further(tmp_path, urn, timedelta(days=12)).certificate)[0])
    one.add_certificate(newer, now)
    assert round(days_left(tmp_path, [one], now)["cq.card-center"]) == 12
    one.withdraw_certificate(newer.fingerprint, "KEY_LOST", now)
    assert round(days_left(tmp_path, [one], now)["cq.card-center"]) == 300
    assert days_left(tmp_path / "elsewhere", [], now) == {}


# The hub's own certificate


def test_the_hubs_certificate_is_renewed_thirty_days_before_its_end_with_the_same_names(tmp_path: Path) -> None:
    issue_server(tmp_path, ("hub.example", "localhost"), timedelta(days=31))
    before = files_of(tmp_path, "server").certificate.read_bytes()
    assert issue_server(tmp_path).certificate.read_bytes() == before
    own = issue_server(tmp_path / "due", ("hub.example", "localhost"), timedelta(days=29))
    renewing(own, 0.0)
    (renewed,) = read_certificates(own.certificate)
    names = renewed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["hub.example", "localhost"]
    assert entry(renewed).not_after > datetime.now(UTC) + timedelta(days=364)


def renewing(own: CertificateFiles, every_s: float) -> None:
    """Lets the keeper of the hub's certificate look until the file has changed."""

    async def until_changed() -> None:
        before = own.certificate.read_bytes()
        keeper = asyncio.create_task(ServerCertificate(own).keep(every_s))
        async with asyncio.timeout(5):
            while own.certificate.read_bytes() == before:
                await asyncio.sleep(0.01)
        keeper.cancel()

    asyncio.run(until_changed())


def test_a_renewed_certificate_is_shown_to_new_connections_and_open_ones_go_on(shared_hub: RunningHub) -> None:
    own, name = files(shared_hub, "server"), added(shared_hub, "cq.bystander")
    with opened(shared_hub, files(shared_hub, name)) as going_on:
        asks(going_on, name)
        before = shown_serial(shared_hub, files(shared_hub, name))
        names = read_certificates(own.certificate)[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        issue(own, list(names), ExtendedKeyUsageOID.SERVER_AUTH, timedelta(days=90))
        shown = shown_serial(shared_hub, files(shared_hub, name))
        assert shown != before
        assert shown == read_certificates(own.certificate)[0].serial_number
        assert outcome(shared_hub, files(shared_hub, name), name) == (grpc.StatusCode.OK, "")
        asks(going_on, name)


def test_a_hub_does_not_start_with_a_certificate_that_its_key_does_not_fit(tmp_path: Path) -> None:
    own = issue_server(tmp_path)
    own.key.write_bytes(files_of(tmp_path, "ca").key.read_bytes())
    with pytest.raises(ServerCertificateUnfit):
        ServerCertificate(own).credentials()


def test_a_certificate_whose_key_is_missing_is_not_taken(shared_hub: RunningHub) -> None:
    own, name = files(shared_hub, "server"), added(shared_hub, "cq.undisturbed")
    before, key = shown_serial(shared_hub, files(shared_hub, name)), own.key.read_bytes()
    own.key.write_bytes(files(shared_hub, name).key.read_bytes())
    try:
        assert shown_serial(shared_hub, files(shared_hub, name)) == before
        assert logs(shared_hub, "the changed files are not taken")
    finally:
        own.key.write_bytes(key)


def shown_serial(hub: RunningHub, certificate: CertificateFiles) -> int:
    """The serial number of the certificate that the hub shows a new connection."""
    context = ssl.create_default_context(cafile=str(certificate.authority))
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.set_alpn_protocols(["h2"])
    host, _, port = hub.targets[0].rpartition(":")
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host) as secured:
        return int(secured.getpeercert()["serialNumber"], 16)


def logs(hub: RunningHub, text: str) -> bool:
    """Whether the hub's log comes to say something."""
    until = time.monotonic() + WITHIN_S
    while text not in hub.edges[0].log.read_text() and time.monotonic() < until:
        time.sleep(0.05)
    return text in hub.edges[0].log.read_text()


def registration(urn: str) -> hub_decisions_pb2.ParticipantRegistered:
    return hub_decisions_pb2.ParticipantRegistered(participant=urn, province="50", feeds=[])
