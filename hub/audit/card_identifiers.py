"""The identifiers of a card at a position: those that lifecycle events tie to its number up to there (`views.card_alias`).

A proof of the card index is about one identifier. So "these are all facts about the card" needs a proof for each of them. One that was tied
to another card later belongs here as well: nothing in the record of this card says so.
"""

from collections.abc import Iterable

import psycopg

from hub.audit.card_proofs import prove
from hub.journal.reader import Recorded, events_at
from hub.projections.card_epochs import Epoch
from hub.projections.views.card_alias import CARD_ALIAS, links


def identifiers_in(events: Iterable[Recorded], card: bytes) -> set[bytes]:
    """Returns the keys of a card's identifiers by events in order, itself and its number included."""
    tied: dict[bytes, set[bytes]] = {}
    number = card
    for event in events:
        if CARD_ALIAS.kinds is None or event.kind in CARD_ALIAS.kinds:
            named, others = links(event)
            if named is not None:
                tied.setdefault(named, set()).update(others)
                number = named if card in others else number
    return {card, number} | (tied.get(number, set()) - {b""})


def identifiers_at(connection: psycopg.Connection, epoch: Epoch, card: bytes, position: int) -> list[bytes]:
    """Returns the keys of a card's identifiers at a position, as an epoch of the index has its events; raises IndexGone."""
    known = {card}
    while True:
        found = {one for key in known for one in prove(connection, epoch, "card", key).positions if one <= position}
        wider = identifiers_in(events_at(connection, sorted(found)), card)
        if wider <= known:
            return sorted(known)
        known |= wider
