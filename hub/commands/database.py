"""Opens the database that the settings name, migrated: for the commands, each of which needs it first.

So this is the one place where the security log learns which operator ran which command, and how it ended.
"""

import contextlib
import logging
import os
import pwd
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import typer

from hub.config import Config
from hub.domain.errors import HubError
from hub.domain.masking import without_identifiers
from hub.journal.logins import app_login, in_our_encoding
from hub.journal.migrate import migrate_on
from hub.journal.sessions import session
from hub.postgres.cluster import path_of
from hub.postgres.server import running
from hub.telemetry.logs import open_kept_logs, security

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 10.0
# What operators write freely may name anyone, whatever form it has.
_FREE_TEXTS = ("--reason", "--title", "--basis")


class NoDatabase(HubError):
    """没有数据库 there is no database in"""

    def __init__(self, data_dir: Path) -> None:
        """*data_dir* is where there is none."""
        super().__init__(f"{data_dir}; `hub migrate` makes one; 演示的 the demo's is in data/demo, while it runs（HUB_DATA_DIR）")


class DatabaseUnreachable(HubError):
    """数据库不可达 the database cannot be reached:"""

    def __init__(self, cause: Exception) -> None:
        """*cause* is what the connection said."""
        said = str(cause).strip().splitlines() or [type(cause).__name__]
        super().__init__(f"{said[0]}（hub doctor）")


@contextlib.contextmanager
def database(config: Config, *, migrated: bool = True, makes: bool = False, waits: bool = False, as_owner: bool = False) -> Iterator[str]:
    """Yields the DSN of a migrated database: the configured one, or the embedded one, started if it does not run.

    The DSN's login cannot change what is recorded; migrations have a login of their own. `migrated=False` leaves the schema alone, for
    backup and restore, and gives the login of migrations; so does *as_owner*, with the schema up to date. `makes=True` may create the
    embedded database; raises NoDatabase otherwise.
    Raises DatabaseUnreachable, unless the command *waits* for a database that is away, as processes do.
    """
    if not makes:
        refuse_missing(config)
    with _told(config), contextlib.nullcontext(config.dsn) if config.dsn else running(config.data_dir) as dsn:
        owner = in_our_encoding(config.migrate_dsn or dsn)
        with (_awaited if waits else _reached)(owner) as connection:
            if migrated:
                migrate_on(connection, report=lambda name: typer.echo(f"迁移 migrating: {name}", err=True))
        yield owner if as_owner or not migrated else in_our_encoding(config.dsn or app_login(dsn))


def refuse_missing(config: Config) -> None:
    """Raises NoDatabase where the embedded database is wanted and was never made: a mistyped directory stays as empty as it is."""
    if not config.dsn and not path_of(config.data_dir).exists():
        raise NoDatabase(config.data_dir)


def _reached(dsn: str) -> psycopg.Connection:
    try:
        return session(dsn, None, "hub-command", connect_timeout_s=10)
    except psycopg.Error as error:
        raise DatabaseUnreachable(error) from None


def _awaited(dsn: str) -> psycopg.Connection:
    """Waits for the database: machines that start together do not come up in order, and edges at work wait for it too."""
    wait_s = 0.5
    while True:
        try:
            return _reached(dsn)
        except DatabaseUnreachable as away:
            log.warning("database: away; trying again in %.1f s", wait_s, extra={"reason": str(away)})
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _operator() -> str:
    """The login name; its number in a container that has no name for it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _command_line(arguments: list[str]) -> str:
    """Returns the command without what may identify someone."""
    shown: list[str] = []
    hides = False
    for argument in arguments:
        option, _, value = argument.partition("=")
        if hides:
            shown.append("…")
        else:
            shown.append(f"{option}=…" if value and option in _FREE_TEXTS else without_identifiers(argument))
        hides = not hides and argument in _FREE_TEXTS
    return " ".join(shown)


@contextlib.contextmanager
def _told(config: Config) -> Iterator[None]:
    """Writes to the security log that a command begins and how it ends."""
    open_kept_logs("hub", config.logs_dir, config.log_keep_days, config.log_max_bytes)
    command = _command_line(sys.argv[1:])
    operator = _operator()
    security("command.begun", operator=operator, command=command)
    try:
        yield
    except BaseException as error:
        security("command.failed", operator=operator, command=command, error=type(error).__name__)
        raise
    security("command.ended", operator=operator, command=command)
