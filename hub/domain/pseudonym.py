"""Turns what identifies a person or a card into a key, wherever it is in an event, and back only through the vault.

The journal holds keys alone: `HMAC-SM3(K, purpose|…)`. The places are found once from the message descriptors, so a new kind
with a reference in it needs nothing here.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from hub.domain import identity

Kinds = references.CardIdentifierKind


def hmac_sm3(key: bytes, message: bytes) -> bytes:
    """Returns the 32 bytes of HMAC-SM3 (GB/T 32905, RFC 2104)."""
    return hmac.digest(key, message, "sm3")


def hmac_sm3_under(key: bytes) -> Callable[[bytes], bytes]:
    """Returns HMAC-SM3 under one key with both key blocks hashed once: a third less work for each of many messages."""
    block = key.ljust(64, b"\0") if len(key) <= 64 else hashlib.new("sm3", key).digest().ljust(64, b"\0")
    begin_inner = hashlib.new("sm3", bytes(byte ^ 0x36 for byte in block)).copy
    begin_outer = hashlib.new("sm3", bytes(byte ^ 0x5C for byte in block)).copy

    def digest(message: bytes) -> bytes:
        inner = begin_inner()
        inner.update(message)
        outer = begin_outer()
        outer.update(inner.digest())
        return outer.digest()

    return digest


_CARD_PURPOSES: dict[int, tuple[str, Callable[[str], str | None]]] = {
    Kinds.CARD_IDENTIFIER_KIND_CARD_NO: ("card", identity.card_no_problem),
    Kinds.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE: ("ident", identity.card_ident_code_problem),
    Kinds.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO: ("transit", identity.transit_card_no_problem),
    Kinds.CARD_IDENTIFIER_KIND_BANK_ACCOUNT: ("account", identity.bank_account_problem),
    Kinds.CARD_IDENTIFIER_KIND_SIGN_NO: ("sign", identity.sign_no_problem),
}
_NO_PURPOSE: tuple[str, Callable[[str], str | None]] = ("none", lambda _: "kind")
# AAC058 codes as the key's name spells them: two digits.
_TELLS_BIRTH = frozenset({references.ID_TYPE_RESIDENT_ID, references.ID_TYPE_DISABILITY_CARD})
_PERSON_CODES = {number: f"{number:02d}" for number in references.IdType.values()}


def card_name(ref: references.CardRef) -> str:
    """Names a card's identifier, such as card|51|S00000123.

    Under another issuer it is another card, so that no side reaches the other's.
    """
    purpose, _ = _CARD_PURPOSES.get(ref.kind, _NO_PURPOSE)
    return f"{purpose}|{ref.issuing_province}|{ref.clear}"


def card_problem(ref: references.CardRef) -> str | None:
    """What is wrong with a card's identifier, None if it is well-formed."""
    return _CARD_PURPOSES[ref.kind][1](ref.clear)


def person_name(ref: references.PersonRef) -> str:
    """Names a person by document; a lower-case x is the same number."""
    return f"person|{_PERSON_CODES[ref.id_type]}|{identity.normalize_ssn(ref.clear)}"


def _person_problem(ref: references.PersonRef) -> str | None:
    return identity.id_number_problem(_PERSON_CODES[ref.id_type], identity.normalize_ssn(ref.clear))


# For each reference message: what names its identifier (its key is made of the name), and what is wrong with it, asked only once.
_READERS: dict[str, tuple[Callable[[Any], str], Callable[[Any], str | None]]] = {
    references.CardRef.DESCRIPTOR.full_name: (card_name, card_problem),
    references.PersonRef.DESCRIPTOR.full_name: (person_name, _person_problem),
    references.BankAccountRef.DESCRIPTOR.full_name: (
        lambda ref: f"account|{ref.clear}",
        lambda ref: identity.bank_account_problem(ref.clear),
    ),
    references.NameRef.DESCRIPTOR.full_name: (lambda ref: f"name|{identity.normalize_name(ref.clear)}", lambda _: None),
    references.MobileRef.DESCRIPTOR.full_name: (lambda ref: f"mobile|{ref.clear}", lambda ref: identity.mobile_problem(ref.clear)),
    references.TokenRef.DESCRIPTOR.full_name: (lambda ref: f"token|{ref.clear}", lambda _: None),
}


def born_on(ref: references.PersonRef) -> str:
    """Returns the date of birth that a well-formed number in clear gives, as yyyyMMdd; "" where it gives none."""
    number = ref.clear
    tells = ref.id_type in _TELLS_BIRTH or (ref.id_type == references.ID_TYPE_FOREIGN_PERMANENT_RESIDENT and number.startswith("9"))
    return number[6:14] if tells and len(number) >= 18 else ""


def is_well_formed(ref: Any) -> bool:
    """Whether the identifier of a reference, in clear, is one of its kind; of a kind that the hub does not know none is."""
    try:
        return _READERS[ref.DESCRIPTOR.full_name][1](ref) is None
    except KeyError:
        return False


class Place(NamedTuple):
    """Where a reference is in a message: the fields that lead to it, and whether the last one repeats."""

    path: tuple[str, ...]
    is_repeated: bool
    name: Callable[[Any], str]
    problem: Callable[[Any], str | None]


@cache
def places(descriptor: Descriptor) -> tuple[Place, ...]:
    """Returns every place of a reference in messages of this type, not descending into the kinds of an Event."""
    return tuple(_find(descriptor, ()))


def _find(descriptor: Descriptor, path: tuple[str, ...]) -> Iterator[Place]:
    for field in descriptor.fields:
        inner = field.message_type
        if inner is None or (field.containing_oneof is not None and field.containing_oneof.name == "kind"):
            continue
        here = (*path, field.name)
        if (reader := _READERS.get(inner.full_name)) is not None:
            yield Place(here, field.is_repeated, *reader)
        elif inner.full_name.startswith("chuanyu.") and inner is not event_pb2.Event.DESCRIPTOR and not field.is_repeated:
            yield from _find(inner, here)


def references_of(message: Message) -> Iterator[tuple[Place, Any]]:
    """Yields (place, reference) for every reference of the message, in either arm."""
    for place in places(message.DESCRIPTOR):
        target: Any = message
        for name in place.path:
            if not place.is_repeated and not target.HasField(name):
                break
            target = getattr(target, name)
        else:
            for ref in target if place.is_repeated else (target,):
                yield place, ref


def clear_paths(message: Message, path: str = "") -> Iterator[str]:
    """Yields the path of every clear arm anywhere in a message: none may be in the journal."""
    for field, value in message.ListFields():
        here = f"{path}.{field.name}" if path else field.name
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for item in value if field.is_repeated else (value,):
                yield from clear_paths(item, here)
        elif field.name == "clear":
            yield here
