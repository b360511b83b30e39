"""View: which card numbers each holder has, by what the events say; answers rest on it where a holder has several of one province.

Only events that name a card number count: an identifier that nobody has tied to a number could be that of a card already known.
"""

import json
from collections.abc import Iterator

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.card import FROM_EITHER_SIDE
from hub.domain.person import PLACE_KINDS
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row

_CARD_NO = references.CARD_IDENTIFIER_KIND_CARD_NO
# The issuer alone says whose a card is: an enabling that the other side reports must not reach the cards of the holder it names.
KINDS = (PLACE_KINDS | {"holder_data_corrected"}) - FROM_EITHER_SIDE
_encode = json.JSONEncoder(separators=(",", ":")).encode

# What a row keeps of an event: position, card key in hex, issuing province, and whether the card goes to another holder by it.
Told = tuple[int, str, str, bool]


def holder_told(recorded: Recorded) -> bytes:
    """Returns the key of the holder that a card has by an event, empty if it names none."""
    if recorded.kind not in KINDS:
        return b""
    event = recorded.event
    return event.holder_data_corrected.corrected_holder.key or event.holder.key


def _number(event: event_pb2.Event) -> bytes:
    if event.card.kind == _CARD_NO:
        return event.card.key
    return next((alias.key for alias in event.card_aliases if alias.kind == _CARD_NO), b"")


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the holders of the event and of the one it corrects."""
    for about in (recorded, corrected):
        if about is not None and about.kind in KINDS and _number(about.event):
            for key in {about.event.holder.key, holder_told(about)}:
                if key:
                    yield (key,)


def evolve(key: Key, row: Row | None, recorded: Recorded, corrected: Recorded | None) -> Row | None:
    """Adds the card that the event names and takes what it corrects out."""
    told: list[Told] = [tuple(entry) for entry in json.loads(row[0])] if row is not None else []
    if corrected is not None:
        told = [entry for entry in told if entry[0] != corrected.position]
    number = _number(recorded.event) if recorded.kind in KINDS else b""
    is_told = number and not recorded.is_reversal and key[0] in (recorded.event.holder.key, holder_told(recorded))
    if is_told and all(entry[0] != recorded.position for entry in told):
        is_gone = holder_told(recorded) != key[0]
        told.append((recorded.position, number.hex(), recorded.event.card.issuing_province, is_gone))
    if not told:
        return None
    told.sort()
    cards = held(told)
    return _encode(told), _encode(cards), any(len(of_one) > 1 for of_one in cards.values()), len(cards) > 1


def held(told: list[Told]) -> dict[str, list[str]]:
    """Returns the cards of a holder by issuing province, in the order in which they were reported first."""
    last = {card: (province, is_gone) for _, card, province, is_gone in told}
    cards: dict[str, list[str]] = {}
    for card, (province, is_gone) in last.items():
        if not is_gone:
            cards.setdefault(province, []).append(card)
    return cards


HOLDER_CARDS = Projection(
    name="holder_cards",
    key_columns=(("key", "bytea"),),
    value_columns=(("told", "text"), ("cards", "text"), ("is_shared", "boolean"), ("is_wide", "boolean")),
    kinds=KINDS,
    keys=keys,
    evolve=evolve,
    in_parts=True,
)
