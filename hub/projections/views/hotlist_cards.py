"""The cards a hotlist is made of, all at one position: a copy of three views that only the build folds, so that it does not move.

A reading of millions of cards in one transaction would hold the old versions of the head row; in pages from the live views it would mix
positions. Here the copies are folded up to the head and then read at leisure. They hold nothing of their own and may be dropped.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

import psycopg

from hub.domain.card import policies_of, standing
from hub.domain.hotlist import READ_BY_GATES, is_listed
from hub.domain.reference import Reference
from hub.journal.reader import head_position
from hub.journal.vault import unseal
from hub.projections.engine import advance, create_views
from hub.projections.views.card_alias import CARD_ALIAS
from hub.projections.views.card_rows import facts_in, rows_statement
from hub.projections.views.card_standing import CARD_STANDING, facts_of
from hub.projections.views.holder_cards import HOLDER_CARDS
from hub.trust.keyring import Keyring

_PREFIX = "hotlist_"
STANDING, ALIAS, HOLDERS = (replace(view, name=f"{_PREFIX}{view.name}") for view in (CARD_STANDING, CARD_ALIAS, HOLDER_CARDS))
COPIES = (STANDING, ALIAS, HOLDERS)
_ROWS = rows_statement(_PREFIX)
PAGE_CARDS = 2_000
# Card, issuing province, facts, the vault's row of an identifier (key, version, sealed), and whether its holder has several cards.
_Row = tuple[bytes, str | None, str, bytes | None, int, bytes, bool | None]
_READ = tuple(f"{purpose}|".encode() for purpose in READ_BY_GATES)


def freeze(connection: psycopg.Connection, *, refolds: bool = False) -> int:
    """Folds the copies up to the head, from the beginning if it *refolds*, and returns their position."""
    if refolds:
        _drop(connection)
    create_views(connection, COPIES)
    position = head_position(connection)
    for projection in COPIES:
        while advance(connection, projection, through=position):
            pass
    return position


def read_cards(
    connection: psycopg.Connection, keyring: Keyring, reference: Reference, at_us: int
) -> Callable[[], Iterator[tuple[bytes | None, bool]]]:
    """Returns what yields, each time from the beginning, the names a gate may read off every known card, and whether it is listed.

    A listed card yields None if the vault has no such name of it (any more). *connection* may SET ROLE hub_writer.
    """

    def cards() -> Iterator[tuple[bytes | None, bool]]:
        after = b""
        while rows := connection.execute(_PAGE, {"after": after, "size": PAGE_CARDS}).fetchall():
            for _, group in groupby(rows, itemgetter(0)):
                yield from _names(connection, list(group), keyring, reference, at_us)
            after = bytes(rows[-1][0])

    return cards


def _names(
    connection: psycopg.Connection, rows: list[_Row], keyring: Keyring, reference: Reference, at_us: int
) -> Iterator[tuple[bytes | None, bool]]:
    """Yields a card's names from the rows of its identifiers."""
    facts = sorted((fact for row in rows if row[1] is not None for fact in facts_of(row[2])), key=lambda fact: fact[:2])
    if any(row[6] for row in rows):
        # Its holder has another card of the province, which may have taken its place.
        facts = facts_in(connection, bytes(rows[0][0]), _ROWS)
    province = next((row[1] for row in rows if row[1] is not None), "")
    listed = is_listed(standing(facts, at_us, policies_of(reference, province)))
    opened = [unseal(keyring, bytes(key), version, bytes(sealed)) for _, _, _, key, version, sealed, _ in rows if key is not None]
    names = [name for name in opened if name.startswith(_READ)]
    if listed and not names:
        yield None, True
    for name in names:
        yield name, listed


def _drop(connection: psycopg.Connection) -> None:
    names = [view.name for view in COPIES]
    with connection.transaction():
        for name in names:
            connection.execute(f"DROP TABLE IF EXISTS views.{name}".encode())
        connection.execute("DELETE FROM views.checkpoint WHERE view = ANY (%s)", (names,))
        connection.execute("DELETE FROM views.parked WHERE view = ANY (%s)", (names,))


# A card is what its number names, with all identifiers tied to it; an identifier tied to no number is a card by itself.
_PAGE = f"""
    WITH page AS (
        SELECT card FROM (
            (SELECT s.key AS card FROM views.{STANDING.name} s
             WHERE s.key > %(after)s AND NOT EXISTS (SELECT FROM views.{ALIAS.name} l WHERE l.key = s.key) ORDER BY s.key LIMIT %(size)s)
            UNION
            (SELECT DISTINCT l.card_key FROM views.{ALIAS.name} l WHERE l.card_key > %(after)s ORDER BY l.card_key LIMIT %(size)s)) c
        ORDER BY card LIMIT %(size)s),
    named AS (
        SELECT card, card AS key FROM page
        UNION ALL
        SELECT p.card, l.key FROM page p JOIN views.{ALIAS.name} l ON l.card_key = p.card)
    SELECT n.card, s.issuing_province, s.facts, v.key, v.key_version, v.sealed, h.is_shared
    FROM named n
    LEFT JOIN views.{STANDING.name} s ON s.key = n.key
    LEFT JOIN views.{HOLDERS.name} h ON h.key = s.holder
    LEFT JOIN vault.identifier v ON v.key = n.key AND v.sealed IS NOT NULL
    ORDER BY n.card""".encode()  # noqa: S608 (names of our own views)
