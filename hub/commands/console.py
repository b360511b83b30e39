"""`hub console`: runs the web console, and looks after who may sign in: accounts, one-time links, passwords and second factors."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import psycopg
import segno
import typer

from hub.admin.accounts.accounts import find_account, put_account, set_password
from hub.admin.accounts.roles import ADMINISTRATOR, AUDITOR, OPERATOR, POLICY, PROVINCES
from hub.admin.accounts.sessions import make_link
from hub.admin.accounts.sign_in import give_second_factor, hash_of, provisioning
from hub.commands.address import checked_address
from hub.commands.database import database
from hub.commands.priority import give_way
from hub.config import Config
from hub.console.server import Listening, open_socket, serve
from hub.console.workings import Workings
from hub.domain.errors import HubError
from hub.journal.sessions import session
from hub.telemetry.logs import set_up_logs
from hub.trust.keyring import open_keyring

app = typer.Typer(help="控制台网页：启动，及其账号与登录链接。The web console: run it, its accounts and links.", no_args_is_help=False)

# A page may wait where the processor is short; an answer and a province's event come first.
NICENESS = 5
DEMO_AUDITOR, DEMO_ADMINISTRATOR = "demo", "demo-admin"
Name = Annotated[str, typer.Argument(help="账号。Name of the account.")]


class NoSuchAccount(HubError):
    """没有这个账号：用 hub console user 建立。There is no such account; `hub console user` makes one."""


class AddressInUse(HubError):
    """这个地址不能监听 the address cannot be listened on:"""


@app.callback(invoke_without_command=True)
def console(
    context: typer.Context,
    listen: Annotated[str, typer.Option(help="监听地址。Address to listen on.", callback=checked_address)] = "",
    certificate: Annotated[Path | None, typer.Option(help="TLS 证书（PEM），非本机地址必需。TLS certificate in PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="其私钥（PEM）。Its key in PEM.")] = None,
    demo: Annotated[bool, typer.Option("--demo", hidden=True)] = False,
) -> None:
    """控制台网页：启动，及其账号与登录链接。The web console: run it, its accounts and links."""
    if context.invoked_subcommand is not None:
        return
    config = Config()
    set_up_logs("hub console", config.logs_dir, config.log_keep_days, config.log_max_bytes)
    host, _, port = (listen or config.console_listen).rpartition(":")
    listening = Listening(host.strip("[]"), int(port), certificate, key)
    try:
        opened = open_socket(listening)
    except OSError as failure:
        raise AddressInUse(f"{listen or config.console_listen}: {failure.strerror}") from None
    with opened, database(config, waits=True) as dsn:
        address = f"{listening.scheme}://{host}:{opened.getsockname()[1]}"
        workings = Workings(config, dsn, is_demo=demo, address=address)
        workings.start()
        try:
            typer.echo(" ".join([f"console on {address}", *(_demo_links(dsn, address) if demo else ())]))
            give_way(NICENESS)
            serve(workings, listening, opened)
        finally:
            workings.stop()


def _demo_links(dsn: str, address: str) -> list[str]:
    """Makes the demo's two accounts, and a link for each."""
    with _rows(dsn) as connection:
        put_account(connection, DEMO_AUDITOR, "演示 demo", (AUDITOR, OPERATOR, POLICY), PROVINCES)
        put_account(connection, DEMO_ADMINISTRATOR, "演示管理员 demo admin", (ADMINISTRATOR,), PROVINCES)
        return [f"{address}/enter/{make_link(connection, name)}" for name in (DEMO_AUDITOR, DEMO_ADMINISTRATOR)]


@app.command()
def user(
    name: Name,
    role: Annotated[
        list[str], typer.Option(help="角色：ADMINISTRATOR OPERATOR AUDITOR POLICY PROVINCE_STAFF，可重复。Role, may be repeated.")
    ],
    province: Annotated[list[str] | None, typer.Option(help="省份 51、50，默认两省。Province; both if left out.")] = None,
    title: Annotated[str, typer.Option(help="显示名称。Title to show.")] = "",
) -> None:
    """建立账号或变更其角色；其会话随即结束。Make an account or change its roles; its sessions end."""
    with database(Config()) as dsn, _rows(dsn) as connection:
        put_account(connection, name, title, role, province or PROVINCES)
    typer.echo(f"{name}: {' '.join(role)} {' '.join(province or PROVINCES)}")


@app.command()
def link(name: Name, address: Annotated[str, typer.Option(help="控制台地址。Address of the console.")] = "") -> None:
    """打印一次性登录链接，十分钟有效。Print a link that signs in once, within ten minutes."""
    config = Config()
    with database(config) as dsn, _rows(dsn) as connection:
        if find_account(connection, name) is None:
            raise NoSuchAccount
        typer.echo(f"{address or f'http://{config.console_listen}'}/enter/{make_link(connection, name)}")


@app.command()
def password(name: Name) -> None:
    """设置密码与第二因素，供身份平台不可用时登录。Set a password and a second factor, for when the identity provider is away."""
    config = Config()
    with database(config) as dsn, _rows(dsn) as connection:
        if find_account(connection, name) is None:
            raise NoSuchAccount
        typed = typer.prompt("密码 password", hide_input=True, confirmation_prompt="再输一次 again")
        set_password(connection, name, hash_of(typed))
        secret, codes = give_second_factor(connection, open_keyring(config.keys_dir), name)
    segno.make(provisioning(name, secret)).terminal(compact=True)
    typer.echo(f"验证码密钥 secret of one-time codes: {secret}")
    typer.echo("恢复码，各用一次 recovery codes, once each: " + " ".join(codes))


@contextlib.contextmanager
def _rows(dsn: str) -> Iterator[psycopg.Connection]:
    with session(dsn, "hub_console", "hub-console-rows") as connection:
        yield connection
