"""A message as an operator may see it: its fields and codes, every identifier masked, everything else by its length only.

What is here is the original of a bad event, so any field may hold what does not belong there: a text is shown only if it is a word the
hub knows, a number only while it is too short for an identifier, an identifier only if it is well-formed, and then masked.

And what operators write themselves: nothing in it may look like an identifier.
"""

import re
import unicodedata
from collections.abc import Callable, Container, Iterator
from datetime import datetime
from typing import Any

from chuanyu.exchange.v1 import references_pb2 as references
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.unknown_fields import UnknownFieldSet

from hub.domain import identity
from hub.domain.instants import LOCAL
from hub.domain.pseudonym import is_well_formed

# A card number has nine characters; amounts below a million yuan have eight digits in fen.
_SHORT_NUMBER = 10**8
_CALENDAR_END_S = 253_402_214_400
# A card number has nine characters and every other identifier more; words have no digit in them, and ticket numbers are parted or short.
_LIKE_AN_IDENTIFIER = re.compile(r"(?=[A-Za-z]*[0-9])[A-Za-z0-9]{9,}")
Kinds = references.CardIdentifierKind
_CARD_MASKS: dict[int, Callable[[str], str]] = {
    Kinds.CARD_IDENTIFIER_KIND_CARD_NO: identity.mask_card_no,
    Kinds.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE: identity.mask_card_ident_code,
    Kinds.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO: identity.mask_bank_account,
    Kinds.CARD_IDENTIFIER_KIND_BANK_ACCOUNT: identity.mask_bank_account,
}
_PURPOSE_MASKS = {"card": identity.mask_card_no, "ident": identity.mask_card_ident_code} | dict.fromkeys(
    ("transit", "account"), identity.mask_bank_account
)
_MASKS: dict[str, Callable[[str], str]] = {
    references.PersonRef.DESCRIPTOR.full_name: identity.mask_ssn,
    references.BankAccountRef.DESCRIPTOR.full_name: identity.mask_bank_account,
    references.NameRef.DESCRIPTOR.full_name: identity.mask_name,
    references.MobileRef.DESCRIPTOR.full_name: identity.mask_mobile,
}


def shown(message: Message, words: Container[str], path: str = "") -> Iterator[tuple[str, str]]:
    """Yields (path, text) of every field that is set, masked; *words* are the texts that may be shown as they are."""
    for where, field, value, owner in _fields(message, path):
        if field is None:
            yield where, _length(value) if isinstance(value, bytes) else "1 个数 number"
        elif field.name == "clear":
            yield where, _identifier(owner)
        else:
            yield where, _scalar(field, value, words)


def masked_card(name: str) -> str:
    """Returns the identifier within a card's name (card|51|S00000123), masked: S****0123."""
    purpose, _, clear = name.split("|", 2)
    mask = _PURPOSE_MASKS.get(purpose)
    return _printable(mask(clear)) if mask is not None else _length(clear)


def looks_like_an_identifier(text: str) -> bool:
    """Whether something in a text may be an identifier: nine letters or digits in a row, one of them a digit; rather too often."""
    return _LIKE_AN_IDENTIFIER.search(unicodedata.normalize("NFKC", text)) is not None


def without_identifiers(text: str) -> str:
    """Returns a text with … for all that looks like an identifier."""
    return _LIKE_AN_IDENTIFIER.sub("…", unicodedata.normalize("NFKC", text))


def in_clear(message: Message) -> Iterator[tuple[str, str]]:
    """Yields (path, text) of every field that is set, as it was sent; what a terminal might obey is escaped."""
    for where, field, value, _ in _fields(message, ""):
        if isinstance(value, bytes):
            yield where, value.hex()
        elif isinstance(value, str):
            yield where, _printable(value)
        elif isinstance(value, Timestamp):
            yield where, f"{_instant(value)} ({value.seconds} s)"
        else:
            yield where, str(value) if field is None else _number(field, value)


_Field = tuple[str, FieldDescriptor | None, Any, Message]


def _fields(message: Message, path: str) -> Iterator[_Field]:
    """Yields (path, field, value, the message it is in) down to the leaves; None for a field that this hub does not know."""
    for field, value in message.ListFields():
        items = list(enumerate(value)) if field.is_repeated else [(-1, value)]
        for index, item in items:
            where = f"{path}{field.name}" if index < 0 else f"{path}{field.name}[{index}]"
            if isinstance(item, Message) and not isinstance(item, Timestamp):
                yield from _fields(item, f"{where}.")
            else:
                yield where, field, item, message
    unknowns: Any = UnknownFieldSet(message)
    for unknown in unknowns:
        yield f"{path}#{unknown.field_number}", None, unknown.data if isinstance(unknown.data, (bytes, int)) else b"", message


def _identifier(reference: Any) -> str:
    name = reference.DESCRIPTOR.full_name
    mask = _CARD_MASKS.get(reference.kind) if isinstance(reference, references.CardRef) else _MASKS[name]
    # What a malformed one really is, nobody knows.
    if mask is None or not is_well_formed(reference):
        return _length(reference.clear)
    return _printable(mask(reference.clear))


def _scalar(field: FieldDescriptor, value: Any, words: Container[str]) -> str:
    if isinstance(value, str):
        return value if value in words else _length(value)
    if isinstance(value, bytes):
        return _length(value)
    if isinstance(value, Timestamp):
        return _instant(value)
    return _number(field, value) if abs(value) < _SHORT_NUMBER else f"{len(str(abs(value)))} 位数字 digits"


def _instant(value: Timestamp) -> str:
    if not 0 <= value.seconds < _CALENDAR_END_S:
        return "不在历法之内 outside the calendar"
    return datetime.fromtimestamp(value.seconds, LOCAL).isoformat(timespec="seconds")


def _number(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None and value in field.enum_type.values_by_number:
        return str(field.enum_type.values_by_number[value].name)
    return str(value)


def _length(value: str | bytes) -> str:
    return f"{len(value)} 个字符 characters" if isinstance(value, str) else f"{len(value)} 字节 bytes"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
