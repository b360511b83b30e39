"""View: what is on record of each person beside the lives of his cards, so that answers may weigh it against what is claimed.

A row belongs to an identifier of a card that an event was addressed by, or to a holder that it names; a reader takes the rows of all the
holder's cards and of the holder together.
"""

import json
from collections.abc import Iterator

from hub.domain.card import Fact, with_fact, without_fact
from hub.domain.records.topics import TOPICS, record_fact
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row
from hub.projections.views.card_standing import facts_of

_encode = json.JSONEncoder(separators=(",", ":")).encode


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the cards and the holders of the event and of the one it corrects."""
    for about in (recorded, corrected):
        if about is not None and about.kind in TOPICS:
            for key in (about.event.card.key, about.event.holder.key):
                if key:
                    yield (key,)


def evolve(key: Key, known: list[Fact] | None, recorded: Recorded, corrected: Recorded | None) -> list[Fact] | None:
    """Adds the event's fact; a correction first takes the corrected fact out, a reversal only does that."""
    facts = known or []
    if corrected is not None:
        facts = without_fact(facts, corrected.position)
    event, kind = recorded.event, recorded.kind
    if kind in TOPICS and not recorded.is_reversal and key[0] in (event.card.key, event.holder.key):
        facts = with_fact(facts, record_fact(kind, event, recorded.occurred_us, recorded.position))
    return facts or None


def decode(row: Row) -> list[Fact]:
    """Reads a row."""
    return facts_of(row[0])


def encode(facts: list[Fact]) -> Row:
    """Writes a row."""
    return (_encode(facts),)


HOLDER_RECORD = Projection(
    name="holder_record",
    key_columns=(("key", "bytea"),),
    value_columns=(("facts", "text"),),
    kinds=frozenset(TOPICS),
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    in_parts=True,
)
