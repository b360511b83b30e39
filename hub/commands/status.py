"""The command `hub status`: one screen that says whether the hub works and how far it is. It starts nothing and changes nothing."""

import json
import sys
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from eventsourcing.persistence import PersistenceError

from hub.admin.certificate_expiry import certificate_days
from hub.admin.roles import names_without_roles
from hub.api.edge.readiness import SERVICES
from hub.commands.address import checked_address
from hub.commands.probe import ask
from hub.commands.status_screen import Status, show
from hub.config import Config
from hub.domain.errors import HubError
from hub.monitoring import vitals
from hub.monitoring.vitals import disk_free
from hub.postgres.server import EmbeddedPostgresError, attached, last_words

# PostgreSQL needs a whole one to start after a crash.
WAL_SEGMENT_BYTES = 16 * 1024 * 1024


def status(
    target: Annotated[
        str,
        typer.Option(
            help="枢纽地址；默认为 HUB_LISTEN，未设则为此数据目录正在运行的枢纽。Hub to ask; HUB_LISTEN, or else the one that runs here.",
            callback=checked_address,
        ),
    ] = "",
    ready: Annotated[
        bool, typer.Option("--ready", help="只问是否就绪：退出码 0 或 1，无输出。Only whether it is ready: exit code 0 or 1, silent.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="输出一行 JSON。Print one line of JSON.")] = False,
) -> None:
    """状态：是否就绪、位置、视图、数据流、数据库、证书。Readiness, position, views, feeds, database, certificates.

    退出码 0 就绪，1 无应答、未就绪或数据库不可达。Exits with 0 if the hub is ready, with 1 if it is not or its database does not answer.
    """
    if ready:
        raise typer.Exit(0 if ask(Config(), target, ("",)).is_ready else 1)
    found = collect(Config(), target)
    if as_json:
        typer.echo(json.dumps(found.as_json(), default=str, ensure_ascii=False))
    else:
        show(found, is_terminal=sys.stdout.isatty())
    raise typer.Exit(0 if found.is_well else 1)


def collect(config: Config, target: str) -> Status:
    """Asks the running hub, then the database if it runs."""
    found = Status(ask(config, target, SERVICES))
    try:
        dsn = where_it_runs(config)
        with vitals.connect(dsn) as connection:
            found.vitals = vitals.read(connection, config.data_dir / "postgres")
        found.certificate_days = certificate_days(dsn, config.certificates_dir)
        found.without_roles = names_without_roles(dsn)
    except psycopg.errors.UndefinedTable:
        found.database_problem = "数据库结构或视图尚未建立：运行 hub migrate。Schema or views are not made yet: run `hub migrate`."
    except (psycopg.Error, PersistenceError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        found.database_problem = f"数据库不可达 database cannot be reached: {said[0]}"
    except NotRunning as stopped:
        found.database_problem = str(stopped)
    return found


class NotRunning(HubError):
    """数据库未运行 the database does not run:"""


def where_it_runs(config: Config) -> str:
    """Returns the conninfo of the database that the settings name; raises NotRunning where the embedded one does not run."""
    if config.dsn:
        return config.dsn
    try:
        dsn = attached(config.data_dir)
        if dsn is None:
            raise NotRunning(_why_down(config.data_dir))
    except (EmbeddedPostgresError, OSError) as error:
        raise NotRunning(f"内嵌数据库不可用 embedded database: {error}") from None
    return dsn


def _why_down(data_dir: Path) -> str:
    """Why the embedded server does not run. Its log may have no room for its last words, so the disk is looked at too."""
    said, free = last_words(data_dir), disk_free(data_dir / "postgres")
    if "No space left" in said or (free is not None and free < WAL_SEGMENT_BYTES):
        return f"磁盘已满，内嵌数据库无法启动：腾出空间后自动恢复。The disk is full: make room, and it starts by itself. {said}".rstrip()
    if said:
        return f"内嵌数据库已自行终止 the embedded database has ended by itself: {said}"
    return f"内嵌数据库未运行（{data_dir}）：hub serve 会启动它。The embedded database does not run; `hub serve` starts it."
