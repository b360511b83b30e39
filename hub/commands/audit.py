"""The commands `hub audit`: ask for an audit in dates, decide about one of somebody else's, see how far it is, take what came of it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.audit.outcome import read
from hub.audit.requests.folder import Folder
from hub.audit.requests.wording import in_words
from hub.commands import audit_asking, audit_request
from hub.commands.asking import Operator
from hub.commands.audit_desk import acting, desk, opened, waited
from hub.commands.audit_report import check_report, report, report_key
from hub.commands.audit_screen import as_row, lines
from hub.commands.database import database
from hub.commands.options import Force, Json, refuse_to_replace
from hub.commands.outcomes import print_outcome
from hub.config import Config
from hub.domain.audit_request import DELIVERED, STATES, AuditRequest
from hub.domain.errors import HubError
from hub.words.audits import STATES as STATE_WORDS

app = typer.Typer(help="审计：申请、核准、查看、取走。Audits: ask, approve, look, fetch.", no_args_is_help=True)
app.add_typer(audit_request.app, name="request")
app.command()(report)
app.command("check-report")(check_report)
app.command("report-key")(report_key)

Code = Annotated[str, typer.Argument(help="审计编号，如 AU-12。Code of the audit.")]


class NoBundle(HubError):
    """该审计不附卡的证据包；审计本身的证据这样制作 this audit has no bundle of a card; make its own evidence with:"""


_PARTS = {
    "outcome": protos.AUDIT_PART_OUTCOME,
    "html": protos.AUDIT_PART_REPORT_HTML,
    "pdf": protos.AUDIT_PART_REPORT_PDF,
    "bundle": protos.AUDIT_PART_BUNDLE,
}


@app.command()
def approve(
    code: Code,
    same_login: Annotated[
        bool,
        typer.Option("--same-login", help="申请与核准出自同一登录，仍予核准；入账可查。Also where the same login asked; it is recorded."),
    ] = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """核准：须为申请人以外的人，以本人登录。Approve: another person than the one who asked, by a login of their own."""
    with desk() as found:
        _tell(found.approve(code, acting(operator), datetime.now(UTC), same_login=same_login), as_json=as_json)


@app.command()
def refuse(
    code: Code,
    reason: Annotated[str, typer.Option(help="原因代码，如 NO_BASIS。Reason code.")],
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """不予审计：须为申请人以外的人。Refuse: another person does."""
    with desk() as found:
        _tell(found.refuse(code, acting(operator), reason, datetime.now(UTC)), as_json=as_json)


@app.command()
def cancel(code: Code, operator: Operator = "", as_json: Json = False) -> None:
    """取消：进行中的一秒内停下。Call off; what runs ends within a second."""
    with desk() as found:
        _tell(found.cancel(code, acting(operator), datetime.now(UTC)), as_json=as_json)


@app.command("list")
def list_audits(
    state: Annotated[str, typer.Option(help=f"只列此状态。Only this state: {' '.join(STATES)}.")] = "",
    most: Annotated[int, typer.Option(min=1, max=10_000, help="最多条数。How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """列出审计申请，最新在前。List the requests, the newest first."""
    if state and state not in STATES:
        raise typer.BadParameter(" ".join(STATES), param_hint="--state")
    with desk() as found:
        listed = [one for one in found.newest(most) if state in ("", one.state)]
    for one in listed:
        _tell(one, as_json=as_json)


@app.command()
def show(
    code: Code,
    outcome: Annotated[bool, typer.Option("--outcome", help="连同结果；查看入账。With the outcome; the look is recorded.")] = False,
    wait: audit_asking.Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """查看一项审计：谁、何时、到哪一步。Show one: who, when, how far."""
    config = Config()
    with database(config) as dsn, opened(dsn) as found:
        audit = waited(found, config, found.find(code)) if wait else found.find(code)
        if outcome:
            audit = found.show(code, acting(operator), protos.AUDIT_PART_OUTCOME, datetime.now(UTC))
        data = Folder(config.data_dir, audit.code).file(protos.AUDIT_PART_OUTCOME).read_bytes() if outcome else b""
    if as_json:
        typer.echo(json.dumps(as_row(audit, data), ensure_ascii=False))
        return
    for line in lines(audit, Folder(config.data_dir, audit.code).progress()):
        typer.echo(line)
    if data:
        print_outcome(read(data), in_json=False)


@app.command()
def download(
    code: Code,
    out: Annotated[Path, typer.Option("--out", help="写到此文件。Write to this file.")],
    part: Annotated[Literal["outcome", "html", "pdf", "bundle"], typer.Option(help="取什么。What to fetch.")] = "outcome",
    operator: Operator = "",
    force: Force = False,
) -> None:
    """取走结果、报告或证据包；先入账，后写出。Fetch the outcome, a report or the bundle; it is recorded before it is written."""
    refuse_to_replace(out, force=force)
    config = Config()
    with database(config) as dsn, opened(dsn) as found:
        audit = found.find(code)
        if part == "bundle" and audit.state == DELIVERED and audit.delivered is not None and not audit.delivered.bundle_digest:
            raise NoBundle(f"hub prove audit {audit.code} --out {audit.code}.hubaudit")
        file = Folder(config.data_dir, audit.code).file(_PARTS[part]) if audit.state == DELIVERED else None
        found.show(code, acting(operator), _PARTS[part], datetime.now(UTC))
    assert file is not None, "only what is delivered is shown"
    out.write_bytes(file.read_bytes())
    typer.echo(f"✓ {audit.code} {part}: {out}")


def _tell(audit: AuditRequest, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(as_row(audit), ensure_ascii=False))
        return
    said, words = STATE_WORDS[audit.state], in_words(audit.requested.question)
    typer.echo(f"{audit.code}  {audit.state} {said[0]}  {words.zh} {words.en}  {audit.requested.by.name}")
