"""Opens the database that the settings name, migrated: for the commands, each of which needs it first.

So this is the one place where the security log learns which operator ran which command, and how it ended.
"""

import contextlib
import os
import pwd
import re
import sys
from collections.abc import Iterator

from rich.console import Console

from hub.config import Config
from hub.telemetry.logs import open_kept_logs, security

# A card number, an ID number, a telephone number, a bank account.
_IDENTIFIER = re.compile(r"[A-Za-z]\d{8}|\d{11,}[Xx]?")


@contextlib.contextmanager
def database(config: Config, *, migrated: bool = True) -> Iterator[str]:
    """Yields the DSN of a migrated database: the configured one, or the embedded one, started if it does not run.

    Not *migrated* it is left as it is, for a backup and a restore.
    """
    from hub.embedded import running
    from hub.journal.migrate import migrate

    screen = Console(stderr=True)
    with _told(config), contextlib.nullcontext(config.dsn) if config.dsn else running(config.data_dir) as dsn:
        if migrated:
            migrate(dsn, report=lambda name: screen.print(f"迁移 migrating: {name}"))
        yield dsn


def _operator() -> str:
    """The login name; its number in a container that has no name for it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


@contextlib.contextmanager
def _told(config: Config) -> Iterator[None]:
    """Tells the security log that a command begins and how it ends."""
    open_kept_logs("hub", config.logs_dir, config.log_keep_days, config.log_max_bytes)
    command = _IDENTIFIER.sub("…", " ".join(sys.argv[1:]))
    operator = _operator()
    security("command.begun", operator=operator, command=command)
    try:
        yield
    except BaseException as error:
        security("command.failed", operator=operator, command=command, error=type(error).__name__)
        raise
    security("command.ended", operator=operator, command=command)
