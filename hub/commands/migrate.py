"""The command `hub migrate`."""

import typer

from hub.commands.database import database
from hub.config import Config
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views


def migrate() -> None:
    """建立或升级数据库结构。Bring the database to the newest schema."""
    with database(Config(), makes=True) as dsn, runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
    typer.echo("数据库已是最新结构。The database is up to date.")
