"""Opens the database that the settings name, migrated: for the commands, each of which needs it first."""

import contextlib
from collections.abc import Iterator

from rich.console import Console

from hub.config import Config


@contextlib.contextmanager
def database(config: Config) -> Iterator[str]:
    """Yields the DSN of a migrated database: the configured one, or the embedded one, started if it does not run."""
    from hub.embedded import running
    from hub.journal.migrate import migrate

    screen = Console(stderr=True)
    if config.dsn:
        migrate(config.dsn, report=lambda name: screen.print(f"迁移 migrating: {name}"))
        yield config.dsn
        return
    with running(config.data_dir) as dsn:
        migrate(dsn, report=lambda name: screen.print(f"迁移 migrating: {name}"))
        yield dsn
