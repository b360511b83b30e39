"""The commands `hub audit request`: one for each question, in dates and words; days and times without an offset are in +08:00."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from chuanyu.exchange.v1 import audit_question_pb2 as protos
from chuanyu.exchange.v1 import references_pb2

from hub.admin.agreement_toml import read_terms
from hub.audit.requests.desk import Asking
from hub.audit.requests.folder import Folder
from hub.commands.asking import Operator
from hub.commands.audit_desk import acting, opened, waited
from hub.commands.audit_screen import as_row, lines
from hub.commands.database import database
from hub.commands.instants import local_instant
from hub.commands.looking import Issuer, keys_of
from hub.commands.options import Json
from hub.config import Config
from hub.domain.looks import card_by_key
from hub.trust.keyring import open_keyring

app = typer.Typer(help="申请一项审计，须由另一人核准。Ask for an audit; another person approves it.", no_args_is_help=True)

Purpose = Annotated[str, typer.Option(help="目的，用文字写明，入账。What for, in words; it is recorded.")]
Basis = Annotated[str, typer.Option(help="法律依据，用文字写明，入账。Legal basis, in words; it is recorded.")]
Wait = Annotated[bool, typer.Option("--wait", help="等到有结果，并显示进度。Wait until it has ended, and show how far it is.")]
From = Annotated[str, typer.Option("--from", help="自此起（含）入账的。Recorded from then on, such as 2026-03-01.")]
To = Annotated[str, typer.Option("--to", help="至此（不含）入账的。Recorded before then, such as 2026-04-01.")]
AsOf = Annotated[str, typer.Option("--at", help="当时所知，如 2026-03-03T10:05。What was known by then; now if left out.")]


@app.command()
def card(
    card: Annotated[str, typer.Argument(help="卡号，或枢纽的卡键（64 位十六进制）。Card number, or the hub's key of a card in hex.")],
    purpose: Purpose,
    basis: Basis,
    issuer: Issuer = "",
    at: AsOf = "",
    valid_at: Annotated[str, typer.Option("--valid-at", help="所问的时刻，默认同上。The instant it is about; the same if left out.")] = "",
    today: Annotated[bool, typer.Option("--today", help="并与今日所知相比。Also by what is known today.")] = False,
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """这张卡当时枢纽知道什么、答复了什么、是否完整。What the hub knew of a card and answered, and whether that is all of it."""
    config = Config()
    with database(config) as dsn:
        key = keys_of(config, dsn, card, issuer)[0]
    asked = protos.CardQuestion(against_today=today)
    asked.card.CopyFrom(card_by_key(issuer or "51", references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, key))
    if at:
        asked.recorded_as_of.CopyFrom(_place(at))
    if valid_at:
        asked.valid_at.FromDatetime(local_instant(valid_at))
    _ask(protos.AuditQuestion(card=asked), purpose, basis, operator, is_waiting=wait, as_json=as_json)


@app.command()
def answers(
    since: From, to: To, purpose: Purpose, basis: Basis, wait: Wait = False, operator: Operator = "", as_json: Json = False
) -> None:
    """一段时间的答复按当时的规则与数据重算，是否一致。Are a period's answers the same when they are decided again."""
    question = protos.AnswersQuestion(**{"from": _place(since), "to": _place(to)})
    _ask(protos.AuditQuestion(answers=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


@app.command("what-if")
def what_if(
    since: From,
    to: To,
    purpose: Purpose,
    basis: Basis,
    rules: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="另一套规则的档案。Archive of other rules (hub rules keep).")
    ] = None,
    rules_digest: Annotated[str, typer.Option(help="枢纽所存规则版本的摘要。Digest of a version that the hub keeps.")] = "",
    parameter: Annotated[list[str] | None, typer.Option(help="名称=值，可重复。NAME=VALUE, may be repeated.")] = None,
    agreement: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="约定文件，可重复。An agreement as TOML, may be repeated."),
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="去掉此约定，可重复。Code of an agreement to take away.")] = None,
    table: Annotated[list[str] | None, typer.Option(help="参照表=CSV 文件，可重复。TABLE=FILE of CSV, may be repeated.")] = None,
    inputs: Annotated[Literal["frozen", "rebuilt"], typer.Option(help="所依据的记录：照旧，或重建。What answers rest on.")] = "frozen",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """换一套规则、参数、约定或参照表，答复有哪些不同、谁得谁失。Which answers other rules would change, and who loses or gains."""
    changes = [*_rules(rules, rules_digest), *map(_parameter, parameter or ()), *map(_agreement, agreement or ())]
    changes += [protos.WhatIfChange(agreement=protos.AgreementChange(agreement_code=code)) for code in without or ()]
    changes += [_table(one) for one in table or ()]
    number = protos.WHAT_IF_INPUTS_REBUILT if inputs == "rebuilt" else protos.WHAT_IF_INPUTS_FROZEN
    question = protos.WhatIfQuestion(**{"from": _place(since), "to": _place(to)}, changes=changes, inputs=number)
    _ask(protos.AuditQuestion(what_if=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


@app.command()
def views(
    purpose: Purpose,
    basis: Basis,
    at: AsOf = "",
    view: Annotated[list[str] | None, typer.Option(help="视图，可重复，默认全部。A view, may be repeated; all if left out.")] = None,
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """视图是否与日志一致。Do the views say what the journal says."""
    question = protos.ViewsQuestion(views=view or ())
    if at:
        question.recorded_as_of.CopyFrom(_place(at))
    _ask(protos.AuditQuestion(views=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


@app.command()
def record(
    purpose: Purpose,
    basis: Basis,
    since: Annotated[str, typer.Option(help="自此以来，默认自上次审计。Since then; since the last audit if left out.")] = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """自上次审计以来，记录是否被改动。Was anything in the record altered since the last audit."""
    question = protos.RecordQuestion()
    if since:
        question.since.CopyFrom(_place(since))
    _ask(protos.AuditQuestion(record=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


def _ask(question: protos.AuditQuestion, purpose: str, basis: str, name: str, *, is_waiting: bool, as_json: bool) -> None:
    config = Config()
    with database(config) as dsn, opened(dsn) as desk:
        asking = Asking(question, purpose, basis)
        audit = desk.request(asking, acting(name), open_keyring(config.keys_dir), datetime.now(UTC))
        if not as_json:
            typer.echo(f"{audit.code}: 由另一人核准 another person approves: hub audit approve {audit.code}")
        if is_waiting:
            audit = waited(desk, config, audit)
    if as_json:
        typer.echo(json.dumps(as_row(audit), ensure_ascii=False))
        return
    for line in lines(audit, Folder(config.data_dir, audit.code).progress()):
        typer.echo(line)


def _place(text: str) -> protos.RecordedAsOf:
    made = protos.RecordedAsOf()
    made.instant.FromDatetime(local_instant(text))
    return made


def _rules(archive: Path | None, digest: str) -> list[protos.WhatIfChange]:
    changes = [protos.RulesChange(archive=archive.read_bytes())] if archive is not None else []
    if digest:
        try:
            changes.append(protos.RulesChange(digest=bytes.fromhex(digest)))
        except ValueError:
            raise typer.BadParameter("64 位十六进制 64 hexadecimal digits", param_hint="--rules-digest") from None
    return [protos.WhatIfChange(rules=one) for one in changes]


def _parameter(text: str) -> protos.WhatIfChange:
    name, value = _pair(text, "--parameter")
    return protos.WhatIfChange(parameter=protos.ParameterChange(name=name, value=value))


def _agreement(file: Path) -> protos.WhatIfChange:
    code, terms = read_terms(file.read_bytes())
    return protos.WhatIfChange(agreement=protos.AgreementChange(agreement_code=code or file.stem, terms=terms))


def _table(text: str) -> protos.WhatIfChange:
    name, file = _pair(text, "--table")
    return protos.WhatIfChange(reference=protos.ReferenceChange(table=name, rows=Path(file).read_bytes()))


def _pair(text: str, option: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter("名称=值 NAME=VALUE", param_hint=option)
    return name, value
