"""View: which card number an identification code, transit number, account or sign number belongs to, as the issuer's events say.

Kinds that the other province may report too are left out: a misread number must not tie two cards together.
"""

from collections.abc import Iterator, Sequence

import psycopg
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.card import FROM_EITHER_SIDE
from hub.domain.event_rules import LIFECYCLE_KINDS
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row

_CARD_NO = references.CARD_IDENTIFIER_KIND_CARD_NO


def links(recorded: Recorded) -> tuple[bytes | None, list[bytes]]:
    """Returns the key of the card number the event names, None if it names none, and the keys of its other identifiers."""
    event = recorded.event
    if not event.card_aliases:
        return None, []
    refs = [event.card, *event.card_aliases]
    numbers = [ref.key for ref in refs if ref.kind == _CARD_NO]
    return (numbers[0] if numbers else None), [ref.key for ref in refs if ref.kind != _CARD_NO]


def keys(recorded: Recorded, _: Recorded | None) -> Iterator[Key]:
    """Names the identifiers that the event ties to a card number."""
    number, others = links(recorded)
    if number is not None:
        for key in others:
            yield (key,)


def evolve(_: Key, row: Row | None, recorded: Recorded, __: Recorded | None) -> Row | None:
    """Ties the identifier to the number named last."""
    number, _others = links(recorded)
    return row if row is not None and row[0] == number else (number, recorded.position)


CARD_ALIAS = Projection(
    name="card_alias",
    key_columns=(("key", "bytea"),),
    value_columns=(("card_key", "bytea"), ("position", "bigint")),
    kinds=LIFECYCLE_KINDS - FROM_EITHER_SIDE,
    keys=keys,
    evolve=evolve,
    indexes=("card_key",),
    follows_corrections=False,
    in_parts=True,
)


def identifiers_of(connection: psycopg.Connection, key: bytes) -> list[bytes]:
    """Returns the keys of all identifiers of the card that one of them names, itself included."""
    return [bytes(found) for (found,) in connection.execute(_IDENTIFIERS, {"key": key}).fetchall()]


def cards_of(connection: psycopg.Connection, names: Sequence[bytes]) -> list[bytes]:
    """Returns the keys of the card numbers that identifiers belong to, each as it is where it belongs to none."""
    known = {bytes(key): bytes(card) for key, card in connection.execute(_CARDS, {"keys": list(names)}).fetchall()}
    return [known.get(name, name) for name in names]


_CARDS = """
    SELECT key, card_key FROM views.card_alias WHERE key = ANY (%(keys)s)"""
_IDENTIFIERS = """
    WITH card AS (SELECT COALESCE((SELECT card_key FROM views.card_alias WHERE key = %(key)s), %(key)s::bytea) AS key)
    SELECT key FROM card UNION SELECT %(key)s::bytea UNION SELECT a.key FROM card JOIN views.card_alias a ON a.card_key = card.key"""
