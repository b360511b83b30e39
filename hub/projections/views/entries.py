"""View: the last entries of each card at gates of the metro, so that an exit may be weighed against the entry before it.

A row belongs to the identifier that the gate read. It keeps the newest entries by the source's clock, however late they come.
"""

import json
from collections.abc import Iterator

from hub.domain.business_keys import card_key
from hub.domain.card import Fact, with_fact, without_fact
from hub.domain.transit.entries import KIND, MOST, entry_fact
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row
from hub.projections.views.card_standing import facts_of

_encode = json.JSONEncoder(separators=(",", ":")).encode


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the cards of the event and of the one it corrects."""
    for about in (recorded, corrected):
        if about is not None and about.kind == KIND and (key := card_key(about.event)):
            yield (key,)


def evolve(key: Key, known: list[Fact] | None, recorded: Recorded, corrected: Recorded | None) -> list[Fact] | None:
    """Adds the entry, and leaves out the oldest of too many; a correction first takes the corrected one out, a reversal only does that."""
    facts = known or []
    if corrected is not None:
        facts = without_fact(facts, corrected.position)
    if recorded.kind == KIND and not recorded.is_reversal and card_key(recorded.event) == key[0]:
        facts = with_fact(facts, entry_fact(recorded.event, recorded.occurred_us, recorded.position))[-MOST:]
    return facts or None


def decode(row: Row) -> list[Fact]:
    """Reads a row."""
    return facts_of(row[0])


def encode(facts: list[Fact]) -> Row:
    """Writes a row."""
    return (_encode(facts),)


ENTRIES = Projection(
    name="metro_entry",
    key_columns=(("key", "bytea"),),
    value_columns=(("facts", "text"),),
    kinds=frozenset({KIND}),
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
)
