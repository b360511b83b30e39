"""The gRPC server: its parts, its listeners (mutual TLS), its start and its draining stop."""

import asyncio
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc
from grpc_health.v1 import health_pb2

from hub.api.cards.card_reader import CardReader
from hub.api.cards.checks import Checks
from hub.api.cards.looks import Looks
from hub.api.cards.service import CardService
from hub.api.edge.client_certificate import Peer
from hub.api.edge.connections import CLOSE_REFUSED_AFTER_S, Connections
from hub.api.edge.directory import Directory
from hub.api.edge.handlers import Gate
from hub.api.edge.health import Health
from hub.api.edge.quota import Quotas
from hub.api.edge.readiness import SERVICES, Limits, Readiness
from hub.api.edge.standard_services import add_standard_services
from hub.api.edge.transport import CALLS_OF_ALL, OPTIONS, listen
from hub.api.edge.turns import Reads
from hub.api.feeds.service import FeedService
from hub.api.hotlists.service import HotlistService
from hub.api.subscriptions.service import SubscriptionService
from hub.audit.rule_versions import publish_rules
from hub.domain import reference
from hub.domain.participant import DECISIONS_FEED, HUB
from hub.domain.quota import Quota
from hub.intake.batch import Intake
from hub.journal.decisions import DecisionWriter
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.journal.writer import JournalWriter
from hub.telemetry import names
from hub.telemetry.spans import Call
from hub.trust.authority import CertificateFiles
from hub.trust.keyring import Keyring, verify_fingerprint
from hub.trust.server_tls import ServerCertificate

DRAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where it listens and with which certificates; *plaintext* is a loopback port that only the bench opens."""

    dsn: str
    listen: str
    certificates: CertificateFiles
    keyring: Keyring
    quota: Quota
    plaintext_port: int = 0
    plaintext_caller: str = ""
    limits: Limits = field(default_factory=Limits)
    close_refused_after_s: float = CLOSE_REFUSED_AFTER_S


class HubServer:
    """One process's edge: start, wait, stop."""

    def __init__(self, settings: ServerSettings) -> None:
        """Nothing is opened before `start`."""
        self._settings = settings
        self.readiness: Readiness | None = None
        self.port = 0
        self.plaintext_port = 0

    async def start(self, further: Callable[[Gate, Checks], grpc.GenericRpcHandler] | None = None) -> None:
        """Opens everything and listens; raises KeyMismatch when the keys are not the database's, AddressTaken, or ServerCertificateUnfit.

        *further* makes one more service (the bench's).
        """
        # Two busy threads and the event loop share the interpreter: the default 5 ms switch would show in every answer.
        sys.setswitchinterval(0.0005)
        settings = self._settings
        with session(settings.dsn, "hub_writer", "hub-server") as connection:
            verify_fingerprint(connection, settings.keyring)
        # First of all: where another process listens, nothing is to be opened.
        self._server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=CALLS_OF_ALL)
        self._certificate = ServerCertificate(settings.certificates)
        self._listen()
        decisions_stream = await asyncio.to_thread(_prepare_own, settings.dsn)
        tables = reference.load()
        self._writer = JournalWriter(settings.dsn)
        self._writer.start()
        names.QUEUE_WAITING.read = lambda: {(): self._writer.waiting_events}
        names.QUEUE_FULLNESS.read = lambda: {(): self._writer.fullness}
        self._quotas = Quotas(settings.quota)
        names.CALLS_UNDER_WAY.read = self._quotas.under_way
        self._directory = Directory(settings.dsn, self._quotas)
        intake = Intake(settings.keyring)
        self._decisions = DecisionWriter(settings.dsn, decisions_stream)
        self.readiness = Readiness(settings.dsn, self._writer, settings.limits)
        self._cards = CardReader(settings.dsn, self.readiness.refused)
        self._reads = Reads(settings.dsn, "hub_reader", "hub-reads", 2)
        checks = self._checks = Checks(self._reads, self._cards, self._decisions, intake, settings.keyring, tables)
        feeds = FeedService(self._reads, self._writer, intake, self._directory, tables, self.readiness.pace, self.readiness.events_refused)
        cards = CardService(settings.dsn, self._cards, checks, intake, tables, settings.keyring, Looks(self._decisions))
        gate = self._gate = Gate(self._directory, settings.certificates.authority.parent, settings.plaintext_caller)
        self._server.add_generic_rpc_handlers((feeds.handler(gate), cards.handler(gate)))
        self._hotlists = HotlistService(settings.dsn)
        self._subscriptions = SubscriptionService(settings.dsn, settings.keyring)
        self._server.add_generic_rpc_handlers((self._hotlists.handler(gate),))
        self._server.add_generic_rpc_handlers((self._subscriptions.handler(gate),))
        if further is not None:
            self._server.add_generic_rpc_handlers((further(gate, checks),))
        self._health = Health(gate.leash.closing, gate.is_operator, self.readiness.report)
        add_standard_services(self._server, gate, self._health)
        await self.readiness.look(self._tell_health)
        await self._server.start()
        # What is loaded by now stays: the collector need not look at it again and again while messages come and go.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        self._renewal = asyncio.create_task(self._certificate.keep())
        self._watch = asyncio.create_task(self.readiness.run(self._tell_health))
        connections = Connections(self.port, gate.peers.of, self._calls_per_s, gate.given_up, self._settings.close_refused_after_s)
        names.CONNECTIONS.read = connections.of_participants
        self._keeper = asyncio.create_task(connections.keep())

    async def _calls_per_s(self, peer: Peer) -> int:
        return (await self._directory.caller(peer, Call("connections"))).allowance.calls_per_s

    async def _tell_health(self, service: str, is_ready: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(service, status)

    def is_live(self) -> bool:
        """Whether the event loop turns; a server that starts still does."""
        return self.readiness is None or self.readiness.is_live()

    def report(self) -> dict[str, str]:
        """Says for each service why it is not ready, "" if it is."""
        return self.readiness.report() if self.readiness is not None else dict.fromkeys(SERVICES, "正在启动 starting")

    def _listen(self) -> None:
        self.port = listen(self._server, self._settings.listen, self._certificate.credentials())
        if self._settings.plaintext_caller:
            self.plaintext_port = self._server.add_insecure_port(f"127.0.0.1:{self._settings.plaintext_port}")

    async def wait(self) -> None:
        """Waits for the end of the server."""
        await self._server.wait_for_termination()

    async def stop(self, forced: asyncio.Event | None = None) -> None:
        """Says so by the health service, turns new calls away, ends streams, lets running calls end until *forced*, writes what waits."""
        self._watch.cancel()
        self._keeper.cancel()
        self._renewal.cancel()
        await self._health.enter_graceful_shutdown()
        self._subscriptions.release()
        self._hotlists.stop()
        self._gate.leash.close()
        self._quotas.release()
        await self._drain(forced or asyncio.Event())
        await self._subscriptions.stop()
        self._hotlists.close()
        self._reads.close()
        await self._checks.stop()
        await self._decisions.stop()
        await self._cards.stop()
        await self._writer.stop()
        self._directory.close()

    async def _drain(self, forced: asyncio.Event) -> None:
        draining = asyncio.create_task(self._server.stop(DRAIN_S))
        forcing = asyncio.create_task(forced.wait())
        await asyncio.wait((draining, forcing), return_when=asyncio.FIRST_COMPLETED)
        forcing.cancel()
        if not draining.done():
            await self._server.stop(None)
        await draining


def _prepare_own(dsn: str) -> int:
    """Puts the rules at hand into effect, makes the hub's own feed on first start and returns its row."""
    store = AggregateStore(dsn)
    store.ensure_feeds([(DECISIONS_FEED, HUB)])
    publish_rules(dsn, store, datetime.now(UTC))
    store.close()
    with session(dsn, "hub_reader", "hub-server") as connection:
        row = connection.execute("SELECT stream_id FROM journal.stream WHERE name = %s", (DECISIONS_FEED,)).fetchone()
    assert row is not None
    return int(row[0])
