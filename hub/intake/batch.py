"""Prepares a batch for the journal: digest as sent, rules, pseudonyms, packed rows. The hot path of ingest.

A bad event becomes an `event_quarantined` with its reasons at the same number; its original goes, sealed, to the vault.
What was in the message but is unknown here is dropped before storing; the digest covers it, so that a resend still matches.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chuanyu.exchange.v1 import event_pb2, references_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.unknown_fields import UnknownFieldSet

from hub.domain.birth_dates import settle_birth_date
from hub.domain.declared_loss import declared_loss, may_declare_loss
from hub.domain.errors import RequestInvalid
from hub.domain.event_rules import Context, Violation, is_case_enough, local_date, violations
from hub.domain.instants import SECOND_US, epoch_day, microseconds
from hub.domain.money import SUMS
from hub.domain.pseudonym import born_on, card_name, hmac_sm3_under, places, references_of
from hub.domain.texts import PLAIN, SHAPE, holds_identifier, identifiers_in_texts
from hub.domain.wellformed import NANOS
from hub.intake.batches import Received, read_events
from hub.intake.compiled_rules import accepts
from hub.intake.rule_faults import shape_faults
from hub.journal.batch import Batch, pack_tail
from hub.journal.vault import original_name, seal
from hub.trust.keyring import Keyring

KNOWN_IDENTIFIERS = 400_000
PASSED_ENVELOPES = 20_000
LAST_SEQUENCE = 2**63 - 1
# A batch takes so long at once, and then lets others on the event loop have their turn: a check need not wait for all of it.
TURN_S = 0.002
_LOOK_EVERY = 8
_SHORT = 64
_MOST_LINES = 1_000_000_000
_MOST_FEN = 100_000_000_000_000
# The end of 2099: a substitute's instant must stay one that the database can hold.
_LATEST_S = 4_102_444_800
_KIND_BYTES = {field.name: field.name.encode() for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields}
_ACCEPTS_KIND = {
    field.name: accepts(field.message_type) for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields if field.message_type
}

_PURPOSE_OF_CARD = {
    number: card_name(references_pb2.CardRef(kind=number)).partition("|")[0] for number in references_pb2.CardIdentifierKind.values()
}

FeedId = Callable[[str], int | None]


@dataclass(slots=True)
class Prepared:
    """A batch ready to be written, what to remember once it is, which events are quarantined (by offset), when the last good one was."""

    batch: Batch
    new_identifiers: dict[str, bytes]
    quarantined: dict[int, list[Violation]]
    newest_s: int | None = None


class Intake:
    """Knows the keys and which identifiers the vault already holds (a bounded set)."""

    def __init__(self, keyring: Keyring) -> None:
        """*keyring* gives pseudonyms, digests and seals."""
        self._keyring = keyring
        self._digest = hmac_sm3_under(keyring.digest)
        self._pseudonym = hmac_sm3_under(keyring.pseudonym)
        self._known: dict[str, bytes] = {}
        self._passed: set[tuple[object, ...]] = set()

    def remember(self, identifiers: dict[str, bytes]) -> None:
        """Notes identifiers whose batch has been committed: they cost no vault write any more."""
        if len(self._known) + len(identifiers) > KNOWN_IDENTIFIERS:
            for name in list(self._known)[: KNOWN_IDENTIFIERS // 4]:
                del self._known[name]
        self._known.update(identifiers)

    def key_of(self, name: str) -> bytes:
        """Returns the key of an identifier's name."""
        return self._known.get(name) or self._pseudonym(name.encode())

    async def prepare(self, stream_id: int, owner: str, received: Received, context: Context, feed_id: FeedId) -> Prepared:
        """Turns a request into a batch, one event after the other; clear arms become keys on the way.

        Raises RequestInvalid when fields of the request itself break a rule, RequestMalformed when bytes of an event are none.
        """
        first_sequence, sent, digest = received.request.first_sequence, received.sent, self._digest
        if not 1 <= first_sequence <= LAST_SEQUENCE:
            raise RequestInvalid([("first_sequence", "uint64.lte" if first_sequence else "uint64.gte")])
        batch = Batch(stream_id, owner, first_sequence, [], [digest(data) for data in sent])
        prepared = Prepared(batch, {}, {})
        tails, digests = batch.tails, batch.digests
        newest_s = None
        turn_ends_at = time.perf_counter() + TURN_S
        for offset, parsed in enumerate(read_events(sent)):
            if offset % _LOOK_EVERY == 0 and time.perf_counter() > turn_ends_at:
                await asyncio.sleep(0)
                turn_ends_at = time.perf_counter() + TURN_S
            if parsed is None:
                # To seal a megabyte takes 9 ms.
                await asyncio.sleep(0)
                stand_in = self._quarantine(prepared, offset, event_pb2.Event(), None, [("", "too_large")], sent[offset], context)
                tails.append(pack_tail(0, _KIND_BYTES["event_quarantined"], digests[offset], stand_in.SerializeToString()))
                continue
            event = parsed
            kind, at = event.WhichOneof("kind"), event.occurred_at
            seconds, nanos = at.seconds, at.nanos
            stored_kind: str = kind or ""
            if kind is None or not 0 <= nanos < NANOS or not self._admit_like_before(event, kind, at, context):
                reasons = self._admit(event, kind, context, prepared)
                if reasons:
                    event = self._quarantine(prepared, offset, event, kind, reasons, sent[offset], context)
                    stored_kind, at = "event_quarantined", event.occurred_at
                    seconds, nanos = at.seconds, 0
                elif event.HasField("corrects") or event.HasField("reverses"):
                    _note_correction(batch, offset, event, feed_id)
            if stored_kind == kind:
                newest_s = seconds
            occurred_us = seconds * SECOND_US + nanos // 1_000
            tails.append(pack_tail(occurred_us, _KIND_BYTES[stored_kind], digests[offset], event.SerializeToString()))
        prepared.newest_s = newest_s
        return prepared

    def set_aside(self, prepared: Prepared, offset: int, received: Received) -> None:
        """Quarantines one event of a prepared batch that passed every rule, but whose values the database cannot store."""
        batch, (event,) = prepared.batch, read_events(received.sent[offset : offset + 1])
        assert event is not None, "of one that was not parsed nothing is stored that the database might not take"
        batch.corrections = [correction for correction in batch.corrections if correction[0] != offset]
        batch.originals = [original for original in batch.originals if original[0] != offset]
        kind, sent = event.WhichOneof("kind"), received.sent[offset]
        stand_in = self._quarantine(prepared, offset, event, kind, [("", "unstorable")], sent, None)
        kind_bytes, at_us = _KIND_BYTES["event_quarantined"], microseconds(stand_in.occurred_at)
        batch.tails[offset] = pack_tail(at_us, kind_bytes, batch.digests[offset], stand_in.SerializeToString())

    async def faults_of(self, received: Received, context: Context) -> dict[int, list[Violation]]:
        """Returns what each event would be quarantined for, by its place; nothing of them is kept."""
        found: dict[int, list[Violation]] = {}
        turn_ends_at = time.perf_counter() + TURN_S
        for index, event in enumerate(read_events(received.sent)):
            if time.perf_counter() > turn_ends_at:
                await asyncio.sleep(0)
                turn_ends_at = time.perf_counter() + TURN_S
            if event is None:
                found[index] = [("", "too_large")]
            elif broken := self._admit(event, event.WhichOneof("kind"), context, Prepared(Batch(0, "", 1, []), {}, {})):
                found[index] = broken
        return found

    def admit_again(self, event: event_pb2.Event, offset: int, batch: Batch, context: Context, feed_id: FeedId) -> list[Violation]:
        """Puts one event, as it was sent, to the rules of now and returns what it breaks; *offset* is its place in the batch if it passes.

        Then its identifiers are keys, and the batch has what goes with it: new identifiers for the vault and what it corrects.
        """
        reasons = self._admit(event, event.WhichOneof("kind"), context, Prepared(batch, {}, {}))
        if not reasons and (event.HasField("corrects") or event.HasField("reverses")):
            _note_correction(batch, offset, event, feed_id)
        return reasons

    def _admit_like_before(self, event: event_pb2.Event, kind: str, at: Timestamp, context: Context) -> bool:
        """The short way, for most of the traffic: a known card, and an envelope that went the long way before and passed.

        An envelope is everything the rules look at but the card, the instant within its day and the kind's own fields.
        """
        has, seconds = event.HasField, at.seconds
        if seconds > context.now_s or has("holder") or has("corrects") or has("reverses") or event.card_aliases:
            return False
        card, source = event.card, event.source
        clear = card.clear
        # As `card_name` has it, without its call.
        key = self._known.get(f"{_PURPOSE_OF_CARD.get(card.kind)}|{card.issuing_province}|{clear}") if clear else None
        if key is None or _envelope(event, kind, seconds, context, source) not in self._passed:
            return False
        native_id, venue = source.message_id, event.venue_code
        if len(native_id) > _SHORT or len(venue) > _SHORT or not -_MOST_FEN <= event.amount_fen <= _MOST_FEN:
            return False
        if source.line_no > _MOST_LINES or event.decision_position > LAST_SEQUENCE:
            return False
        # The long way says which of those that cannot be printed are control characters, and what an identifier is.
        if native_id and native_id.encode().translate(SHAPE) not in PLAIN and (not native_id.isprintable() or holds_identifier(native_id)):
            return False
        if venue and (not venue.isprintable() or holds_identifier(venue)):
            return False
        message = getattr(event, kind)
        if not _ACCEPTS_KIND[kind](message) or (kind in SUMS and SUMS[kind](message)):
            return False
        # Dropping what is unknown costs an event 1 µs, most of it for looking at each of its kinds; all its messages are at hand here.
        if UnknownFieldSet(event) or UnknownFieldSet(at) or UnknownFieldSet(source) or UnknownFieldSet(card):
            return False
        message.DiscardUnknownFields()
        card.key = key
        return True

    def _admit(self, event: event_pb2.Event, kind: str | None, context: Context, prepared: Prepared) -> list[Violation]:
        """The long way: shape, the rules of the domain, identifiers, whose keys take their place; returns all that is broken."""
        event.DiscardUnknownFields()
        if kind is None:
            return [("kind", "unknown_kind"), *shape_faults(event)]
        message = getattr(event, kind)
        broken = faults(event, kind, message, context)
        if broken := self._pseudonymise(event, kind, message, prepared, broken):
            return broken
        if is_case_enough(kind) and not places(message.DESCRIPTOR):
            if len(self._passed) >= PASSED_ENVELOPES:
                self._passed.clear()
            self._passed.add(_envelope(event, kind, event.occurred_at.seconds, context, event.source))
        return []

    def _pseudonymise(
        self, event: event_pb2.Event, kind: str, message: Message, prepared: Prepared, broken: list[Violation]
    ) -> list[Violation]:
        """Replaces clear arms by keys; returns *broken* and what is wrong with identifiers. Known ones were checked when they were new."""
        known, fresh, reasons = self._known, prepared.new_identifiers, broken
        unknown: list[tuple[str, bytes]] = []
        found = [("", place, ref) for place, ref in references_of(event)]
        if places(message.DESCRIPTOR):
            found += [(f"{kind}.", place, ref) for place, ref in references_of(message)]
        day = "" if any(path == "occurred_at" for path, _ in broken) else local_date(event.occurred_at.seconds).replace("-", "")
        for prefix, place, ref in found:
            path = f"{prefix}{'.'.join(place.path)}"
            if reasons and any(broken_path.startswith(f"{path}.") for broken_path, _ in reasons):
                # What has not the shape of a reference names nothing.
                continue
            if not ref.clear:
                # A key is the hub's own name; from outside it would pass by every check of the identifier.
                reasons.append((f"{path}.key", "clear_only"))
                continue
            name = place.name(ref)
            key = known.get(name) or fresh.get(name)
            if key is None:
                if (problem := place.problem(ref)) is not None:
                    reasons.append((f"{path}.clear", problem.lower()))
                    continue
                key = self._pseudonym(name.encode())
                unknown.append((name, key))
            if day and isinstance(ref, references_pb2.PersonRef) and born_on(ref) > day:
                reasons.append((f"{path}.clear", "born_later"))
                continue
            ref.key = key
        if not reasons:
            for name, key in unknown:
                if name not in fresh:
                    fresh[name] = key
                    prepared.batch.vault_rows.append((key, *seal(self._keyring, key, name.encode())))
        return reasons

    def _quarantine(
        self,
        prepared: Prepared,
        offset: int,
        event: event_pb2.Event,
        kind: str | None,
        reasons: list[Violation],
        sent: bytes,
        context: Context | None,
    ) -> event_pb2.Event:
        """Seals the original and returns what takes its number: its declared kind and reasons, no value of it.

        It names the card where the event declares a loss of it. Without *context* the event was admitted before.
        """
        batch = prepared.batch
        assert batch.first_sequence is not None
        prepared.quarantined[offset] = reasons
        batch.originals.append((offset, *seal(self._keyring, original_name(batch.stream_id, batch.first_sequence + offset), sent)))
        stand_in = event_pb2.Event()
        stand_in.occurred_at.seconds = max(0, min(event.occurred_at.seconds, _LATEST_S))
        stand_in.event_quarantined.declared_kind = kind or ""
        add_violations(stand_in.event_quarantined.violations, reasons)
        if kind is not None and may_declare_loss(kind):
            # As it was sent: its references may have become keys meanwhile.
            for original in read_events((sent,)):
                card = declared_loss(original, kind, reasons, context.rights if context is not None else None) if original else None
                if card is not None:
                    self._name_blocked(prepared, stand_in.event_quarantined.blocked_card, card)
                    if context is not None and any(path.startswith("occurred_at") for path, _ in reasons):
                        stand_in.occurred_at.seconds = context.now_s
        return stand_in

    def _name_blocked(self, prepared: Prepared, blocked: references_pb2.CardRef, card: references_pb2.CardRef) -> None:
        """Names a card by its key; its identifier goes to the vault as that of any other event does."""
        name = card_name(card)
        key = self._known.get(name) or prepared.new_identifiers.get(name)
        if key is None:
            key = prepared.new_identifiers[name] = self._pseudonym(name.encode())
            prepared.batch.vault_rows.append((key, *seal(self._keyring, key, name.encode())))
        blocked.issuing_province, blocked.kind, blocked.key = card.issuing_province, card.kind, key


