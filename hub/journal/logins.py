"""What the hub logs in as: processes and commands as one login with the roles' rights and no others, migrations as the owner.

A session cannot take back what its login never had. Before, all logged in as a superuser who had stepped down (`SET ROLE`), and one
`RESET ROLE` gave everything back.
"""

from psycopg.conninfo import conninfo_to_dict, make_conninfo

APP = "hub_app"
# Whatever PGCLIENTENCODING says: the hub sends and reads UTF-8.
ENCODING = "UTF8"


def in_our_encoding(dsn: str) -> str:
    """Returns the conninfo with the client encoding set."""
    return make_conninfo(dsn, client_encoding=ENCODING)


def app_login(dsn: str) -> str:
    """Returns the conninfo of the embedded database for the login of processes and commands."""
    return make_conninfo(dsn, user=APP)


def user_of(dsn: str) -> str:
    """Returns the login that a conninfo names, "" if none."""
    return str(conninfo_to_dict(dsn).get("user") or "")
