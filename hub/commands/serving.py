"""The commands `hub serve` and `hub project`: the processes that run for long. What they run is loaded while their database starts."""

from typing import Annotated

import typer

from hub.commands.address import checked_address
from hub.commands.database import database
from hub.commands.lazy import loading
from hub.config import Config
from hub.telemetry.logs import set_up_logs
from hub.telemetry.native_stderr import log_native_lines


def serve(
    listen: Annotated[str, typer.Option(help="监听地址。Address to listen on.", callback=checked_address)] = "",
    host: Annotated[
        list[str] | None, typer.Option(help="证书中的主机名或地址，可重复。Host name or address in the certificate, may be repeated.")
    ] = None,
    project: Annotated[bool, typer.Option("--project", help="同时运行投影。Run the projections beside it.")] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="只读：只提供名单与订阅，可连备库。Only hotlists and subscriptions, from a standby too.")
    ] = False,
) -> None:
    """启动 gRPC 服务（双向 TLS）。Serve gRPC over mutual TLS."""
    if project and read_only:
        raise typer.BadParameter("--project 与 --read-only 不能并用 does not go with --read-only")
    config = Config()
    log_native_lines()
    set_up_logs("hub serve", config.logs_dir, config.log_keep_days, config.log_max_bytes)
    with loading("hub.commands.edge") as edge, database(config, makes=not read_only, waits=True) as dsn:
        edge().run(config, dsn, listen or config.listen, host or (), projects=project, reads_only=read_only)


def project() -> None:
    """运行投影：把日志折叠成视图。Fold the journal into the views until stopped."""
    config = Config()
    set_up_logs("hub project", config.logs_dir, config.log_keep_days, config.log_max_bytes)
    with loading("hub.commands.projector") as projector, database(config, makes=True, waits=True) as dsn:
        projector().run(config, dsn)
