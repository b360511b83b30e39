"""Where operators look at quarantined events and have them evaluated again; every act is recorded with who did it.

Nobody edits an event. One that passes the rules of now is recorded as its province sent it, in the hub's own feed; one that does not is
corrected by its province. The rules are asked about the instant of the evaluation: that a day has come is one of the reasons why an
event passes now that did not before.
"""

import os
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2, hub_decisions_pb2, references_pb2
from google.protobuf.message import Message

from hub.domain.event_rules import Context, Violation
from hub.domain.instants import microseconds
from hub.domain.participant import HUB, Participant
from hub.domain.pseudonym import card_name, is_well_formed
from hub.domain.quarantine import QUARANTINE_FEED, QuarantineHandled, QuarantineOriginalErased, QuarantineOriginalTooLarge
from hub.domain.reference import Reference
from hub.domain.roles import NO_RIGHTS
from hub.intake.batch import Intake
from hub.intake.batches import EVENT_BYTES
from hub.intake.quarantining import add_violations
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.batch import Batch, Tail, pack_tail
from hub.journal.quarantine_feed import Quarantined, append_act, check_unhandled, find_quarantined
from hub.journal.reader import Feed
from hub.journal.recorder import AggregateStore
from hub.journal.vault import open_original
from hub.trust.keyring import Keyring, verify_fingerprint


class Evaluated(NamedTuple):
    """What an evaluation came to: the position of the released event, 0 if it still breaks *violations*."""

    position: int
    violations: list[Violation]


class QuarantineDesk:
    """Works on one connection; used from one thread."""

    def __init__(self, connection: psycopg.Connection, store: AggregateStore, keyring: Keyring, reference: Reference) -> None:
        """*connection* may append and open the vault; raises KeyMismatch when the keys are not the database's."""
        verify_fingerprint(connection, keyring)
        store.ensure_feeds([(QUARANTINE_FEED, HUB)])
        self._connection, self._store, self._keyring, self._reference = connection, store, keyring, reference
        self._intake = Intake(keyring)
        self._stream = self.feeds()[QUARANTINE_FEED].stream_id

    def feeds(self) -> dict[str, Feed]:
        """Returns all feeds by name."""
        return {name: Feed(stream_id, owner) for name, stream_id, owner in self._connection.execute(_FEEDS).fetchall()}

    def find(self, feed: str, sequence: int) -> Quarantined:
        """Returns a quarantined event; raises FeedNotFound, EventNotFound or EventNotQuarantined."""
        return find_quarantined(self._connection, feed, sequence)

    def original(self, quarantined: Quarantined) -> event_pb2.Event | None:
        """Returns the event as it was sent, None if it was erased; nothing of it may be shown unmasked.

        Raises VaultRowDamaged or QuarantineOriginalTooLarge.
        """
        recorded = quarantined.recorded
        sent = open_original(self._connection, self._keyring, recorded.stream_id, recorded.sequence)
        if sent is not None and len(sent) > EVENT_BYTES:
            raise QuarantineOriginalTooLarge
        return None if sent is None else event_pb2.Event.FromString(sent)

    def card_named(self, original: event_pb2.Event | None) -> tuple[list[bytes], str]:
        """Returns the key of the card that an original names and its province, ([], "") where it names none that is well-formed."""
        if original is None or not original.card.clear or not is_well_formed(original.card):
            return [], ""
        return [self._intake.identifiers.key_of(card_name(original.card))], original.card.issuing_province

    def open_in_clear(self, feed: str, sequence: int, operator: str, reason: str, at: datetime) -> event_pb2.Event:
        """Records who has the original shown in clear and why, and only then returns it; raises QuarantineOriginalErased."""
        quarantined = self.find(feed, sequence)
        opened = hub_decisions_pb2.QuarantineOriginalOpened(
            event=_named(quarantined), quarantined_position=quarantined.recorded.position, operator=operator, reason=reason
        )
        refuse_invalid(opened)
        refuse_identifiers(opened, "operator", "reason")
        original = self.original(quarantined)
        if original is None:
            raise QuarantineOriginalErased
        append_act(self._connection, Batch(self._stream, HUB, 0, [_packed("quarantine_original_opened", opened, at)]))
        return original

    def evaluate(self, feed: str, sequence: int, operator: str, at: datetime) -> Evaluated:
        """Puts a quarantined event to the rules again, and releases it if it passes; what it came to is recorded.

        Raises QuarantineReleased, QuarantineCorrected, QuarantineOriginalErased or QuarantineOriginalTooLarge.
        """
        quarantined = self.find(feed, sequence)
        check_unhandled(self._connection, quarantined, self._stream)
        event = self.original(quarantined)
        if event is None:
            raise QuarantineOriginalErased
        batch = Batch(self._stream, HUB, 0, [], handles=quarantined.handle)
        reasons = self._admit(event, batch, quarantined.owner, at)
        again = event_pb2.QuarantineReevaluated(
            event=_named(quarantined), accepted=not reasons, quarantined_position=quarantined.recorded.position, operator=operator
        )
        add_violations(again.violations, reasons)
        refuse_invalid(again)
        refuse_identifiers(again, "operator")
        batch.tails.append(_packed("quarantine_reevaluated", again, at))
        if not reasons:
            _add_released(batch, event, quarantined)
        try:
            positions = append_act(self._connection, batch).positions
        except QuarantineHandled:
            check_unhandled(self._connection, quarantined, self._stream)
            raise
        return Evaluated(0 if reasons else positions[1], reasons)

    def _admit(self, event: event_pb2.Event, batch: Batch, owner: str, at: datetime) -> list[Violation]:
        """Puts the event to the rules; it is its own province that speaks, and of that participant's feeds that it may correct."""
        participant, feeds = self._store.get(Participant, Participant.create_id(owner)), self.feeds()
        context = Context(
            participant.rights if participant is not None else NO_RIGHTS,
            int(at.timestamp()),
            self._reference,
            lambda name: name in feeds and feeds[name].owner == owner,
        )
        return self._intake.admit_again(event, 1, batch, context, lambda name: feeds[name].stream_id)


def _named(quarantined: Quarantined) -> references_pb2.EventRef:
    return references_pb2.EventRef(feed=quarantined.feed, sequence=quarantined.recorded.sequence)


def _add_released(batch: Batch, event: event_pb2.Event, quarantined: Quarantined) -> None:
    """Adds the event as a correction of its quarantined number; where it corrects or reverses another, it goes on to say so."""
    if not event.HasField("corrects") and not event.HasField("reverses"):
        event.corrects.CopyFrom(_named(quarantined))
    batch.corrections.append((len(batch.tails), quarantined.recorded.stream_id, quarantined.recorded.sequence))
    kind = event.WhichOneof("kind")
    assert kind is not None, "an event without a kind does not pass"
    occurred_us = microseconds(event.occurred_at)
    batch.tails.append(pack_tail(occurred_us, kind.encode(), os.urandom(32), event.SerializeToString()))


def _packed(kind: str, message: Message, at: datetime) -> Tail:
    event: Any = event_pb2.Event()
    event.occurred_at.FromDatetime(at.astimezone(UTC))
    getattr(event, kind).CopyFrom(message)
    return pack_tail(event.occurred_at.ToMicroseconds(), kind.encode(), os.urandom(32), event.SerializeToString())


_FEEDS = "SELECT name, stream_id, owner FROM journal.stream WHERE is_feed"
