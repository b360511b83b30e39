"""Prepares a batch for the journal: digest as sent, rules, pseudonyms, packed rows. The hot path of ingest.

A bad event becomes an `event_quarantined` with its reasons at the same number; its original goes, sealed, to the vault.
What was in the message but is unknown here is dropped before storing; the digest covers it, so that a resend still matches.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import protovalidate
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2

from hub.domain.errors import RequestInvalid
from hub.domain.event_rules import Context, Violation, violations
from hub.domain.pseudonym import hmac_sm3, places, references_of
from hub.journal.group import Batch, pack_tail
from hub.journal.keyring import Keyring
from hub.journal.vault import original_name, seal

KNOWN_IDENTIFIERS = 400_000
_TRACE_PARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_ENVELOPE_PLACES = places(event_pb2.Event.DESCRIPTOR)

Request = feed_service_pb2.AppendEventsRequest | feed_service_pb2.StreamEventsRequest
FeedId = Callable[[str], int | None]


class Prepared(NamedTuple):
    """A batch ready to be written, what to remember once it is, and which of its events are quarantined (by offset)."""

    batch: Batch
    new_identifiers: dict[str, bytes]
    quarantined: dict[int, list[Violation]]


class Intake:
    """Knows the keys and which identifiers the vault already holds (a bounded set)."""

    def __init__(self, keyring: Keyring) -> None:
        """*keyring* gives pseudonyms, digests and seals."""
        self._keyring = keyring
        self._validator = protovalidate.Validator()
        self._known: dict[str, bytes] = {}

    def remember(self, identifiers: dict[str, bytes]) -> None:
        """Notes identifiers whose batch has been committed: they cost no vault write any more."""
        if len(self._known) + len(identifiers) > KNOWN_IDENTIFIERS:
            for name in list(self._known)[: KNOWN_IDENTIFIERS // 4]:
                del self._known[name]
        self._known.update(identifiers)

    def key_of(self, name: str) -> bytes:
        """Returns the key of an identifier's name."""
        return self._known.get(name) or hmac_sm3(self._keyring.pseudonym, name.encode())

    def prepare(
        self, stream_id: int, owner: str, request: Request, context: Context, feed_id: FeedId, trace_parent: str = ""
    ) -> Prepared:
        """Turns a parsed request into a batch; its events are changed on the way (clear arms become keys).

        Raises RequestInvalid when fields of the request itself break a rule.
        """
        digest_key, first_sequence, events = self._keyring.digest, request.first_sequence, list(request.events)
        sent = [event.SerializeToString(deterministic=True) for event in events]
        digests = [hmac_sm3(digest_key, data) for data in sent]
        batch = Batch(stream_id, owner, first_sequence, [], digests, trace_parent if _TRACE_PARENT.fullmatch(trace_parent) else "")
        prepared = Prepared(batch, {}, self._shape_violations(request, events))
        for offset, event in enumerate(events):
            event.DiscardUnknownFields()
            kind = event.WhichOneof("kind")
            reasons = prepared.quarantined.get(offset) or violations(event, kind, context)
            fresh: list[tuple[str, bytes]] = []
            if not reasons:
                reasons = self._pseudonymise(event, kind, prepared.new_identifiers, fresh)
            if reasons:
                prepared.quarantined[offset] = reasons
                event = _quarantine(event, kind, reasons)
                kind = "event_quarantined"
                version, sealed = seal(self._keyring, original_name(stream_id, first_sequence + offset), sent[offset])
                batch.originals.append((offset, version, sealed))
            else:
                self._store_identifiers(prepared, fresh)
                if event.HasField("corrects") or event.HasField("reverses"):
                    _note_correction(batch, offset, event, feed_id)
            at = event.occurred_at
            batch.tails.append(pack_tail(
                at.seconds * 1_000_000 + at.nanos // 1_000, kind.encode(), digests[offset], event.SerializeToString()))  # type: ignore[union-attr]
        return prepared

    def _shape_violations(self, request: Request, events: Sequence[event_pb2.Event]) -> dict[int, list[Violation]]:
        """Asks protovalidate about the envelopes of the whole batch, then about each kind's message by itself."""
        found: dict[int, list[Violation]] = {}
        collect = self._validator.collect_violations
        for violation in collect(request):
            index, path = _path(violation.proto.field)
            if index is None:
                raise RequestInvalid([(path, str(violation.proto.rule_id))])
            found.setdefault(index, []).append((path, violation.proto.rule_id))
        for offset, event in enumerate(events):
            kind = event.WhichOneof("kind")
            if kind is not None and (broken := collect(getattr(event, kind))):
                found.setdefault(offset, []).extend((f"{kind}.{_path(v.proto.field)[1]}", v.proto.rule_id) for v in broken)
        return found

    def _pseudonymise(
        self, event: event_pb2.Event, kind: str | None, new: dict[str, bytes], fresh: list[tuple[str, bytes]]
    ) -> list[Violation]:
        """Replaces clear arms by keys; returns what is wrong with identifiers. Known ones were checked when they were new."""
        known, reasons = self._known, []
        found = [(path, ref, identifier) for path, ref, identifier in references_of(event)]
        message = getattr(event, kind)  # type: ignore[arg-type]
        if places(message.DESCRIPTOR):
            found += [(f"{kind}.{path}", ref, identifier) for path, ref, identifier in references_of(message)]
        for path, ref, identifier in found:
            key = known.get(identifier.name) or new.get(identifier.name)
            if key is None:
                if identifier.problem:
                    reasons.append((f"{path}.clear", identifier.problem.lower()))
                    continue
                key = hmac_sm3(self._keyring.pseudonym, identifier.name.encode())
                fresh.append((identifier.name, key))
            ref.key = key
        return reasons

    def _store_identifiers(self, prepared: Prepared, fresh: list[tuple[str, bytes]]) -> None:
        for name, key in fresh:
            if name not in prepared.new_identifiers:
                prepared.new_identifiers[name] = key
                prepared.batch.vault_rows.append((key, *seal(self._keyring, key, name.encode())))


def _quarantine(event: event_pb2.Event, kind: str | None, reasons: list[Violation]) -> event_pb2.Event:
    """Makes what takes the bad event's number: its declared kind and reasons, no value of it."""
    stand_in = event_pb2.Event()
    stand_in.occurred_at.seconds = max(0, min(event.occurred_at.seconds, 4_102_444_800))
    stand_in.event_quarantined.declared_kind = kind or ""
    for path, rule in reasons[:64]:
        stand_in.event_quarantined.violations.add(field_path=path[:256], rule_id=rule[:64])
    return stand_in


def _note_correction(batch: Batch, offset: int, event: event_pb2.Event, feed_id: FeedId) -> None:
    target = event.corrects if event.HasField("corrects") else event.reverses
    stream_id = feed_id(target.feed)
    assert stream_id is not None, "the rules let only the speaker's own feeds pass"
    batch.corrections.append((offset, stream_id, target.sequence))


def _path(field: Any) -> tuple[int | None, str]:
    """Returns the index of the event in the batch (None outside of one) and the path below it, such as card.clear."""
    elements = list(field.elements) if field is not None else []
    index = None
    if elements and elements[0].field_name == "events" and elements[0].subscript is not None:
        index = int(elements.pop(0).subscript.value)
    return index, ".".join(element.field_name for element in elements)
