"""The gRPC server: its parts, its listeners (mutual TLS), its start and its draining stop: what was opened, from the last to the first."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import grpc
import psycopg
from grpc_health.v1 import health_pb2

from hub.admin.receipts import take_up
from hub.api.audits.requests import AuditRequests
from hub.api.audits.service import AuditService
from hub.api.cards.card_reader import CardReader
from hub.api.cards.checks import Checks
from hub.api.cards.looks import Looks
from hub.api.cards.service import CardService
from hub.api.consumption.service import ConsumptionService
from hub.api.culture.service import CultureService
from hub.api.edge.client_certificate import Peer
from hub.api.edge.connections import CLOSE_REFUSED_AFTER_S, Connections
from hub.api.edge.directory import Directory
from hub.api.edge.first_message import FIRST_MESSAGE_S
from hub.api.edge.handlers import Gate, Methods
from hub.api.edge.health import Health
from hub.api.edge.quota import Quotas
from hub.api.edge.readiness import SERVICES, Limits, Readiness, StandbyReadiness
from hub.api.edge.reads_only import refusing
from hub.api.edge.standard_services import add_standard_services
from hub.api.edge.transport import CALLS_OF_ALL, OPTIONS, listen
from hub.api.edge.turns import Reads
from hub.api.feeds.block_keys import BlockKeys
from hub.api.feeds.receipts import Receipts
from hub.api.feeds.service import FeedService
from hub.api.findings.service import FindingService
from hub.api.funds.service import FundService
from hub.api.hotlists.service import HotlistService
from hub.api.indicators.service import IndicatorService
from hub.api.joint_services.case_service import CaseService
from hub.api.joint_services.service import ServiceItemService
from hub.api.medical.service import MedicalService
from hub.api.reconciliations.service import ReconciliationService
from hub.api.settlements.service import SettlementService
from hub.api.subscriptions.service import SubscriptionService
from hub.api.transit.service import TransitService
from hub.audit.rule_versions import publish_rules
from hub.domain import reference
from hub.domain.participant import DECISIONS_FEED, HUB
from hub.domain.quota import Quota
from hub.intake.batch import Intake
from hub.intake.digests import Digests
from hub.intake.turn import Questions
from hub.journal.decisions import DecisionWriter
from hub.journal.receipts import log_origin
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.journal.writer import JournalWriter
from hub.telemetry import names
from hub.telemetry.spans import Call
from hub.trust.authority import CertificateFiles
from hub.trust.keyring import Keyring, compare_fingerprint, verify_fingerprint
from hub.trust.receipt_keys import ReceiptKeys, open_receipt_keys
from hub.trust.server_tls import ServerCertificate

DRAIN_S = 10.0
# Makes one more service.
Further = Callable[[Gate, Checks], Methods]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where it listens and with which certificates; *plaintext* is a loopback port that only the bench opens.

    An edge that *reads_only* is at a standby, or does as if it was.
    """

    dsn: str
    listen: str
    certificates: CertificateFiles
    keyring: Keyring
    keys_dir: Path
    log_name: str
    quota: Quota
    plaintext_port: int = 0
    plaintext_caller: str = ""
    limits: Limits = field(default_factory=Limits)
    close_refused_after_s: float = CLOSE_REFUSED_AFTER_S
    first_message_s: float = FIRST_MESSAGE_S
    reads_only: bool = False
    # Where the files of audits are.
    data_dir: Path = Path("data")


# Services about what is on record of a person.
_OF_PERSONS = (MedicalService, CultureService, TransitService, ConsumptionService)


def _of_both_sides(dsn: str, looks: Looks) -> tuple[SettlementService, ReconciliationService, IndicatorService, FindingService]:
    """Returns the services about money between the provinces, and about what their joint meeting asks for."""
    return SettlementService(dsn), ReconciliationService(dsn), IndicatorService(dsn), FindingService(dsn, looks)


