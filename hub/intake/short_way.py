"""The short way through the rules, for most of the traffic: known identifiers, and an envelope that went the long way before and passed.

An envelope is everything the rules look at but the identifiers, the instant within its day, the kind's own fields and what is checked here
again. It is cut out of the bytes that came, because to parse an event and to write it again costs as much as to check it. Only an event
is cut that is written as protobuf libraries write one: fields in the order of their numbers, each once, numbers in as few bytes as they
need, none that is empty or unknown. So what is put together again, with keys in the place of identifiers, is what parsing and writing
would make.
"""

import re
from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2, references_pb2
from google.protobuf import message_factory
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from hub.domain.event_rules import Context, is_case_enough
from hub.domain.instants import SECOND_US, epoch_day
from hub.domain.money import SUMS
from hub.domain.pseudonym import born_on, places
from hub.domain.texts import PLAIN, SHAPE, holds_identifier
from hub.domain.wellformed import NANOS
from hub.intake.byte_rules import Keeps, keeps
from hub.intake.compiled_rules import Accepts, accepts
from hub.intake.identifiers import Identifiers

PASSED_ENVELOPES = 20_000
KNOWN_REFERENCES = 100_000
_EPOCH = date(1970, 1, 1).toordinal()
_NEVER = -(2**31)


def _text(longest: int) -> bytes:
    """Returns the pattern of a text of 1 to so many bytes, at most 127, behind the byte of its length."""
    return b"(?:" + b"|".join(re.escape(bytes((length,))) + b".{%d}" % length for length in range(1, longest + 1)) + b")"


def _number(longest: int) -> bytes:
    """Returns the pattern of a number above 0 in up to so many bytes of seven bits each."""
    return rb"[\x80-\xff]{0,%d}[\x01-\x7f]" % (longest - 1)


# The fields of an event in front of its references, these, and those behind. A number that needs more bytes than these goes the long way,
# as an event with three aliases does.
_FRONT = (
    rb"\x0a(?P<instant_size>[\x02-\x7f])(?P<instant>\x08%b(?:\x10%b|))(?P<business_date>\x12%b|)" % (_number(5), _number(5), _text(10))
    + rb"(?:\x1a(?P<source_size>[\x02-\x7f])(?P<source>(?P<system>\x0a%b)(?:\x12(?P<message_id>%b)|)" % (_text(64), _text(64))
    + rb"(?P<file_name>\x1a%b|)(?:\x20%b|)(?P<native_code>\x2a%b|))|)" % (_text(100), _number(4), _text(64))
)
# A card, two aliases, a holder.
_REFERENCES = rb"(?:\x22%b|)(?:\x2a%b|)(?:\x2a%b|)(?:\x32%b|)" % ((_text(80),) * 4)
_BACK = (
    rb"(?P<place>(?:\x3a%b|)(?:\x42%b|)(?:\x4a%b|)(?:\x50[\x01-\x7f]|)(?:\x58[\x01-\x7f]|))" % (_text(6), _text(6), _text(32))
    + rb"(?:\x60%b|)(?:\x7a(?P<venue>%b)|)(?:\x80\x01%b|)" % (_number(8), _text(64), _number(6))
    + rb"(?P<tag>[\x80-\xff][\x01-\x7f])(?P<size>[\x00-\x7f]|[\x80-\xff][\x01-\x7f])(?P<message>.*)"
)
_EVENT = re.compile(b"(?P<front>%b)(?P<references>%b)(?P<back>%b)" % (_FRONT, _REFERENCES, _BACK), re.DOTALL)
_REFERENCE = re.compile(b"[\x22\x2a\x32]%b" % _text(80), re.DOTALL)
_FIELDS = {field.number: field for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields}
# The fields of an event that name a card or a person.
_PLACES = {event_pb2.Event.DESCRIPTOR.fields_by_name[place.path[0]].number << 3 | 2: place for place in places(event_pb2.Event.DESCRIPTOR)}


class _References(NamedTuple):
    """Fields with identifiers that the vault has: the fields with their keys, what the rules look at, the day the last number was born."""

    keyed: bytes
    looked_at: tuple[object, ...]
    born_day: int


@cache
def _reader(tag: int) -> Callable[[bytes], Any]:
    """Returns what reads the message of a field with an identifier."""
    field = event_pb2.Event.DESCRIPTOR.fields_by_number[tag >> 3]
    assert field.message_type is not None, "a reference is a message"
    return message_factory.GetMessageClass(field.message_type).FromString


class _Kind(NamedTuple):
    """What there is to know of a kind: its name, what reads its message, its rules of shape (also by bytes alone) and of its sums."""

    name: str
    read: Callable[[bytes], Message]
    keeps: Keeps
    accepts: Accepts
    wrong_sums: Callable[[Any], list[str]] | None


@cache
def _kind(tag: bytes) -> _Kind | None:
    """Returns the kind with a tag of two bytes, its rules compiled; None if its events do not pass by their envelope."""
    field = _FIELDS.get((tag[0] & 127 | tag[1] << 7) >> 3)
    if field is None or field.message_type is None or tag[0] & 7 != 2 or not is_case_enough(field.name) or places(field.message_type):
        return None
    reads = message_factory.GetMessageClass(field.message_type).FromString
    return _Kind(field.name, reads, keeps(field.message_type), accepts(field.message_type), SUMS.get(field.name))


