"""A hub with some of everything that can be tampered with: cards, uses, corrections, answers, tokens, a quarantined event, hotlists."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, card_service_pb2_grpc, event_pb2, feed_service_pb2, feed_service_pb2_grpc
from chuanyu.exchange.v1.card_lifecycle_pb2 import REPORT_CHANNEL_TELEPHONE
from chuanyu.exchange.v1.references_pb2 import CARD_IDENTIFIER_KIND_CARD_NO

from hub.admin import log_keys
from hub.admin.hotlist import publish
from hub.audit.bundle import Files
from hub.bench.load import card_event, card_no, usage_event
from hub.bench.setup import ASKER, PARTICIPANT, Ground, ground, hub_process
from hub.bench.tampering.audits import deliver
from hub.config import Config
from hub.domain import reference
from hub.intake.request_rules import now_us
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.projections import card_epochs, runner
from hub.tlog import sealer, store
from hub.tlog.algorithms import ED25519_COSIGNATURE, ML_DSA_44
from hub.tlog.cosignatures import sign_note
from hub.tlog.key_book import known_sets, parties, policy_lines
from hub.tlog.note import Note, SignerKey, parse
from hub.trust.authority import participant_files
from hub.trust.hotlist_key import open_hotlist_key
from hub.trust.keyring import Keyring, open_keyring
from hub.trust.log_keys import LogKeys, open_log_keys

FEEDS = ("cq.card-center", "cq.usage", "cq.second")
WITNESSES = ("chengdu", "chongqing", "auditor")
LOG_NAME = "tampering.example"
_BATCH = 100
_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Hub:
    """What a hub recorded and sealed: its keys, those of witnesses, the policy, the checkpoint that all saw last, the files of an audit."""

    dsn: str
    data_dir: Path
    witnesses: dict[str, SignerKey]
    policy: bytes
    newest: Note
    audit: Files

    @property
    def keyring(self) -> Keyring:
        """The keys of pseudonyms and digests."""
        return open_keyring(self.data_dir / "keys")

    @property
    def log_keys(self) -> LogKeys:
        """The keys that sign the log."""
        return open_log_keys(self.data_dir / "keys")


@contextlib.contextmanager
def recorded(config: Config, cards: int = 60, uses: int = 600) -> Iterator[Hub]:
    """Yields what a real hub recorded; it is sealed and witnessed, views are caught up, and no process of the hub runs any more."""
    witnesses = {name: SignerKey.make(name, ED25519_COSIGNATURE if at else ML_DSA_44) for at, name in enumerate(WITNESSES)}
    with ground(config, list(FEEDS)) as place:
        with hub_process(place, cards, telemetry=False) as hub:
            provinces = {urn: participant_files(place.data_dir / "certificates", urn).channel(hub.target) for urn in (PARTICIPANT, ASKER)}
            try:
                _report(provinces[PARTICIPANT], cards, uses)
                seal(place, witnesses)
                _catch_up(place)
                _ask(provinces[ASKER], cards)
            finally:
                for channel in provinces.values():
                    channel.close()
        seal(place, witnesses)
        with contextlib.closing(AggregateStore(place.dsn)) as store:
            log_keys.take_up(store, place.data_dir / "keys", datetime.now(UTC))
            publish_hotlists(place)
            audit = deliver(place.dsn)
            log_keys.retire_former(store, "ROTATED", datetime.now(UTC))
        _catch_up(place)
        with session(place.dsn, "hub_projector", "hub-project") as connection:
            card_epochs.publish(place.dsn, connection, now_us())
        newest = seal(place, witnesses)
        yield Hub(place.dsn, place.data_dir, witnesses, _policy(place, witnesses), newest, audit)


def seal(place: Ground, witnesses: dict[str, SignerKey]) -> Note:
    """Seals the journal in steps of some hundred leaves, has each checkpoint cosigned, and returns the last with its cosignatures."""
    with session(place.dsn, "hub_sealer", "hub-seal") as connection:
        sealer.catch_up(sealer.Sealer(connection, open_log_keys(place.data_dir / "keys"), sealer.begin(connection, LOG_NAME)))
        sealed = store.newest_checkpoint(connection, 1)
        assert sealed is not None
        note = parse(sealed.note)
        lines = {name: sign_note(key, note.text, int(time.time())) for name, key in witnesses.items()}
        for name, line in lines.items():
            connection.execute(_COSIGNED, (sealed.size, name, line.line))
    return note.with_lines(list(lines.values()))


def _policy(place: Ground, witnesses: dict[str, SignerKey]) -> bytes:
    with session(place.dsn, "hub_reader", "hub-bench") as connection:
        lines = policy_lines(parties(None, known_sets(connection), f"{LOG_NAME}/1"))
    lines += [f"witness {name} {key.verifier.text}" for name, key in witnesses.items()]
    return "".join(f"{line}\n" for line in [*lines, f"group two 2 {' '.join(witnesses)}", "quorum two"]).encode()


def publish_hotlists(place: Ground, epochs: int = 3) -> None:
    """Publishes some epochs of the hotlist."""
    keys = place.data_dir / "keys"
    for _ in range(epochs):
        publish(place.dsn, open_keyring(keys), open_hotlist_key(keys), reference.load(), now_us(), as_snapshot=True, refolds=False)


def _catch_up(place: Ground) -> None:
    with runner.connect(place.dsn) as connection:
        runner.catch_up(connection)


def _report(channel: grpc.Channel, cards: int, uses: int) -> None:
    """Reports cards, some of them lost, uses of which every tenth is corrected or reversed, and one event that is quarantined."""
    feeds = feed_service_pb2_grpc.FeedServiceStub(channel)
    lifecycle = [card_event(number) for number in range(cards)]
    for number in range(0, cards, 5):
        lost = card_event(number)
        lost.occurred_at.seconds += 3_600
        lost.temporary_loss_reported.channel = REPORT_CHANNEL_TELEPHONE
        lifecycle.append(lost)
    for number in range(1, cards, 5):
        signed = card_event(number)
        signed.ecard_signed.issue_level = 1
        lifecycle.append(signed)
    _append(feeds, FEEDS[0], lifecycle)
    used = [usage_event(number) for number in range(uses)]
    for number in range(0, uses, 10):
        change = usage_event(number)
        change.transit_journey_completed.fare_paid_fen = 300
        named = change.reverses if number % 20 else change.corrects
        named.feed, named.sequence = FEEDS[1], number + 1
        used.append(change)
    _append(feeds, FEEDS[1], [*used, event_pb2.Event()])
    _append(feeds, FEEDS[2], [usage_event(number) for number in range(uses, uses + uses // 4)])


def _append(feeds: feed_service_pb2_grpc.FeedServiceStub, feed: str, events: Sequence[event_pb2.Event]) -> None:
    for first in range(0, len(events), _BATCH):
        request = feed_service_pb2.AppendEventsRequest(feed=feed, first_sequence=first + 1, events=events[first : first + _BATCH])
        feeds.AppendEvents(request, timeout=_DEADLINE_S)


def _ask(channel: grpc.Channel, cards: int) -> None:
    """Asks about every card, of some by an e-card's token that is used once; and looks at some."""
    service = card_service_pb2_grpc.CardServiceStub(channel)
    for number in range(cards):
        shows_token = number % 5 == 1
        request = card_service_pb2.CheckAcceptanceRequest(
            request_id=f"bench-{time.time_ns()}-{number}",
            scenario="MED.REG" if shows_token else "TRA.MET",
            service_region="510100",
            medium=acceptance_pb2.MEDIUM_ECARD_QR if shows_token else acceptance_pb2.MEDIUM_CONTACTLESS,
        )
        request.card.issuing_province, request.card.kind, request.card.clear = "50", CARD_IDENTIFIER_KIND_CARD_NO, card_no(number)
        if shows_token:
            request.claims.ecard_token, request.claims.police_terminal_matched = acceptance_pb2.ECARD_TOKEN_VALID, True
            request.subject_refs.token.clear = f"token-{number}"
        service.CheckAcceptance(request, timeout=_DEADLINE_S)


_COSIGNED = "INSERT INTO tlog.cosignature (incarnation, size, witness, line) VALUES (1, %s, %s, %s)"