class HubServer:
    """One process's edge: start, wait, stop."""

    def __init__(self, settings: ServerSettings) -> None:
        """Nothing is opened before `start`; it is made where an event loop runs."""
        self._settings = settings
        self._server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=CALLS_OF_ALL)
        self._opened = contextlib.AsyncExitStack()
        self._forced = asyncio.Event()
        self.readiness: Readiness | None = None
        self.port = 0
        self.plaintext_port = 0

    async def start(self, further: Further | None = None) -> None:
        """Opens everything and listens; raises KeyMismatch when the keys are not the database's, AddressTaken, or ServerCertificateUnfit.

        *further* makes one more service (the bench's). What was opened is closed again where the start fails.
        """
        settings = self._settings
        with session(settings.dsn, "hub_writer", "hub-server") as connection:
            (compare_fingerprint if settings.reads_only else verify_fingerprint)(connection, settings.keyring)
            # First of all: where another process listens, nothing is to be opened.
            certificate = ServerCertificate(settings.certificates)
            self._listen(certificate)
            own = None if settings.reads_only else await asyncio.to_thread(_prepare_own, settings, connection)
        async with contextlib.AsyncExitStack() as opened:
            quotas = Quotas(settings.quota)
            names.CALLS_UNDER_WAY.read = quotas.under_way
            directory = Directory(settings.dsn, quotas)
            opened.callback(directory.close)
            gate = Gate(directory, settings.certificates.authority.parent, settings.plaintext_caller, settings.first_message_s)
            readiness = (
                self._add_reading_services(opened, gate)
                if own is None
                else self._add_services(opened, gate, own, quotas.questions, further)
            )
            opened.callback(quotas.release)
            opened.callback(gate.leash.close)
            await self._answer(opened, gate, readiness, certificate)
            self._opened = opened.pop_all()

    def _add_services(
        self, opened: contextlib.AsyncExitStack, gate: Gate, own: "_Own", questions: Questions, further: Further | None
    ) -> Readiness:
        settings, dsn, keyring, directory = self._settings, self._settings.dsn, self._settings.keyring, gate.directory
        digests = Digests(keyring, is_open=own.has_open_digests)
        tables, intake = reference.load(), Intake(keyring, digests, questions)
        writer = JournalWriter(dsn)
        writer.start()
        opened.push_async_callback(writer.stop)
        names.QUEUE_WAITING.read = lambda: {(): writer.waiting_events}
        names.QUEUE_FULLNESS.read = lambda: {(): writer.fullness}
        self.readiness = readiness = Readiness(dsn, writer, settings.limits)
        card_reader = CardReader(dsn, readiness.refused)
        opened.push_async_callback(card_reader.stop)
        decisions = DecisionWriter(dsn, own.decisions_stream)
        opened.push_async_callback(decisions.stop)
        reads = Reads(dsn, "hub_reader", "hub-reads", 2)
        opened.callback(reads.close)
        checks = Checks(reads, card_reader, decisions, intake.identifiers, keyring, tables)
        opened.push_async_callback(checks.stop)
        hotlists = HotlistService(dsn)
        looks = Looks(decisions)
        cards = CardService(dsn, card_reader, checks, intake.identifiers, tables, keyring, looks, reads)
        cases = CaseService(dsn, tables)
        opened.push_async_callback(cases.stop)
        asked = (
            ServiceItemService(dsn, card_reader, intake.identifiers, tables, looks),
            *(kind(dsn, intake.identifiers, tables, looks) for kind in _OF_PERSONS),
            *_of_both_sides(dsn, looks),
            FundService(dsn, checks, intake.identifiers, tables),
        )
        for one in (hotlists, cards, *asked):
            opened.callback(one.close)
        subscriptions = SubscriptionService(dsn, keyring)
        opened.push_async_callback(subscriptions.stop)
        # Closed is from the last to the first: what ends streams, then the running calls, then what these still need.
        opened.push_async_callback(self._drain)
        opened.callback(hotlists.stop)
        opened.callback(subscriptions.release)
        opened.callback(cases.release)
        block_keys = BlockKeys(directory, reads, digests, decisions)
        feeds = FeedService(reads, writer, intake, directory, tables, readiness.pace, own.receipts, block_keys, readiness.events_refused)
        requests = AuditRequests(dsn, keyring, settings.data_dir)
        opened.callback(requests.close)
        audits = AuditService(reads, own.receipt_keys, own.receipts.origin, requests)
        services = (feeds, cards, hotlists, cases, *asked, subscriptions, audits)
        more = (further(gate, checks),) if further is not None else ()
        self._server.add_generic_rpc_handlers((Methods.of(*(service.handler(gate) for service in services), *more),))
        return readiness

    def _add_reading_services(self, opened: contextlib.AsyncExitStack, gate: Gate) -> Readiness:
        dsn = self._settings.dsn
        self.readiness = readiness = StandbyReadiness(dsn, self._settings.limits)
        hotlists = HotlistService(dsn, readiness.refused)
        opened.callback(hotlists.close)
        subscriptions = SubscriptionService(dsn, self._settings.keyring, readiness.refused)
        opened.push_async_callback(subscriptions.stop)
        cases = CaseService(dsn, reference.load(), readiness.refused)
        opened.push_async_callback(cases.stop)
        opened.push_async_callback(self._drain)
        opened.callback(hotlists.stop)
        opened.callback(subscriptions.release)
        opened.callback(cases.release)
        reading = (hotlists, subscriptions, cases)
        self._server.add_generic_rpc_handlers((Methods.of(*(service.handler(gate) for service in reading), *refusing(gate)),))
        return readiness

    async def _answer(self, opened: contextlib.AsyncExitStack, gate: Gate, readiness: Readiness, certificate: ServerCertificate) -> None:
        health = Health(gate.leash.closing, gate.is_operator, readiness.report)
        add_standard_services(self._server, gate, health)
        opened.push_async_callback(health.enter_graceful_shutdown)
        note = partial(_note, health)
        await readiness.look(note)
        await self._server.start()
        calls_per_s, close_refused_after_s = partial(_calls_per_s, gate.directory), self._settings.close_refused_after_s
        connections = Connections(self.port, gate.peers.of, calls_per_s, gate.bars, close_refused_after_s)
        names.CONNECTIONS.read = connections.of_participants
        for work in (certificate.keep(), readiness.run(note), connections.keep()):
            opened.callback(asyncio.create_task(work).cancel)

    def is_live(self) -> bool:
        """Whether the event loop turns; a server that starts still does."""
        return self.readiness is None or self.readiness.is_live()

    def report(self) -> dict[str, str]:
        """Says for each service why it is not ready, "" if it is."""
        return self.readiness.report() if self.readiness is not None else dict.fromkeys(SERVICES, "正在启动 starting")

    def _listen(self, certificate: ServerCertificate) -> None:
        self.port = listen(self._server, self._settings.listen, certificate.credentials())
        if self._settings.plaintext_caller:
            self.plaintext_port = self._server.add_insecure_port(f"127.0.0.1:{self._settings.plaintext_port}")

    async def wait(self) -> None:
        """Waits for the end of the server."""
        await self._server.wait_for_termination()

    async def stop(self, forced: asyncio.Event | None = None) -> None:
        """Says so by the health service, turns new calls away, ends streams, lets running calls end until *forced*, writes what waits."""
        if forced is not None:
            self._forced = forced
        await self._opened.aclose()

    async def _drain(self) -> None:
        draining = asyncio.create_task(self._server.stop(DRAIN_S))
        forcing = asyncio.create_task(self._forced.wait())
        await asyncio.wait((draining, forcing), return_when=asyncio.FIRST_COMPLETED)
        forcing.cancel()
        if not draining.done():
            await self._server.stop(None)
        await draining


