"""Prepares a batch for the journal: digest as sent, rules, pseudonyms, packed rows. The hot path of ingest.

A bad event becomes an `event_quarantined` with its reasons at the same number; its original goes, sealed, to the vault.
What was in the message but is unknown here is dropped before storing; the digest covers it, so that a resend still matches.
"""

from collections.abc import Callable

from chuanyu.exchange.v1 import event_pb2
from google.protobuf.message import Message

from hub.domain.birth_dates import settle_birth_date
from hub.domain.errors import RequestInvalid
from hub.domain.event_rules import Context, Violation, violations
from hub.domain.instants import SECOND_US
from hub.domain.texts import identifiers_in_texts
from hub.intake.batches import Prepared, Proof, Received, read_event
from hub.intake.compiled_rules import accepts
from hub.intake.digests import Digests
from hub.intake.identifiers import Identifiers
from hub.intake.quarantining import Quarantining
from hub.intake.rule_faults import OVERFULL, shape_faults
from hub.intake.short_way import ShortWay
from hub.intake.turn import Questions, Turn, Turns
from hub.journal.batch import Batch, Tail, pack_tail
from hub.trust.keyring import Keyring

LAST_SEQUENCE = 2**63 - 1
# How often it looks whether its turn is over.
_LOOK_EVERY = 8
_KIND_BYTES = {field.name: field.name.encode() for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields}
FeedId = Callable[[str], int | None]