def faults(event: event_pb2.Event, kind: str, message: Message, context: Context) -> list[Violation]:
    """Returns every rule of shape and of the domain that an event breaks; a field that has no shape is asked for no meaning.

    A birth date that only the holder's number shows is set.
    """
    if accepts(event.DESCRIPTOR)(event) and accepts(message.DESCRIPTOR)(message):
        return violations(event, kind, message, context) + settle_birth_date(event, kind, message)
    broken = [*shape_faults(event), *shape_faults(message, f"{kind}.")]
    broken += [(path, "identifier_in_clear") for path in dict.fromkeys(path for path, _ in identifiers_in_texts(event))]
    shapeless = {path for path, _ in broken}
    return broken + [(path, rule) for path, rule in violations(event, kind, message, context) if path not in shapeless]


def add_violations(recorded: Any, reasons: Sequence[Violation]) -> None:
    """Adds reasons to a field of RuleViolation, as many and as long as the journal keeps, without words: those are for answers."""
    for path, rule in reasons[:64]:
        recorded.add(field_path=path[:256], rule_id=rule[:64])


def _envelope(event: event_pb2.Event, kind: str, seconds: int, context: Context, source: event_pb2.Source) -> tuple[object, ...]:
    """Names everything the rules look at in an envelope; the local day takes the place of the instant."""
    return (
        kind,
        context.rights,
        source.system or event.HasField("source"),
        epoch_day(seconds * SECOND_US),
        event.business_date,
        event.issuer_region,
        event.service_region,
        event.scenario,
        event.medium,
        event.auth_level,
        source.file_name,
        source.native_code,
    )


def _note_correction(batch: Batch, offset: int, event: event_pb2.Event, feed_id: FeedId) -> None:
    target = event.corrects if event.HasField("corrects") else event.reverses
    stream_id = feed_id(target.feed)
    assert stream_id is not None, "the rules let only the speaker's own feeds pass"
    batch.corrections.append((offset, stream_id, target.sequence))