async def _calls_per_s(directory: Directory, peer: Peer) -> int:
    return (await directory.caller(peer, Call("connections"))).allowance.calls_per_s


async def _note(health: Health, service: str, is_ready: bool) -> None:
    status = health_pb2.HealthCheckResponse.SERVING if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
    await health.set(service, status)


class _Own(NamedTuple):
    """What an edge needs of the record before it answers: the row of the hub's own feed, the keys of receipts, how digests are keyed."""

    decisions_stream: int
    receipts: Receipts
    receipt_keys: ReceiptKeys
    has_open_digests: bool


def _prepare_own(settings: ServerSettings, connection: psycopg.Connection) -> _Own:
    """Puts the rules and the key of receipts at hand into effect, and makes the hub's own feed on first start."""
    keys, now = open_receipt_keys(settings.keys_dir), datetime.now(UTC)
    with contextlib.closing(AggregateStore(settings.dsn)) as store:
        store.ensure_feeds([(DECISIONS_FEED, HUB)])
        publish_rules(connection, store, now)
        book = take_up(connection, store, keys, now)
    row = connection.execute("SELECT stream_id FROM journal.stream WHERE name = %s", (DECISIONS_FEED,)).fetchone()
    assert row is not None
    return _Own(int(row[0]), Receipts(keys.newest, log_origin(connection, settings.log_name)), keys, book.is_open)
