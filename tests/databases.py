"""Fresh databases of the tests' server."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo


@contextlib.contextmanager
def fresh_database(server_dsn: str, name: str, template: str = "hub_template") -> Iterator[str]:
    """Creates a database, migrated as its template is, and yields its DSN; drops it afterwards, so that the server stays small.

    Its files are copied: copied page by page, as is the default, they would all be in the log as well.
    """
    _connection(server_dsn).execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY".encode())
    yield make_conninfo(server_dsn, dbname=name)
    _connection(server_dsn).execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


# The session that empties a database is called so in it.
CLEANER = "hub-tests"


class Emptied:
    """A database that tests have one after the other: for each it is as it was made, and made again after one that changed its tables.

    To copy a template and drop the copy takes several times as long as to take out again the few rows that a test writes.
    """

    def __init__(self, server_dsn: str, name: str, prepare: Callable[[str], None] = lambda _dsn: None) -> None:
        self._server_dsn, self._name, self._prepare = server_dsn, name, prepare
        self._made: contextlib.AbstractContextManager[str] | None = None
        self._session: psycopg.Connection | None = None
        self._rows: dict[str, bytes] = {}
        self._catalogs: Any = None

    @property
    def dsn(self) -> str:
        """Leads to it as it was made."""
        if self._session is None or not self._took_out(self._session):
            self.drop()
            self._made = fresh_database(self._server_dsn, self._name)
            dsn = self._made.__enter__()
            self._prepare(dsn)
            self._session = psycopg.connect(dsn, autocommit=True, application_name=CLEANER)
            self._session.execute("SET session_replication_role = replica")
            self._rows = {table: self._read(table) for table in self._filled()}
            self._catalogs = self._session.execute(_CATALOGS).fetchone()
        return make_conninfo(self._server_dsn, dbname=self._name)

    def drop(self) -> None:
        """Drops it, if it was made."""
        if self._session is not None and self._made is not None:
            self._session.close()
            self._made.__exit__(None, None, None)
            self._session = None

    def _took_out(self, session: psycopg.Connection) -> bool:
        """Ends who is still connected and puts back what each table had; False where a test changed more than rows."""
        try:
            while session.execute(_END_OTHERS).fetchall():
                time.sleep(0.002)
            if session.execute(_CATALOGS).fetchone() != self._catalogs:
                return False
            with session.transaction():
                for table in self._filled():
                    session.execute(f"DELETE FROM {table}".encode())
                for table, rows in self._rows.items():
                    with session.cursor().copy(f"COPY {table} FROM STDIN (FORMAT BINARY)".encode()) as copy:
                        copy.write(rows)
                session.execute(_BEGIN_SEQUENCES)
        except psycopg.Error:
            return False
        return True

    def _filled(self) -> list[str]:
        assert self._session is not None
        return [table for (table,) in self._session.execute(_FILLED).fetchall()]

    def _read(self, table: str) -> bytes:
        assert self._session is not None
        with self._session.cursor().copy(f"COPY {table} TO STDOUT (FORMAT BINARY)".encode()) as copy:
            return b"".join(copy)


_FILLED = """
    SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema)' AND pg_relation_size(c.oid) > 0"""
_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"""
# Sequences of a template are where they begin.
_BEGIN_SEQUENCES = "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"
# Who makes, changes or drops anything but rows leaves another number of entries, or a newer one.
_CATALOGS = "SELECT " + ", ".join(
    f"(SELECT (count(*), max(xmin::text::bigint))::text FROM {catalog} {where})"
    for catalog, where in [
        *((name, "") for name in ("pg_class", "pg_attribute", "pg_constraint", "pg_trigger", "pg_proc", "pg_index", "pg_namespace")),
        ("pg_db_role_setting", "WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"),
        ("pg_database", "WHERE datname = current_database()"),
    ]
)

_connections: dict[str, psycopg.Connection] = {}


def _connection(server_dsn: str) -> psycopg.Connection:
    """One session a server for all its databases; another where a test has cut it."""
    known = _connections.get(server_dsn)
    if known is not None and not known.closed:
        with contextlib.suppress(psycopg.Error):
            known.execute("SELECT")
            return known
        known.close()
    _connections[server_dsn] = psycopg.connect(server_dsn, autocommit=True)
    return _connections[server_dsn]


def wait_for_the_disk(server_dsn: str, waits: str) -> None:
    """Has the tests' server write through to the disk, "on", or not, "off"; returns once it does."""
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = {waits}".encode())
        connection.execute("SELECT pg_reload_conf()")
        while connection.execute("SELECT current_setting('fsync'), current_setting('full_page_writes')").fetchone() != (waits, waits):
            time.sleep(0.01)


def clean_seldom(server_dsn: str) -> None:
    """Has the tests' server not look every 15 s whether one of their databases is to be vacuumed: none lives so long."""
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET autovacuum_naptime = '1h'")
        connection.execute("SELECT pg_reload_conf()")


@contextlib.contextmanager
def durable(server_dsn: str) -> Iterator[None]:
    """Has the tests' own server write through to the disk meanwhile, as a server that is not thrown away does."""
    if "HUB_TEST_DSN" in os.environ:
        yield
        return
    wait_for_the_disk(server_dsn, "on")
    yield
    wait_for_the_disk(server_dsn, "off")
