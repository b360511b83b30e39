"""What the journal says was erased, done in the vault: after the record, and again after a restore, as often as it takes.

An identifier that is not in the vault gets its tombstone all the same, so that a resend does not bring it back.
"""

from collections.abc import Iterable, Iterator

import psycopg
from chuanyu.exchange.v1 import event_pb2

from hub.journal.joins import EVENTS_OF
from hub.journal.vault import original_name, unseal
from hub.trust.keyring import Keyring


def bury(connection: psycopg.Connection) -> int:
    """Erases what the journal says was erased and is still there; returns how many rows of the vault that emptied."""
    buried = 0
    for event in _erased(connection):
        buried += connection.execute(_BURY_IDENTIFIERS, (list(event.identifier_erased.identifier_keys),)).rowcount
        originals = event.identifier_erased.originals
        feeds, sequences = [one.feed for one in originals], [one.sequence for one in originals]
        buried += connection.execute(_BURY_ORIGINALS, (feeds, sequences)).rowcount
    return buried


def holding(connection: psycopg.Connection, keyring: Keyring, clear: Iterable[bytes]) -> list[tuple[str, int]]:
    """Returns feed and number of the quarantined events whose originals hold one of some identifiers in clear.

    Nothing but the originals themselves says what is in them, so each that is left is opened; there are few.
    """
    sought, found = list(clear), []
    for feed, stream_id, sequence, version, sealed in connection.execute(_ORIGINALS).fetchall():
        sent = unseal(keyring, original_name(stream_id, sequence), version, bytes(sealed))
        if any(one in sent for one in sought):
            found.append((feed, sequence))
    return found


def _erased(connection: psycopg.Connection) -> Iterator[event_pb2.Event]:
    for (data,) in connection.execute(_EVENTS).fetchall():
        yield event_pb2.Event.FromString(bytes(data))


# An erasure is its stream's third event at the latest: what the batches lead to is read, not the whole journal.
_EVENTS = f"""
    SELECT e.data FROM journal.stream s {EVENTS_OF}
    WHERE NOT s.is_feed AND e.kind = 'identifier_erased' ORDER BY e.position"""  # noqa: S608 (our own text)
_BURY_IDENTIFIERS = """
    INSERT INTO vault.identifier (key, key_version, sealed, erased_at)
    SELECT key, 0, NULL, clock_timestamp() FROM unnest(%s::bytea[]) e (key)
    ON CONFLICT (key) DO UPDATE SET sealed = NULL, erased_at = clock_timestamp() WHERE identifier.sealed IS NOT NULL"""
_BURY_ORIGINALS = """
    UPDATE vault.original o SET sealed = NULL, erased_at = clock_timestamp()
    FROM unnest(%s::text[], %s::bigint[]) e (feed, sequence) JOIN journal.stream s ON s.name = e.feed
    WHERE o.stream_id = s.stream_id AND o.sequence = e.sequence AND o.sealed IS NOT NULL"""
_ORIGINALS = """
    SELECT s.name, o.stream_id, o.sequence, o.key_version, o.sealed FROM vault.original o JOIN journal.stream s USING (stream_id)
    WHERE o.sealed IS NOT NULL ORDER BY 1, 3"""
