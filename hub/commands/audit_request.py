"""The commands `hub audit request`: one for each question, in dates and words; days and times without an offset are in +08:00."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.admin.agreement_toml import read_terms
from hub.audit.requests import things
from hub.audit.requests.things import Typed
from hub.commands.asking import Operator
from hub.commands.asof_options import place, times, until
from hub.commands.audit_asking import AsOf, Basis, Purpose, ValidAt, Wait, ask, card_named
from hub.commands.ledgers import CardNo
from hub.commands.looking import Issuer
from hub.commands.options import Json
from hub.commands.things import add_commands

app = typer.Typer(help="申请一项审计，须由另一人核准。Ask for an audit; another person approves it.", no_args_is_help=True)

From = Annotated[str, typer.Option("--from", help="自此起（含）入账的。Recorded from then on, such as 2026-03-01.")]
To = Annotated[
    str, typer.Option("--to", help="至此（不含）入账的，空为现在。Recorded before then, such as 2026-04-01; by now if left out.")
]


@app.command()
def card(
    card: CardNo,
    purpose: Purpose,
    basis: Basis,
    issuer: Issuer = "",
    at: AsOf = "",
    valid_at: ValidAt = "",
    today: Annotated[bool, typer.Option("--today", help="并与今日所知相比。Also by what is known today.")] = False,
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """这张卡当时枢纽知道什么、答复了什么、是否完整。What the hub knew of a card and answered, and whether that is all of it."""
    asked = protos.CardQuestion(card=card_named(card, issuer), against_today=today, **times(at, valid_at))
    ask(protos.AuditQuestion(card=asked), purpose, basis, operator, is_waiting=wait, as_json=as_json)


@app.command()
def answers(
    since: From, purpose: Purpose, basis: Basis, to: To = "", wait: Wait = False, operator: Operator = "", as_json: Json = False
) -> None:
    """一段时间的答复按当时的规则与数据重算，是否一致。Are a period's answers the same when they are decided again."""
    question = protos.AnswersQuestion(**_between(since, to))
    ask(protos.AuditQuestion(answers=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


@app.command("what-if")
def what_if(
    since: From,
    purpose: Purpose,
    basis: Basis,
    to: To = "",
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
    question = protos.WhatIfQuestion(**_between(since, to), changes=changes, inputs=number)
    ask(protos.AuditQuestion(what_if=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


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
    question = protos.ViewsQuestion(views=view or (), **times(at, ""))
    ask(protos.AuditQuestion(views=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


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
        question.since.CopyFrom(place(since))
    ask(protos.AuditQuestion(record=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


def _thing(
    kind: str,
    typed: Typed,
    purpose: Purpose,
    basis: Basis,
    at: AsOf = "",
    valid_at: ValidAt = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    ask(things.question(kind, typed, **times(at, valid_at)), purpose, basis, operator, is_waiting=wait, as_json=as_json)


def _thing_by_card(
    kind: str,
    typed: Typed,
    card: CardNo,
    purpose: Purpose,
    basis: Basis,
    issuer: Issuer = "",
    at: AsOf = "",
    valid_at: ValidAt = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    question = things.question(kind, typed, card=card_named(card, issuer), **times(at, valid_at))
    ask(question, purpose, basis, operator, is_waiting=wait, as_json=as_json)


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


add_commands(app, _thing, _thing_by_card)


def _between(since: str, to: str) -> dict[str, Any]:
    """Returns the period of a question as fields; one of them has a name that Python keeps for itself."""
    return {"from": place(since), "to": until(to)}
