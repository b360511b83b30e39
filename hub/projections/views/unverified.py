"""Findings that no row has: uses after a death that was reported of another card of the holder, which that card's issuer has to verify.

They follow from rows of several cards and vanish with them (a reversed death, a corrected holder), so they are found as they are read.
"""

import json
from collections.abc import Iterator

import psycopg

from hub.projections.rows import rows_of
from hub.projections.views.card_alias import CARD_ALIAS
from hub.projections.views.card_rows import facts_in
from hub.projections.views.card_standing import CARD_STANDING
from hub.projections.views.findings import FINDINGS, Card, Listed, decode, unverified_uses
from hub.projections.views.holder_cards import HOLDER_CARDS


def listed_unverified(connection: psycopg.Connection, card: bytes | None = None) -> list[Listed]:
    """Reads such uses of all cards, or of one, in the order of the journal."""
    keys = [card] if card is not None else sorted(set(_relatives(connection)))
    cards = ((key, card) for key in keys for card in _read(connection, key))
    found = (
        Listed("card", key.hex(), card.issuing_province, one)
        for key, card in cards
        for one in unverified_uses(card, facts_in(connection, key))
    )
    return sorted(found, key=lambda one: one.found)


def _read(connection: psycopg.Connection, key: bytes) -> Iterator[Card]:
    """Reads a card with its uses."""
    assert FINDINGS.item_rows is not None
    for row in rows_of(connection, FINDINGS.rows, FINDINGS.key_columns, [(key,)]):
        uses = rows_of(connection, FINDINGS.item_rows, FINDINGS.key_columns, [(key,)])
        yield decode(row[1:])._replace(uses=[use[1:] for use in uses])


def _relatives(connection: psycopg.Connection) -> Iterator[bytes]:
    """Names the cards of holders whose death was reported."""
    for (cards,) in connection.execute(_DEAD).fetchall():
        yield from (bytes.fromhex(card) for of_one in json.loads(cards).values() for card in of_one)


# A row is of a card's number, or of another identifier if no event of it names a number.
_DEAD = f"""
    SELECT h.cards FROM (
        SELECT DISTINCT s.holder FROM views.{FINDINGS.name} f LEFT JOIN views.{CARD_ALIAS.name} l ON l.key = f.key
        JOIN views.{CARD_STANDING.name} s ON s.key IN (f.key, l.card_key)
        WHERE f.has_died) d
    JOIN views.{HOLDER_CARDS.name} h ON h.key = d.holder WHERE h.is_shared OR h.is_wide""".encode()  # noqa: S608 (names of our own views)