class ShortWay:
    """Which envelopes have passed."""

    def __init__(self, identifiers: Identifiers) -> None:
        """*identifiers* knows cards and persons."""
        self._identifiers = identifiers
        self._references: dict[bytes, _References] = {}
        self._passed: set[tuple[object, ...]] = set()

    def note(self, sent: bytes, event: event_pb2.Event, context: Context) -> None:
        """Notes that an event, which has its keys by now, went the long way and passed, if that holds for others with its envelope."""
        if (cut := self._cut(sent, context)) is not None:
            envelope, *_, stored = cut
            if stored == event.SerializeToString():
                if len(self._passed) >= PASSED_ENVELOPES:
                    self._passed.clear()
                self._passed.add(envelope)

    def take(self, sent: bytes, context: Context) -> tuple[str, int, int, bytes] | None:
        """Returns an event's kind, its instant in seconds and nanoseconds and its bytes with keys in the place of identifiers.

        None is one that has to go the long way.
        """
        cut = self._cut(sent, context)
        if cut is None:
            return None
        envelope, kind, seconds, nanos, body, message_id, venue, stored = cut
        if envelope not in self._passed or seconds > context.now_s or nanos >= NANOS:
            return None
        try:
            if not (_is_harmless(message_id) and _is_harmless(venue)):
                return None
            if not (kind.keeps(body) or _passes(kind, body)) or (kind.wrong_sums is not None and kind.wrong_sums(kind.read(body))):
                return None
        except (UnicodeDecodeError, DecodeError):
            return None
        return kind.name, seconds, nanos, stored

    def _cut(self, sent: bytes, context: Context) -> tuple[Any, ...] | None:
        """Returns an event's envelope, kind, instant, kind's message, message id, venue, and its bytes with keys.

        None is one that is written in another way, of a kind that does not pass by its envelope, with an identifier that the vault does not
        have yet, or of somebody born after it.
        """
        match = _EVENT.fullmatch(sent)
        if match is None:
            return None
        front, *head, references, back, place, venue, tag, size, body = match.groups()
        instant_size, instant, business_date, source_size, source, system, message_id, file_name, native_code = head
        if (
            (size[0] if len(size) == 1 else size[0] & 127 | size[1] << 7) != len(body)
            or instant_size[0] != len(instant)
            or (source is not None and source_size[0] != len(source))
            or (kind := _kind(tag)) is None
            or (known := self._references.get(references) or self._known(references)) is None
        ):
            return None
        at = Timestamp.FromString(instant)
        seconds = at.seconds
        day = epoch_day(seconds * SECOND_US)
        if known.born_day > day:
            return None
        envelope = tag, context.rights, day, business_date, system, file_name, native_code, place, known.looked_at
        return envelope, kind, seconds, at.nanos, body, message_id, venue, front + known.keyed + back

    def _known(self, fields: bytes) -> _References | None:
        """Looks fields with identifiers in clear up among those that the vault has; None unless it has them all."""
        keyed, looked_at, born_day = b"", list[object](), _NEVER
        for field in _REFERENCE.findall(fields):
            if (one := self._known_field(field)) is None:
                return None
            keyed, born_day = keyed + one.keyed, max(born_day, one.born_day)
            looked_at += one.looked_at
        if len(self._references) >= KNOWN_REFERENCES:
            self._references.clear()
        return self._references.setdefault(fields, _References(keyed, tuple(looked_at), born_day))

    def _known_field(self, field: bytes) -> _References | None:
        place = _PLACES[field[0]]
        reader = _reader(field[0])
        try:
            reference = reader(field[2:])
        except DecodeError:
            return None
        reference.DiscardUnknownFields()
        key = self._identifiers.known.get(place.name(reference)) if reference.clear else None
        if key is None or reference.SerializeToString() != field[2:]:
            return None
        born = born_on(reference) if isinstance(reference, references_pb2.PersonRef) else ""
        reference.key = key
        keyed = reference.SerializeToString()
        reference.ClearField("key")
        looked_at = field[0], reference.SerializeToString()
        born_day = date.fromisoformat(born).toordinal() - _EPOCH if born else _NEVER
        return _References(bytes((field[0], len(keyed))) + keyed, (looked_at,), born_day)


def _passes(kind: _Kind, body: bytes) -> bool:
    """Whether the message of a kind keeps its rules and is written as it would be; raises DecodeError."""
    message = kind.read(body)
    if not kind.accepts(message):
        return False
    message.DiscardUnknownFields()
    return bool(message.SerializeToString() == body)


def _is_harmless(text: bytes | None) -> bool:
    """Whether a text, behind the byte of its length, has no control character and no identifier; raises UnicodeDecodeError."""
    if text is None or text[1:].translate(SHAPE) in PLAIN:
        return True
    characters = text[1:].decode()
    return characters.isprintable() and not holds_identifier(characters)
