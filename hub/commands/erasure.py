"""`hub erasure`: one operator takes a request for erasure, another decides about it; the identifier is never part of a command line."""

import getpass
import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from chuanyu.exchange.v1 import erasure_pb2

from hub.admin.desks import opened
from hub.admin.erasure import ErasureDesk
from hub.commands.asking import Operator
from hub.commands.database import database
from hub.commands.login import acting
from hub.config import Config
from hub.domain import reference
from hub.domain.erasure import OF_A_CARD, REQUESTED, Erasure, identifier_problem, names_of
from hub.domain.errors import RequestInvalid
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.trust.keyring import open_keyring

app = typer.Typer(help="抹除个人标识：申请、审批、查看。Erasure of identifiers: request, decide, list.", no_args_is_help=True)

Kind = Literal["card", "ident", "transit", "sign", "account", "person", "mobile"]
Ground = Literal["PURPOSE_ENDED", "SERVICE_ENDED", "CONSENT_WITHDRAWN", "UNLAWFUL", "OTHER_LAW"]
Code = Annotated[str, typer.Argument(help="抹除编号，如 ER-1A2B3C4D。Code of the erasure.")]
Json = Annotated[bool, typer.Option("--json", help="每条一行 JSON。One line of JSON each.")]


@app.command()
def request(
    kind: Annotated[Kind, typer.Option(help="标识种类。What kind of identifier.")],
    ground: Annotated[Ground, typer.Option(help="法定事由（个人信息保护法第四十七条）。Legal ground.")],
    applicant: Annotated[str, typer.Option(help="申请人：HOLDER GUARDIAN HEIR ISSUER AUTHORITY。Who wants it.")] = "HOLDER",
    issuer: Annotated[str, typer.Option(help="卡的发卡省 50 或 51。Issuing province of a card.")] = "",
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """受理抹除申请：标识从标准输入或提示读取。Take a request; the identifier is read from stdin or a prompt."""
    if kind in OF_A_CARD and issuer not in ("50", "51"):
        raise typer.BadParameter("卡的标识须注明发卡省 50 或 51。The identifier of a card needs its issuer.", param_hint="--issuer")
    clear = _read_identifier()
    if (problem := identifier_problem(kind, clear)) is not None:
        raise RequestInvalid([("identifier", problem.lower())])
    requested = erasure_pb2.ErasureRequested(
        erasure_code=f"ER-{secrets.token_hex(4).upper()}",
        applicant_code=applicant,
        ground=erasure_pb2.ErasureGround.Value(f"ERASURE_GROUND_{ground}"),
        identifier_kind=kind,
        operator=acting(operator),
    )
    with _desk() as desk:
        erasure = desk.request(requested, names_of(kind, issuer, clear), datetime.now(UTC))
        _tell(erasure, as_json)
    if not as_json:
        typer.echo(f"由另一人审批 another person decides: hub erasure approve {erasure.code}")


@app.command("list")
def list_erasures(
    still_open: Annotated[bool, typer.Option("--open/--all", help="只列待审批的，或全部。Only those to be decided, or all.")] = True,
    as_json: Json = False,
) -> None:
    """列出抹除申请及其状态。List the requests and their states."""
    with _desk() as desk:
        found = [erasure for erasure in desk.all() if not still_open or erasure.state == REQUESTED]
    for erasure in found:
        _tell(erasure, as_json)
    if not as_json:
        typer.echo(f"{len(found):,} 项 erasures")


@app.command()
def approve(code: Code, operator: Operator = "", as_json: Json = False) -> None:
    """审批并抹除：须为另一人，且无仍在期内的保存义务。Approve and erase: another person, and nothing that must still be kept."""
    with _desk() as desk:
        _tell(desk.approve(code, acting(operator), datetime.now(UTC)), as_json)


@app.command()
def refuse(
    code: Code,
    reason: Annotated[str, typer.Option(help="原因代码，如 NOT_ENTITLED。Reason code.")],
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """驳回：须为另一人。Refuse: another person does."""
    with _desk() as desk:
        _tell(desk.refuse(code, acting(operator), reason, datetime.now(UTC)), as_json)


@contextmanager
def _desk() -> Iterator[ErasureDesk]:
    config = Config()
    with database(config) as dsn:
        with runner.connect(dsn) as connection:
            create_views(connection, PROJECTIONS)
        with opened(ErasureDesk, dsn, open_keyring(config.keys_dir), reference.load()) as desk:
            yield desk


def _read_identifier() -> str:
    """Reads the identifier where neither the history of commands nor the screen keeps it."""
    if sys.stdin.isatty():
        return getpass.getpass("标识（不回显）Identifier, not shown: ").strip()
    return sys.stdin.readline().strip()


def _tell(erasure: Erasure, as_json: bool) -> None:
    asked = erasure.requested
    told = {
        "code": erasure.code,
        "state": erasure.state,
        "kind": asked.identifier_kind,
        "identifiers": len(asked.identifier_keys),
        "ground": erasure_pb2.ErasureGround.Name(asked.ground).removeprefix("ERASURE_GROUND_"),
        "applicant": asked.applicant_code,
        "taken_by": asked.operator,
        "decided_by": erasure.decided_by,
        "reason": erasure.reason_code,
    }
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    decided = f"  审批 decided by {told['decided_by']} {told['reason']}".rstrip() if erasure.decided_by else ""
    asked_for = f"{told['kind']} ×{told['identifiers']}  {told['ground']}  {told['applicant']}"
    typer.echo(f"{told['code']}  {told['state']}  {asked_for}  受理 taken by {told['taken_by']}{decided}")
