"""The commands `hub archive`: partitions of the journal that leave the database for their segments, and those that come back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from hub.admin.archiving import ArchivingDesk, Partition, archiving_desk
from hub.audit.own_policy import own_policy
from hub.audit.sealed import NotCosignedYet, newest_under
from hub.commands.asking import Operator
from hub.commands.database import database
from hub.commands.login import acting
from hub.commands.options import Json
from hub.commands.progress import progress
from hub.config import Config
from hub.domain.errors import NothingSealed
from hub.tlog import policy as policies

app = typer.Typer(
    help="归档：日志分区移出数据库，由分段保存。Partitions of the journal leave for segments, and come back.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(min=0, help="分区编号，见 hub archive list。Number of the partition.")]
Directory = Annotated[Path, typer.Option("--from", help="hub export 的目录，分段留在其中。The export whose segments stay.")]


@app.command("list")
def list_partitions(as_json: Json = False) -> None:
    """列出分区：已归档的、可归档的、尚不可的及原因。List the partitions: archived, ready to be, or what is in the way."""
    with _desk() as desk:
        for partition in desk.all():
            _tell(partition, as_json)


@app.command()
def request(partition: Number, directory: Directory, operator: Operator = "", as_json: Json = False) -> None:
    """申请归档一个分区：须已写满、封存、签署并导出。Ask for a partition to be archived."""
    with _desk() as desk:
        _tell(desk.request(partition, directory, acting(operator), datetime.now(UTC)), as_json)
    if not as_json:
        typer.echo(f"由另一人核准 another person approves: hub archive approve {partition} --from {directory}")


@app.command()
def approve(partition: Number, directory: Directory, operator: Operator = "", as_json: Json = False) -> None:
    """核准并归档：逐行核对后行才移出；中断后再次运行即继续。Approve and archive; run it again to go on after a stop."""
    with _desk() as desk, progress() as report:
        found = desk.approve(partition, directory, acting(operator), datetime.now(UTC), report)
    _tell(found, as_json)


@app.command()
def restore(partition: Number, operator: Operator = "", as_json: Json = False) -> None:
    """恢复：从分段载回全部行；分段须在原处或 HUB_ARCHIVE_DIR。Bring the rows of a partition back from its segments."""
    with _desk() as desk, progress() as report:
        found = desk.restore(partition, acting(operator), datetime.now(UTC), report)
    _tell(found, as_json)


@contextmanager
def _desk() -> Iterator[ArchivingDesk]:
    config = Config()

    def cosigned_size(connection: psycopg.Connection) -> int:
        try:
            return newest_under(connection, policies.parse(own_policy(connection, config.keys_dir, config.log_policy))).size
        except (NothingSealed, NotCosignedYet):
            return 0

    with database(config, as_owner=True) as dsn, archiving_desk(dsn, cosigned_size) as desk:
        yield desk


def _tell(partition: Partition, as_json: bool) -> None:
    archiving, obstacle = partition.archiving, partition.obstacle
    told = {
        "partition": partition.number,
        "first": partition.first,
        "last": partition.last,
        "state": partition.state,
        "requested_by": "" if archiving is None else archiving.requested.operator,
        "approved_by": "" if archiving is None else archiving.approved_by,
        "obstacle": "" if obstacle is None else str(obstacle),
    }
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    who = "".join(
        f"  {words} {told[name]}" for words, name in (("申请 asked by", "requested_by"), ("核准 approved by", "approved_by")) if told[name]
    )
    typer.echo(f"{partition.number:6d}  {partition.first:,} … {partition.last:,}  {partition.state}{who}  {told['obstacle']}".rstrip())