class Intake:
    """What prepares the batches of one process."""

    def __init__(self, keyring: Keyring, digests: Digests | None = None, questions: Questions | None = None) -> None:
        """*keyring* gives pseudonyms and seals, *digests* those of the database; without them they are those of a fresh one.

        *questions* go before batches.
        """
        self._digests = digests or Digests(keyring)
        self.identifiers = Identifiers(keyring)
        self._short_way = ShortWay(self.identifiers)
        self._quarantine = Quarantining(keyring, self.identifiers)
        self._turns = Turns(questions)

    async def prepare(
        self, stream_id: int, owner: str, received: Received, context: Context, feed_id: FeedId, proof: Proof | None = None
    ) -> Prepared:
        """Turns a request into a batch, one event after the other; clear arms become keys on the way. The last event gets the *proof*.

        Raises RequestInvalid when fields of the request itself break a rule, RequestMalformed when bytes of an event are none.
        """
        feed, first_sequence, sent = received.request.feed, received.request.first_sequence, received.sent
        if not 1 <= first_sequence <= LAST_SEQUENCE:
            raise RequestInvalid([("first_sequence", "uint64.lte" if first_sequence else "uint64.gte")])
        async with Turn(self._turns) as turn:
            batch = Batch(stream_id, owner, first_sequence, [], otherwise=self._digests.otherwise(feed, first_sequence, sent))
            prepared = Prepared(batch, {}, {}, proof=proof)
            prepared.newest_s = await self._fill(turn, prepared, received, context, feed_id)
            await self._quarantine.seal_all(prepared, sent, turn.look)
        return prepared

    async def _fill(self, turn: Turn, prepared: Prepared, received: Received, context: Context, feed_id: FeedId) -> int | None:
        """Adds each event to the batch, and returns when its last good one was."""
        tails, digests, proof, sent = prepared.batch.tails, prepared.batch.digests, prepared.proof, received.sent
        newest_s, look_at, last, end = None, 0, len(sent) - 1, proof.field if proof else b""
        of_sent = self._digests.of(received.request.feed, prepared.batch.first_sequence, sent)
        for offset, (data, digest) in enumerate(zip(sent, of_sent, strict=True)):
            digests.append(digest)
            if offset >= look_at:
                look_at = offset + _LOOK_EVERY
                await turn.look()
            if (passed := self._short_way.take(data, context)) is not None:
                kind, newest_s, nanos, event = passed
                if offset == last:
                    event += end
                tails.append(pack_tail(newest_s * SECOND_US + nanos // 1_000, _KIND_BYTES[kind], digest, event))
                continue
            parsed = read_event(data)
            if (stored := self._by_the_long_way(prepared, offset, parsed, data, context, feed_id)) is parsed:
                newest_s = stored.occurred_at.seconds
            tails.append(_tail(stored, digest, proof if offset == last else None))
            # One that is quarantined may have taken as long as a hundred others.
            look_at = offset + 1
        return newest_s

    def _by_the_long_way(
        self, prepared: Prepared, offset: int, event: event_pb2.Event | None, sent: bytes, context: Context, feed_id: FeedId
    ) -> event_pb2.Event:
        """Returns the event with keys for its identifiers, or what takes its number if it breaks a rule; None is one that is too large."""
        if event is None:
            return self._quarantine.take(prepared, offset, event_pb2.Event(), None, [("", "too_large")], sent, context)
        kind = event.WhichOneof("kind")
        if reasons := self._admit(event, kind, context, prepared, sent):
            return self._quarantine.take(prepared, offset, event, kind, reasons, sent, context)
        if event.HasField("corrects") or event.HasField("reverses"):
            _note_correction(prepared.batch, offset, event, feed_id)
        return event

    def set_aside(self, prepared: Prepared, offset: int, received: Received) -> None:
        """Quarantines one event of a prepared batch that passed every rule, but whose values the database cannot store."""
        batch, event = prepared.batch, read_event(received.sent[offset])
        assert event is not None, "of one that was not parsed nothing is stored that the database might not take"
        batch.corrections = [correction for correction in batch.corrections if correction[0] != offset]
        batch.originals = [original for original in batch.originals if original[0] != offset]
        kind, sent = event.WhichOneof("kind"), received.sent[offset]
        stand_in = self._quarantine.take(prepared, offset, event, kind, [("", "unstorable")], sent, None)
        self._quarantine.seal(batch, offset, sent)
        is_last = offset == len(batch.tails) - 1
        batch.tails[offset] = _tail(stand_in, batch.digests[offset], prepared.proof if is_last else None)

    async def faults_of(self, received: Received, context: Context) -> dict[int, list[Violation]]:
        """Returns what each event would be quarantined for, by its place; nothing of them is kept."""
        found: dict[int, list[Violation]] = {}
        async with Turn(self._turns) as turn:
            for index, event in enumerate(map(read_event, received.sent)):
                await turn.look()
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

    def _admit(self, event: event_pb2.Event, kind: str | None, context: Context, prepared: Prepared, sent: bytes = b"") -> list[Violation]:
        """The long way: shape, the rules of the domain, identifiers, whose keys take their place; returns all that is broken."""
        event.ClearField("sent_batch")
        if kind is None:
            return [("kind", "unknown_kind"), *shape_faults(event)]
        message = getattr(event, kind)
        broken = faults(event, kind, message, context)
        if any(rule == OVERFULL for _, rule in broken):
            return broken
        # What is unknown is looked for in every item, and no rule looks at it.
        event.DiscardUnknownFields()
        if broken := self.identifiers.replace(event, kind, message, prepared, broken):
            return broken
        self._short_way.note(sent, event, context)
        return []


def faults(event: event_pb2.Event, kind: str, message: Message, context: Context) -> list[Violation]:
    """Returns every rule of shape and of the domain that an event breaks; a field that has no shape is asked for no meaning.

    One that has more items than it may is looked into no further: eight thousand references in one event are 18 ms of work.
    A birth date that only the holder's number shows is set.
    """
    if accepts(event.DESCRIPTOR)(event) and accepts(message.DESCRIPTOR)(message):
        return violations(event, kind, message, context) + settle_birth_date(event, kind, message)
    broken = [*shape_faults(event), *shape_faults(message, f"{kind}.")]
    if overfull := [one for one in broken if one[1] == OVERFULL]:
        return overfull
    broken += [(path, "identifier_in_clear") for path in dict.fromkeys(path for path, _ in identifiers_in_texts(event))]
    shapeless = {path for path, _ in broken}
    return broken + [(path, rule) for path, rule in violations(event, kind, message, context) if path not in shapeless]


def _tail(event: event_pb2.Event, digest: bytes, proof: Proof | None) -> Tail:
    kind, at = event.WhichOneof("kind"), event.occurred_at
    assert kind is not None, "one without a kind is quarantined"
    data = event.SerializeToString() + (proof.field if proof else b"")
    return pack_tail(at.seconds * SECOND_US + at.nanos // 1_000, _KIND_BYTES[kind], digest, data)


def _note_correction(batch: Batch, offset: int, event: event_pb2.Event, feed_id: FeedId) -> None:
    target = event.corrects if event.HasField("corrects") else event.reverses
    stream_id = feed_id(target.feed)
    assert stream_id is not None, "the rules let only the speaker's own feeds pass"
    batch.corrections.append((offset, stream_id, target.sequence))
