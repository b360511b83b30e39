"""The command `hub sql`: one statement that reads, such as the runbook's, on the hub's database: there may be no psql on this machine."""

from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from hub.commands.database import database
from hub.config import Config

TIMEOUT_S = 60
MOST_ROWS = 1_000


def sql(statement: Annotated[str, typer.Argument(help="一条只读 SQL。One statement that reads.")]) -> None:
    """只读 SQL：运行手册中的语句可照抄执行。Run one read-only SQL statement, such as the runbook's, as the schemas' owner."""
    # Only migrations, backups and this log in as the owner: who ends another login's session must be more than the hub's processes are.
    with (
        database(Config(), migrated=False) as dsn,
        psycopg.connect(dsn, autocommit=True, application_name="hub-sql", options="-c default_transaction_read_only=on") as connection,
    ):
        connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{TIMEOUT_S}s",))
        try:
            # As a prepared statement there can be only one: none that takes read-only back first.
            cursor = connection.execute(statement.encode(), prepare=True)
        except psycopg.Error as refused:
            typer.echo(f"✗ 数据库拒绝 the database refused: {str(refused).strip().splitlines()[0]}", err=True)
            raise typer.Exit(1) from None
        if cursor.description is None:
            return
        table = Table(*(column.name for column in cursor.description))
        for row in cursor.fetchmany(MOST_ROWS):
            table.add_row(*("" if value is None else str(value) for value in row))
        Console(highlight=False, soft_wrap=True).print(table)
