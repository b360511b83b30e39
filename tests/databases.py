"""Fresh databases of the tests' server."""

import contextlib
import os
import time
from collections.abc import Iterator

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
