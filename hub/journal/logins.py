"""What the hub logs in as: edges may not write views, the projector and commands may, migrations are the owner's.

A session cannot take back what its login never had. Before, all logged in as a superuser who had stepped down (`SET ROLE`), and one
`RESET ROLE` gave everything back.
"""

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

# The projector and commands; an edge.
APP, EDGE = "hub_app", "hub_edge"
PROJECTOR, CONSOLE, SEALER = "hub_projector", "hub_console", "hub_sealer"
# Whatever PGCLIENTENCODING says: the hub sends and reads UTF-8.
ENCODING = "UTF8"


def in_our_encoding(dsn: str) -> str:
    """Returns the conninfo with the client encoding set."""
    return make_conninfo(dsn, client_encoding=ENCODING)


def app_login(dsn: str) -> str:
    """Returns the conninfo of the embedded database for the login of processes and commands."""
    return make_conninfo(dsn, user=APP)


def edge_login(dsn: str) -> str:
    """Returns the conninfo of the embedded database for the login of an edge."""
    return make_conninfo(dsn, user=EDGE)


def may_fold(connection: psycopg.Connection) -> bool:
    """Whether the login of a connection may make and write views."""
    row = connection.execute("SELECT pg_has_role(session_user, %s, 'MEMBER')", (PROJECTOR,)).fetchone()
    assert row is not None
    return bool(row[0])


def user_of(dsn: str) -> str:
    """Returns the login that a conninfo names, "" if none."""
    return str(conninfo_to_dict(dsn).get("user") or "")
