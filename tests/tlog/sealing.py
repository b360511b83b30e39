"""What tests of a sealed log share: a database with a fingerprint, a sealer on it, and the tree that its journal should have."""

from pathlib import Path

import psycopg

from hub.tlog import runner, store, tree
from hub.tlog.runner import LogSettings
from hub.tlog.sealer import Sealer, begin
from hub.trust.log_keys import open_log_keys

NAME = "exchange.example"


def leave_fingerprint(dsn: str) -> None:
    """Does what the first start of a hub does."""
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO vault.key_fingerprint VALUES ('pseudonym', %s) ON CONFLICT DO NOTHING", (b"\7" * 32,))


def settings(keys: Path) -> LogSettings:
    return LogSettings(keys, NAME)


def seal(dsn: str, keys: Path) -> store.Sealed:
    """Seals all that is recorded, as `hub seal --once` does, and returns the head."""
    leave_fingerprint(dsn)
    with runner.connect(dsn) as connection:
        sealer = runner.sealer(connection, settings(keys))
        while sealer.seal().unsealed:
            pass
        head = store.newest_checkpoint(connection, 1)
    assert head is not None
    return head


def sealer_on(connection: psycopg.Connection, keys: Path) -> Sealer:
    return Sealer(connection, open_log_keys(keys), begin(connection, NAME))


def leaves_of(dsn: str) -> list[bytes]:
    """The genesis and every event of the journal as leaves, computed from the rows."""
    with psycopg.connect(dsn) as connection:
        log = store.newest_incarnation(connection)
        assert log is not None
        rows = connection.execute(
            """SELECT journal.leaf(e.position, e.recorded_at, e.sequence, s.name, e.occurred_at, e.kind, e.digest, e.data)
            FROM journal.event e JOIN journal.stream s USING (stream_id) ORDER BY e.position"""
        ).fetchall()
    return [tree.leaf_hash(log.genesis), *(bytes(leaf) for (leaf,) in rows)]


def plant(dsn: str, sql: str) -> None:
    """Changes what nobody but the server's superuser could."""
    with psycopg.connect(dsn) as connection:
        connection.execute(sql.encode())
