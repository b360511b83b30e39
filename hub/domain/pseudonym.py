"""Turns what identifies a person or a card into a key, wherever it stands in an event, and back only through the vault.

The journal holds keys alone: `HMAC-SM3(K, purpose|…)`. The places are found once from the message descriptors, so a new kind
with a reference in it needs nothing here.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
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


class Identifier(NamedTuple):
    """An identifier in clear: *name* is what its key is made of, such as card|51|S00000123."""

    name: str
    clear: str
    check: Callable[[str], str | None]

    @property
    def problem(self) -> str | None:
        """What is wrong with it, None if it is well-formed; asked only when the identifier is new, since it costs most of the time."""
        return self.check(self.clear)


_CARD_PURPOSES: dict[int, tuple[str, Callable[[str], str | None]]] = {
    Kinds.CARD_IDENTIFIER_KIND_CARD_NO: ("card", identity.card_no_problem),
    Kinds.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE: ("ident", identity.card_ident_code_problem),
    Kinds.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO: ("transit", identity.transit_card_no_problem),
    Kinds.CARD_IDENTIFIER_KIND_BANK_ACCOUNT: ("account", identity.bank_account_problem),
    Kinds.CARD_IDENTIFIER_KIND_SIGN_NO: ("sign", identity.sign_no_problem),
}
# AAC058 codes as the key's name spells them: two digits.
_PERSON_CODES = {number: f"{number:02d}" for number in references.IdType.values()}


def card_identifier(ref: references.CardRef) -> Identifier:
    """Names a card's identifier; only the nine-character number needs the province, being unique inside it alone."""
    purpose, problem = _CARD_PURPOSES.get(ref.kind, ("card", identity.card_no_problem))
    clear = ref.clear
    name = f"card|{ref.issuing_province}|{clear}" if purpose == "card" else f"{purpose}|{clear}"
    return Identifier(name, clear, problem)


def person_identifier(ref: references.PersonRef) -> Identifier:
    """Names a person by document; a lower-case x is the same number."""
    code, clear = _PERSON_CODES.get(ref.id_type, "00"), identity.normalize_ssn(ref.clear)
    return Identifier(f"person|{code}|{clear}", clear, partial(identity.id_number_problem, code))


def _account_identifier(ref: references.BankAccountRef) -> Identifier:
    return Identifier(f"account|{ref.clear}", ref.clear, identity.bank_account_problem)


def _name_identifier(ref: references.NameRef) -> Identifier:
    return Identifier(f"name|{ref.clear}", ref.clear, lambda _: None)


def _mobile_identifier(ref: references.MobileRef) -> Identifier:
    return Identifier(f"mobile|{ref.clear}", ref.clear, identity.mobile_problem)


_READERS: dict[str, Callable[[Any], Identifier]] = {
    references.CardRef.DESCRIPTOR.full_name: card_identifier,
    references.PersonRef.DESCRIPTOR.full_name: person_identifier,
    references.BankAccountRef.DESCRIPTOR.full_name: _account_identifier,
    references.NameRef.DESCRIPTOR.full_name: _name_identifier,
    references.MobileRef.DESCRIPTOR.full_name: _mobile_identifier,
}


class Place(NamedTuple):
    """Where a reference stands in a message: the fields that lead to it, and whether the last one repeats."""

    path: tuple[str, ...]
    is_repeated: bool
    read: Callable[[Any], Identifier]


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
            yield Place(here, field.is_repeated, reader)
        elif inner.full_name.startswith("chuanyu.") and inner is not event_pb2.Event.DESCRIPTOR and not field.is_repeated:
            yield from _find(inner, here)


def references_of(message: Message) -> Iterable[tuple[str, Any, Identifier]]:
    """Yields (field path, reference, identifier) for every reference of the message that stands in clear."""
    for path, is_repeated, read in places(message.DESCRIPTOR):
        target: Any = message
        for name in path:
            if not is_repeated and not target.HasField(name):
                break
            target = getattr(target, name)
        else:
            for ref in target if is_repeated else (target,):
                if ref.clear:
                    yield ".".join(path), ref, read(ref)


def clear_paths(message: Message, path: str = "") -> Iterator[str]:
    """Yields the path of every clear arm anywhere in a message: none may stand in the journal."""
    for field, value in message.ListFields():
        here = f"{path}.{field.name}" if path else field.name
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for item in value if field.is_repeated else (value,):
                yield from clear_paths(item, here)
        elif field.name == "clear":
            yield here
