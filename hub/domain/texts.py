"""Identifiers in a text which is not meant for them: an ID number, a mobile number, a bank account, a card number.

Events and questions are recorded for good, outside the vault, so no text of them may name a person or a card. What is searched for is a
word of its own with the checks of its kind: native numbers of messages, settlements and files are full of digits and pass.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator
from datetime import date

from chuanyu.exchange.v1 import event_pb2
from google.protobuf.message import Message

from hub.domain import identity
from hub.domain.event_rules import EARLIEST_S, local_date
from hub.domain.wellformed import END_OF_INSTANTS_S

_ID, _ACCOUNT, _MOBILE, _CARD = "an ID number", "a bank account", "a mobile number", "a card number"
# Of a text of digits alone so many may be an identifier: a mobile number, a bank account, an ID number.
DIGITS_THAT_NAME = frozenset({11, 16, 17, 18, 19})
# A card number has nine characters and every other identifier more.
SHORTEST = 9
_COULD_BE = re.compile(
    r"(?<![A-Za-z0-9])(?:[1-9][0-9]{5}(?:18|19|20)[0-9]{9}[0-9Xx]|62[0-9]{14,17}|1[3-9][0-9]{9}|[A-Za-z][0-9]{8})(?![A-Za-z0-9])"
)
_CARD_NO_SHAPE = re.compile(r"[A-Z][0-9]{8}")
# What can be a card number can be the number of a shelf, a window or a case as well; a reason or a file has no such number.
_NUMBERS_NOTHING = frozenset(
    {"reason", "reason_code", "cause_code", "purpose_code", "legal_basis", "channel", "file_name", "system", "title", "label"}
)

# A text's shape is 0 for each digit, a for each letter, a blank for any other printable character. Native numbers have few shapes, and to
# look one up costs a fifth of a search. Plain are those of which no text can hold an identifier.
SHAPE = bytes(
    48 if chr(byte).isdigit() else 97 if chr(byte).isalpha() else 32 if 32 <= byte < 127 else 1 for byte in range(128)
) + b"\1" * 128  # fmt: skip
PLAIN: set[bytes] = set()
_RISKY = re.compile(rb"\x01|(?<![0a])(?:0{17}a|0{16,19}|0{11}|a0{8})(?![0a])")
_SHAPES_KEPT, _LONGEST = 4_096, 128
_NO_YEAR = 9_999


def holds_identifier(text: str) -> bool:
    """Whether something in a text may be one; of the hot path: a text of a known shape is not searched."""
    if len(text) < SHORTEST or (shape := text.encode().translate(SHAPE)) in PLAIN:
        return False
    if _RISKY.search(shape) is None:
        if len(PLAIN) < _SHAPES_KEPT and len(shape) <= _LONGEST:
            PLAIN.add(shape)
        return False
    return any(_kind_of(word) is not None for word in _words(text))


def identifier_in(name: str, text: str, year: int, own: Collection[str] = ()) -> str | None:
    """Names the first identifier in the text of a field, in a year; None if there is none. *own* are the subject's, in capitals."""
    return next((kind for word in _words(text) if (kind := _kind_of(word)) is not None and _is_meant(word, kind, name, year, own)), None)


def _is_meant(word: str, kind: str, name: str, year: int, own: Collection[str]) -> bool:
    """Whether what has an identifier's form is one: the subject's own in every text, else nothing that may as well be a native number."""
    return word in own or not (_is_serial(word, year) or (kind == _CARD and name not in _NUMBERS_NOTHING))


def identifiers_in_texts(event: event_pb2.Event) -> Iterator[tuple[str, str]]:
    """Yields (path, kind of identifier) for every one in a text of an event.

    The event's own identifiers, where they are in clear, are found in every text; else what has only a card number's shape is found where
    nothing else is numbered.
    """
    own = {text.upper() for _, name, text in _texts(event) if name == "clear"}
    seconds = event.occurred_at.seconds
    year = int(local_date(seconds)[:4]) if EARLIEST_S <= seconds < END_OF_INSTANTS_S else _NO_YEAR
    for path, name, text in _texts(event):
        for word in _words(text) if name != "clear" else ():
            kind = _kind_of(word)
            if kind is not None and _is_meant(word, kind, name, year, own):
                yield path, kind


def _words(text: str) -> list[str]:
    return _COULD_BE.findall(unicodedata.normalize("NFKC", text).upper()) if len(text) >= SHORTEST else []


def _kind_of(word: str) -> str | None:
    """Names what a word is, None for a code or a number of something else; a card number has no check digit, but none is read as a day."""
    if identity.id_number_problem("01", word) is None:
        return _ID
    # The accounts of social-security cards are UnionPay's; other serial numbers pass the check digit one time in ten.
    if word.startswith("62") and identity.bank_account_problem(word) is None:
        return _ACCOUNT
    if identity.mobile_problem(word) is None:
        return _MOBILE
    return _CARD if _CARD_NO_SHAPE.fullmatch(word) and not _is_day(word[1:]) else None


def _is_serial(word: str, year: int) -> bool:
    """Whether an ID number may as well be a region, the day it was given and a serial number: one in eleven has the check digit."""
    return len(word) == 18 and int(word[6:10]) >= year - 1 and identity.id_number_problem("01", word) is None


def _is_day(digits: str) -> bool:
    try:
        return date.fromisoformat(digits).year in range(1980, 2100)
    except ValueError:
        return False


def _texts(message: Message, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yields (path, field name, text) of every text that is set, however deep."""
    for field, value in message.ListFields():
        here = f"{path}{field.name}"
        for item in value if field.is_repeated else (value,):
            if isinstance(item, str):
                yield here, field.name, item
            elif isinstance(item, Message):
                yield from _texts(item, f"{here}.")
            else:
                break
