"""Fresh databases of the tests' server."""

import contextlib
import os
from collections.abc import Iterator

import psycopg
from psycopg.conninfo import make_conninfo


@contextlib.contextmanager
def fresh_database(server_dsn: str, name: str, template: str = "hub_template") -> Iterator[str]:
    """Creates a database, migrated as its template is, and yields its DSN.

    It is dropped only from a server that outlives the tests: dropping has the server write all it holds, a tenth of a second a test.
    """
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    yield make_conninfo(server_dsn, dbname=name)
    if "HUB_TEST_DSN" in os.environ:
        with psycopg.connect(server_dsn, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
