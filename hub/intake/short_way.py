"""The short way through the rules, for most of the traffic: a known card, and an envelope that went the long way before and passed.

An envelope is everything the rules look at but the card, the instant within its day and the kind's own fields.
"""

from chuanyu.exchange.v1 import event_pb2, references_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.unknown_fields import UnknownFieldSet

from hub.domain.event_rules import Context, is_case_enough
from hub.domain.instants import SECOND_US, epoch_day
from hub.domain.money import SUMS
from hub.domain.pseudonym import card_name, places
from hub.domain.texts import PLAIN, SHAPE, holds_identifier
from hub.intake.compiled_rules import Accepts, accepts
from hub.intake.identifiers import Identifiers

PASSED_ENVELOPES = 20_000
_SHORT = 64
_MOST_LINES = 1_000_000_000
_MOST_FEN = 100_000_000_000_000
_LAST_SEQUENCE = 2**63 - 1
_PURPOSE_OF_CARD = {
    number: card_name(references_pb2.CardRef(kind=number)).partition("|")[0] for number in references_pb2.CardIdentifierKind.values()
}


class _AcceptsKind(dict[str, Accepts]):
    """The rules of shape of each kind, compiled when its first event comes."""

    def __missing__(self, kind: str) -> Accepts:
        self[kind] = accepts(event_pb2.Event.DESCRIPTOR.fields_by_name[kind].message_type)
        return self[kind]


_ACCEPTS_KIND = _AcceptsKind()


class ShortWay:
    """Which envelopes have passed."""

    def __init__(self, identifiers: Identifiers) -> None:
        """*identifiers* knows the cards."""
        self._identifiers = identifiers
        self._passed: set[tuple[object, ...]] = set()

    def note(self, event: event_pb2.Event, kind: str, message: Message, context: Context) -> None:
        """Notes that an event went the long way and passed, if that holds for others with its envelope."""
        if is_case_enough(kind) and not places(message.DESCRIPTOR):
            if len(self._passed) >= PASSED_ENVELOPES:
                self._passed.clear()
            self._passed.add(_envelope(event, kind, event.occurred_at.seconds, context, event.source))

    def admits(self, event: event_pb2.Event, kind: str, at: Timestamp, context: Context) -> bool:
        """The short way, for most of the traffic: a known card, and an envelope that went the long way before and passed.

        An envelope is everything the rules look at but the card, the instant within its day and the kind's own fields.
        """
        has, seconds = event.HasField, at.seconds
        if seconds > context.now_s or has("holder") or has("corrects") or has("reverses") or event.card_aliases:
            return False
        card, source = event.card, event.source
        clear = card.clear
        # As `card_name` has it, without its call.
        key = self._identifiers.known.get(f"{_PURPOSE_OF_CARD.get(card.kind)}|{card.issuing_province}|{clear}") if clear else None
        if key is None or _envelope(event, kind, seconds, context, source) not in self._passed:
            return False
        native_id, venue = source.message_id, event.venue_code
        if len(native_id) > _SHORT or len(venue) > _SHORT or not -_MOST_FEN <= event.amount_fen <= _MOST_FEN:
            return False
        if source.line_no > _MOST_LINES or event.decision_position > _LAST_SEQUENCE:
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
