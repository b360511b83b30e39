"""Asks for an audit in words and dates: one form a question. A card's number is in the body of the form alone, and becomes its key."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as protos
from chuanyu.exchange.v1 import audit_requests_pb2 as requests
from chuanyu.exchange.v1 import hub_decisions_pb2

from hub.admin.accounts.roles import AUDITOR
from hub.admin.reference_pages import reference_page
from hub.audit.as_of import agreements_at
from hub.audit.requests import things
from hub.audit.requests.desk import Asking, opened
from hub.audit.requests.things import THINGS, MonthUnfit
from hub.audit.rule_versions import kept_digests
from hub.console.page import CONSOLE, InputUnfit, Moved, Page, PageForbidden, PageUnknown, Shown
from hub.console.pages.audit_fields import Form, may_ask_of_person, named_card, place, said, times
from hub.console.refusals import Said, in_words
from hub.domain.audit_errors import AuditChangeUnfit, AuditNameUnknown, AuditWindowAhead, AuditWindowBefore, AuditWindowReversed
from hub.domain.errors import RequestInvalid, RuleVersionUnknown
from hub.domain.instants import local_midnight
from hub.journal.reader import head_position
from hub.projections import PROJECTIONS
from hub.projections.views.agreements import find_history
from hub.words.names import PROVINCES, VIEWS
from hub.words.parameters import PARAMETERS

# What is mended in the form: it is shown again, with what was typed.
_OF_TIMES = (AuditWindowAhead, AuditWindowBefore, AuditWindowReversed)
_MENDED = (*_OF_TIMES, InputUnfit, MonthUnfit, RequestInvalid, AuditNameUnknown, AuditChangeUnfit, RuleVersionUnknown)
# Not given back: a card's number is in what is sent alone.
_KEPT_BACK = ("token", "card")


def form(page: Page) -> Shown:
    """Shows the form of a question; raises PageUnknown or PageForbidden."""
    # A link that leads here may have filled some of it in.
    filled = {name: page.query.get(name, "").strip()[:32] for name in ("from", "to", "at")}
    return _shown(page, page.query.get("kind", "record"), {name: text for name, text in filled.items() if text})


def _shown(page: Page, kind: str, typed: Mapping[str, str], refused: Said | None = None) -> Shown:
    asked = _form(page, kind)
    with page.reading() as connection:
        head = head_position(connection)
        choices = _choices(page, connection, head) if {"rules", "agreement", "view"} & set(asked.fields) else {}
    first = page.today.replace(day=1)
    before = first.replace(year=first.year - (first.month == 1), month=first.month - 1 or 12)
    values = {
        "kind": kind,
        "form": asked,
        "title": page.t(*asked.title),
        "says": page.t(*asked.says),
        "issuers": [(code, page.words.of(PROVINCES, code)) for code in page.account.provinces],
        "typed": {"from": before.isoformat(), "to": first.isoformat(), **typed},
        "refused": refused,
        "token": page.session.token,
        "choices": {"rules": [], "parameters": [], "agreements": [], "views": [], **choices},
    }
    return Shown("audit_ask", page.t(*asked.title), values, as_of=head, status=200 if refused is None else 400)


def ask(page: Page) -> Moved | Shown:
    """Records a request, or shows the form again with what is to be mended; raises PageForbidden and SearchedTooOften."""
    kind = said(page, "kind")
    asked = _form(page, kind)
    me = requests.AuditPerson(participant=CONSOLE, name=page.account.name)
    try:
        question = asked.question(page)
        if asked.is_of_person and not may_ask_of_person(page, question):
            raise PageForbidden
        asking = Asking(question, said(page, "purpose"), said(page, "basis"))
        with page.reading() as connection, opened(page.workings.dsn, connection) as desk:
            made = desk.request(asking, me, page.workings.keyring, datetime.now(UTC))
    except _MENDED as refusal:
        return _shown(page, kind, {name: said(page, name) for name in page.form if name not in _KEPT_BACK}, in_words(refusal, page.words))
    return Moved(f"/audit/requests/{made.code}")


def _form(page: Page, kind: str) -> Form:
    if kind not in FORMS:
        raise PageUnknown(kind[:40])
    if FORMS[kind].is_of_person and not page.account.has(AUDITOR):
        raise PageForbidden
    return FORMS[kind]


def _choices(page: Page, connection: psycopg.Connection, head: int) -> Mapping[str, list[tuple[str, str]]]:
    """Returns what can be chosen: kept versions of the rules, policy parameters of today, agreements, views."""
    policy = reference_page("policy", page.today)
    rows = [dict(zip(policy.columns, row, strict=True)) for row in policy.rows] if policy is not None else []
    values: dict[str, list[str]] = {}
    for row in rows:
        values.setdefault(row["parameter"], []).append(row["value"])
    names = {name: f"{page.words.of(PARAMETERS, name)} {name} = {' / '.join(sorted(set(said)))}" for name, said in values.items()}
    return {
        "rules": [(digest.hex(), digest.hex()[:16]) for digest in kept_digests(connection)],
        "parameters": sorted(names.items()),
        "agreements": _agreements(page, connection, head),
        "views": [(view.name, f"{page.words.of(VIEWS, view.name)} {view.name}") for view in PROJECTIONS],
    }


def _agreements(page: Page, connection: psycopg.Connection, head: int) -> list[tuple[str, str]]:
    """Returns the agreements by code, with the scenarios that they are about."""
    known = {terms.code: terms for terms in agreements_at(connection, head)}
    return [(code, f"{code} {', '.join(map(page.scenario, sorted(terms.scenarios)))}") for code, terms in sorted(known.items())]


def _card(page: Page) -> protos.AuditQuestion:
    asked = protos.CardQuestion(card=named_card(page), against_today=said(page, "kind") == "today", **times(page))
    return protos.AuditQuestion(card=asked)


def _answers(page: Page) -> protos.AuditQuestion:
    return protos.AuditQuestion(answers=protos.AnswersQuestion(**_period(page)))


def _rules(page: Page) -> protos.AuditQuestion:
    changes = []
    if digest := said(page, "rules"):
        try:
            changes.append(protos.WhatIfChange(rules=protos.RulesChange(digest=bytes.fromhex(digest))))
        except ValueError:
            raise InputUnfit from None
    if name := said(page, "parameter"):
        changes.append(protos.WhatIfChange(parameter=protos.ParameterChange(name=name, value=said(page, "value"))))
    return _what_if(page, changes)


def _agreement(page: Page) -> protos.AuditQuestion:
    code, change = said(page, "agreement"), said(page, "change")
    made = protos.AgreementChange(agreement_code=code)
    if change != "without":
        made.terms.CopyFrom(_other_terms(page, code, change))
    return _what_if(page, [protos.WhatIfChange(agreement=made)])


def _other_terms(page: Page, code: str, change: str) -> hub_decisions_pb2.AgreementTerms:
    """Returns the terms of an agreement with another first or last day."""
    with page.reading() as connection:
        history = find_history(connection, code)
    if history is None or not history.versions or change not in ("valid_from", "valid_to"):
        raise InputUnfit
    terms = hub_decisions_pb2.AgreementTerms()
    terms.CopyFrom(history.versions[-1].terms)
    try:
        getattr(terms, change).FromDatetime(local_midnight(date.fromisoformat(said(page, "day"))))
    except ValueError:
        raise InputUnfit("day") from None
    return terms


def _what_if(page: Page, changes: list[protos.WhatIfChange]) -> protos.AuditQuestion:
    inputs = protos.WHAT_IF_INPUTS_REBUILT if said(page, "inputs") == "rebuilt" else protos.WHAT_IF_INPUTS_FROZEN
    return protos.AuditQuestion(what_if=protos.WhatIfQuestion(**_period(page), changes=changes, inputs=inputs))


def _views(page: Page) -> protos.AuditQuestion:
    question = protos.ViewsQuestion(views=[str(one) for one in page.form.getlist("view") if one])
    if at := said(page, "at"):
        question.recorded_as_of.CopyFrom(place(page, at))
    return protos.AuditQuestion(views=question)


def _record(page: Page) -> protos.AuditQuestion:
    question = protos.RecordQuestion()
    if since := said(page, "since"):
        question.since.CopyFrom(place(page, since))
    return protos.AuditQuestion(record=question)


def _thing(kind: str) -> Form:
    """Returns the form of a question about one thing."""
    thing = THINGS[kind]

    def question(page: Page) -> protos.AuditQuestion:
        card = {"card": named_card(page)} if things.takes(kind, "card") else {}
        typed = {field.name: said(page, field.name) for field in thing.fields}
        return things.question(kind, {name: text for name, text in typed.items() if text}, **card, **times(page))

    fields = [name for name, field in _SHARED.items() if things.takes(kind, field)]
    return Form(thing.title, thing.says, tuple(fields), question, thing.fields, things.is_of_person(kind))


# What the template asks for itself, by the fields of a question.
_SHARED = {"card": "card", "at": "recorded_as_of", "valid": "valid_at"}


def _period(page: Page) -> dict[str, protos.RecordedAsOf]:
    return {"from": place(page, said(page, "from")), "to": place(page, said(page, "to"))}


FORMS: Mapping[str, Form] = {
    "card": Form(
        ("这张卡当时枢纽知道什么、答复了什么", "What did the hub know of this card then, and answer?"),
        ("按当时已入账的内容，逐条列出卡的记录与当时的答复。", "By what was recorded then: the card's record and the answers given."),
        ("card", "at"), _card, is_of_person=True,
    ),
    "complete": Form(
        ("这张卡的记录是否完整", "Is that all there is of this card?"),
        (
            "附证据包：卡索引证明没有遗漏，外人可自行核验。",
            "With an evidence bundle: the card index proves that nothing is left out, and anybody can check it.",
        ),
        ("card", "at"), _card, is_of_person=True,
    ),
    "today": Form(
        ("按今日所知会怎样答复", "What would the hub answer with what is known today?"),
        ("同一时刻，当时所知与今日所知并列。", "The same instant, by what was known then and by what is known today."),
        ("card", "at"), _card, is_of_person=True,
    ),
    "rules": Form(
        ("换一版规则或参数，多少答复会不同", "How many answers change under another rule?"),
        (
            "一段时间的答复按另一版规则或另一个参数重算；对照组须无一不同。",
            "A period's answers by another version or parameter; the control finds no change.",
        ),
        ("period", "rules", "inputs"), _rules,
    ),
    "terms": Form(
        ("约定若改，哪些人得到或失去优惠", "Which people lose or gain a concession under another agreement?"),
        (
            "一项约定若没有、或换一天生效或终止；人数少于 5 不显示。",
            "An agreement taken away, or from or to another day; counts of people under 5 are not shown.",
        ),
        ("period", "agreement", "inputs"), _agreement,
    ),
    "record": Form(
        ("自上次审计以来，记录是否被改动", "Was anything in the record altered since the last audit?"),
        (
            "逐条重算日志的叶与树，核对各次签名与联署。",
            "Leaves and tree of the log are computed again and compared with what was signed and cosigned.",
        ),
        ("since",), _record,
    ),
    "answers": Form(
        ("当时的答复重算是否一致", "Are a period's answers the same when decided again?"),
        ("每条答复按它所写的规则与所知重算。", "Each answer is decided again by the rules and the knowledge that it names."),
        ("period",), _answers,
    ),
    **{kind: _thing(kind) for kind in THINGS},
    "views": Form(
        ("视图是否与日志一致", "Do the views say what the journal says?"),
        ("把日志重新折叠，与现用的视图逐行比对。", "The journal is folded again and compared with the live views, row by row."),
        ("at", "view"), _views,
    ),
}  # fmt: skip
