"""A journal of a test with its log: sealed as `hub seal` does, cosigned as two witnesses do, and bundles of it."""

import contextlib
import io
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from chuanyu.exchange.v1 import event_pb2

from hub.admin.participants import changing
from hub.admin.receipts import take_up
from hub.audit.bundle import With, make
from hub.audit.bundle_question import Question, of_card, of_decision
from hub.audit.rule_versions import publish_rules
from hub.domain.acceptance import rules_digest
from hub.journal.own_events import append_own
from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.projections import card_epochs, runner
from hub.tlog import sealer as sealers
from hub.tlog.algorithms import ED25519, ED25519_COSIGNATURE, ML_DSA_44
from hub.tlog.cosignatures import sign_note
from hub.tlog.note import SignerKey, parse
from hub.trust.batch_texts import batch_text, events_digest
from hub.trust.log_keys import open_log_keys
from hub.trust.receipt_keys import open_receipt_keys
from hub.trust.signatures import ED25519 as ED25519_SIGNING
from tests.projections.test_projections import record_a_history
from tests.recording import CHONGQING, Recording, decided, journey, key_of, lost, register_owners

WITNESSED_S = 1_780_000_000
CARD = "A00000001"


class Logged:
    """A database whose journal is sealed; *policy* is what a stranger has from elsewhere: any key of the log, and both witnesses."""

    def __init__(self, dsn: str, directory: Path, witnesses: Sequence[SignerKey] = ()) -> None:
        self.dsn = dsn
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO vault.key_fingerprint (purpose, fingerprint) VALUES ('pseudonym', %s) ON CONFLICT DO NOTHING",
                (os.urandom(32),),
            )
        self.connection = psycopg.connect(dsn, autocommit=True)
        keys = open_log_keys(directory)
        self.log = sealers.begin(self.connection, "test.chuanyu")
        self.signers = sealers.signers(keys, self.log.origin)
        self._sealer = sealers.Sealer(self.connection, keys, self.log)
        kinds = () if witnesses else (ED25519_COSIGNATURE, ML_DSA_44)
        self.witnesses = [*witnesses, *(SignerKey.make(f"witness{kind.identifier.hex()}.test", kind) for kind in kinds)]
        self.policy = self.policy_of(*self.signers)
        self.received: list[tuple[int, int]] = []
        self.receipt_keys = open_receipt_keys(directory / "receipts")
        # A province's key for signing batches has the form of one for receipts.
        self.sender = open_receipt_keys(directory / "sender").newest

    def take_up_keys(self) -> None:
        """Records the key of receipts, and that Chongqing has a key for signing batches."""
        now = datetime.now(UTC)
        with contextlib.closing(AggregateStore(self.dsn)) as store:
            take_up(self.connection, store, self.receipt_keys, now)
            with changing(store, CHONGQING) as participant:
                participant.register_signing_key(self.sender.id, ED25519_SIGNING, self.sender.public, now)

    def policy_of(self, *logs: SignerKey, quorum: str = "both") -> bytes:
        """A policy that takes these keys of the log."""
        lines = [f"log {key.verifier.text}" for key in logs]
        lines += [f"witness w{number} {key.verifier.text}" for number, key in enumerate(self.witnesses)]
        return "\n".join([*lines, "group both all w0 w1", f"quorum {quorum}", ""]).encode()

    def seal(self, *, cosigns: bool = True) -> int:
        """Seals all that is recorded, has both witnesses cosign, and returns the size."""
        sealers.catch_up(self._sealer)
        row = self.connection.execute("SELECT size, note FROM tlog.checkpoint ORDER BY size DESC LIMIT 1").fetchone()
        assert row is not None
        text = parse(bytes(row[1])).text
        for witness in self.witnesses if cosigns else ():
            line = sign_note(witness, text, WITNESSED_S + row[0]).line
            self.connection.execute(
                "INSERT INTO tlog.cosignature (incarnation, size, witness, line) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (self.log.number, row[0], witness.name, line),
            )
        return int(row[0])

    def index(self, *, whole: bool = False) -> card_epochs.Epoch:
        """Folds the views, and publishes a root of the card index."""
        with runner.connect(self.dsn) as views:
            runner.catch_up(views)
            return card_epochs.publish(self.dsn, views, time.time_ns() // 1_000, whole=whole)

    def bundle(self, question: Question, archive: bytes = b"") -> bytes:
        """Makes a bundle."""
        file = io.BytesIO()
        make(self.connection, question, With(self.policy, self.receipt_keys, archive), file)
        return file.getvalue()

    def receive(self, journal: Recording, *events: event_pb2.Event, feed: str = "cq.usage", signs: bool = True) -> None:
        """Appends a batch as an edge takes it: what proves that it was sent is in its last event."""
        first = journal.next_sequence(feed)
        digest = events_digest(bytes(32), [event.SerializeToString() for event in events])
        sent = events[-1].sent_batch
        sent.first_sequence, sent.events_digest = first, digest
        if signs:
            sent.key_id = self.sender.id
            sent.signature = self.sender.sign(batch_text(feed, first, len(events), digest).decode())
        self.received.append((first, first + len(events) - 1))
        journal.append(*events, feed=feed)

    def decide(self, card: str = CARD, *reasons: str) -> int:
        """Records a decision about a card by the rules of today."""
        event = decided(card, *reasons)
        event.decision_made.as_of_position = head_position(self.connection)
        event.decision_made.rules_digest = rules_digest()
        return self.record(event)

    def record(self, event: event_pb2.Event) -> int:
        """Records an event of the hub itself."""
        with session(self.dsn, "hub_writer", "hub-writer") as writer:
            return append_own(writer, event)

    def about_card(self, card: str = CARD) -> Question:
        """The question about a card."""
        return of_card(key_of(card))

    def about_decision(self, position: int) -> Question:
        """The question about a decision."""
        return of_decision(self.connection, position)

    def close(self) -> None:
        """Closes its session."""
        self.connection.close()


@contextlib.contextmanager
def logged(dsn: str, directory: Path) -> Iterator[tuple[Logged, int]]:
    """Gives a log over a history with a decision, and the decision's position."""
    with contextlib.closing(Recording(dsn)) as journal, contextlib.closing(Logged(dsn, directory)) as log:
        record_a_history(dsn, journal)
        with contextlib.closing(AggregateStore(dsn)) as store:
            publish_rules(log.connection, store, datetime(2026, 1, 1, tzinfo=UTC))
        register_owners(dsn)
        log.take_up_keys()
        log.seal()
        log.receive(journal, journey(CARD, 120), lost("A00000003"))
        decision = log.decide()
        log.seal()
        log.receive(journal, journey("A00000002", 90), journey(CARD, 240), journey("A00000003", 80), signs=False)
        log.decide(CARD, "LOST_TEMP")
        log.index()
        log.seal()
        # Witnesses come later than the log's own signature.
        journal.append(journey(CARD, 360))
        log.seal(cosigns=False)
        yield log, decision


__all__ = ["CARD", "ED25519", "Logged", "logged"]
