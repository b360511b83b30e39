"""The commands `hub standby`: a second copy of the embedded database, made and watched; and what is seen of any standby."""

import json
import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hub.commands.database import database
from hub.commands.options import Json
from hub.commands.status import where_it_runs
from hub.commands.status_screen import standby_lines
from hub.config import Config
from hub.monitoring import vitals
from hub.postgres import standby

app = typer.Typer(help="备库：建立、运行、查看、接管。A standby: make it, run it, look at it, promote it.", no_args_is_help=True)

LOOK_EVERY_S = 1.0
Directory = Annotated[Path, typer.Argument(help="备库所在目录，最好在另一块磁盘上。Directory of the standby, best on another disk.")]
Name = Annotated[str, typer.Option(help="备库名。Name of the standby.")]


@app.callback()
def root() -> None:
    """备库。Standbys of the database."""


def _own_cluster() -> Config:
    """Returns the settings of a hub with the embedded database; raises OwnServer."""
    config = Config()
    if config.dsn:
        raise standby.OwnServer(standby.OwnServer.__doc__)
    return config


@app.command()
def add(directory: Directory, name: Name = "standby") -> None:
    """在目录中建立内嵌数据库的副本；枢纽可照常运行。Copy the embedded database into a directory; the hub goes on meanwhile."""
    config = _own_cluster()
    with database(config, migrated=False) as dsn:
        standby.add(config.data_dir, dsn, directory, name)
    typer.echo(f"备库已建立 made: {name}，{directory}。下一步 next: hub standby run {directory}")


@app.command()
def run(directory: Directory) -> None:
    """运行备库；一旦赶上，主库的每次提交都等它。Run the standby; once it has caught up, the primary waits for it with each commit.

    正常停止时主库不再等它。Ended in order, the primary waits for it no more. 被强杀后主库仍等它。Killed, the primary goes on waiting.
    """
    _own_cluster()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with standby.following(directory) as dsn:
        typer.echo(f"following: HUB_DSN='{standby.edge_dsn(dsn)}' hub serve --read-only")
        is_required = False
        while not stop.wait(LOOK_EVERY_S):
            if not is_required and (is_required := _requires(directory)):
                typer.echo("synchronous: 主库的每次提交都等待本备库 the primary waits for this standby with each commit")
        standby.release(directory)


def _requires(directory: Path) -> bool:
    try:
        return standby.require(directory)
    except standby.StandbyLost:
        raise
    except standby.StandbyBehind as behind:
        typer.echo(f"✗ {behind}", err=True)
        return False


@app.command()
def release(directory: Directory) -> None:
    """主库不再等它，独自继续；此后备库可能缺少已确认的事件。The primary goes on without it, which may lack what is acknowledged then."""
    _own_cluster()
    standby.release(directory)
    typer.echo("已放行 released")


@app.command()
def remove(name: Name = "standby") -> None:
    """删除主库为备库保留的内容；备库目录此后不可再接管。Drop what the primary keeps for a standby; its directory is of no use then."""
    config = _own_cluster()
    with database(config, migrated=False) as dsn:
        standby.remove(dsn, name)
    typer.echo(f"已删除 removed: {name}；其目录请一并删除 delete its directory too")


@app.command()
def promote(
    directory: Directory,
    even_if_behind: Annotated[
        bool, typer.Option("--even-if-behind", help="即使可能缺少已确认的事件。Even if it may lack what was acknowledged.")
    ] = False,
) -> None:
    """主库已失：备库成为主库。The primary is gone: the standby becomes one."""
    _own_cluster()
    standby.promote(directory, even_if_behind=even_if_behind)
    typer.echo(
        f"已成为主库 promoted。把 keys/ 与 certificates/ 放入该目录 put keys/ and certificates/ there; HUB_DATA_DIR={directory} hub serve"
    )


@app.command()
def status(as_json: Json = False) -> None:
    """查看：各备库、落后多少、提交是否在等；在备库上则看它自己。Each standby and how far it is behind; on a standby, itself.

    退出码 0 一切正常，1 缺少或落后。Exits with 1 if one that commits wait for is away, or one is behind.
    """
    with vitals.connect(where_it_runs(Config())) as connection:
        standbys, lacks_standby, follows_s = vitals.read_replication(connection)
    lines = standby_lines(standbys, follows_s, lacks_standby=lacks_standby)
    if as_json:
        found = {"standbys": [asdict(vital) for vital in standbys], "lacks_standby": lacks_standby, "follows_s": follows_s}
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        for line in lines:
            typer.echo(f"{'' if line.is_good else '✗ '}{line.label}: {line.text}")
    raise typer.Exit(0 if all(line.is_good for line in lines) else 1)
