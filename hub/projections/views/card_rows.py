"""Reads cards with what answers need of them: the facts of all their identifiers, and which other cards their holder has."""

import json
from collections.abc import Iterable

import psycopg

from hub.domain.card import Fact
from hub.domain.succession import CardRow, facts_known, wanted
from hub.projections.views.card_alias import CARD_ALIAS
from hub.projections.views.card_standing import CARD_STANDING, facts_of
from hub.projections.views.holder_cards import HOLDER_CARDS


def rows_named(keys: str, prefix: str = "") -> str:
    """Returns the WITH clause of *rows* (asked, card, issuing_province, facts, the holder's cards): one for each identifier of facts.

    *keys* is the array's place holder; *prefix* names copies of the views. The holder's cards are null unless the holder has several
    cards of a province, or cards of several and a death was reported of one of them: few of those who have one of each have died.
    """
    standing, alias, holders = (f"views.{prefix}{view.name}" for view in (CARD_STANDING, CARD_ALIAS, HOLDER_CARDS))
    return f"""
    WITH named AS (
        SELECT a.key AS asked, COALESCE(l.card_key, a.key) AS card
        FROM unnest({keys}::bytea[]) a (key) LEFT JOIN {alias} l ON l.key = a.key),
    found AS (
        SELECT n.asked, n.card, s.issuing_province, s.facts, s.holder FROM named n JOIN {standing} s ON s.key = n.card
        UNION ALL
        SELECT n.asked, n.card, s.issuing_province, s.facts, s.holder FROM named n
        JOIN {alias} l ON l.card_key = n.card JOIN {standing} s ON s.key = l.key),
    rows AS (
        SELECT f.asked, f.card, f.issuing_province, f.facts, h.cards AS held
        FROM found f LEFT JOIN {holders} h ON h.key = f.holder AND (h.is_shared OR CASE WHEN h.is_wide THEN EXISTS (
            SELECT FROM jsonb_each(h.cards::jsonb) p (province, cards), jsonb_array_elements_text(p.cards) c (hex),
                LATERAL (SELECT decode(c.hex, 'hex') UNION ALL SELECT l.key FROM {alias} l WHERE l.card_key = decode(c.hex, 'hex')) i (key)
                JOIN {standing} d ON d.key = i.key
            WHERE jsonb_path_exists(d.facts::jsonb, '$[*][3].death')) END))"""  # noqa: S608 (names of our own views)


def rows_statement(prefix: str = "") -> str:
    """Returns the statement that reads some *keys*, from copies of the views whose names begin so."""
    return f"{rows_named('%(keys)s', prefix)} SELECT asked, card, issuing_province, facts, held FROM rows"  # noqa: S608 (our own text)


_ROWS = rows_statement()


def merged(rows: dict[bytes, CardRow], asked: bytes, card: bytes, province: str, facts: list[Fact], held: str | None) -> None:
    """Adds what one identifier's row says of a card."""
    cards, elsewhere = relatives(held, province) if held else ((), ())
    known = rows.get(asked)
    if known is None:
        rows[asked] = CardRow(card, facts, cards, elsewhere)
    else:
        # Facts addressed by another identifier of the same card.
        both = sorted([*known.facts, *facts], key=lambda fact: (fact.occurred_us, fact.position))
        rows[asked] = CardRow(card, both, known.held or cards, known.elsewhere or elsewhere)


def relatives(held: str, province: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Returns the keys of a holder's cards as `holder_cards` has them: those of a province, and those of others."""
    cards = json.loads(held)
    elsewhere = (card for issuer in sorted(cards.keys() - {province}) for card in cards[issuer])
    return tuple(map(bytes.fromhex, cards.get(province, ()))), tuple(map(bytes.fromhex, elsewhere))


def card_rows(connection: psycopg.Connection, keys: Iterable[bytes], statement: str = _ROWS) -> dict[bytes, CardRow]:
    """Reads cards by any of their identifiers; one the hub knows nothing of is left out."""
    rows: dict[bytes, CardRow] = {}
    for asked, card, province, text, held in connection.execute(statement.encode(), {"keys": list(keys)}).fetchall():
        merged(rows, bytes(asked), bytes(card), province, facts_of(text), held)
    return rows


def facts_in(connection: psycopg.Connection, key: bytes, statement: str = _ROWS) -> list[Fact]:
    """Reads the facts of a card with those that follow from its relatives; empty if the hub knows no such card."""
    rows, asked = card_rows(connection, [key], statement), {key}
    while more := wanted(rows, [*rows], with_ecard=True) - asked:
        asked |= more
        # One that the hub knows nothing of is left out, as an edge leaves it out.
        rows |= card_rows(connection, more, statement)
    return facts_known(key, rows)
