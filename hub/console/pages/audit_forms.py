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
from hub.audit.requests.desk import Asking, opened
from hub.console.page import CONSOLE, InputUnfit, Moved, Page, PageForbidden, PageUnknown, Shown
from hub.console.pages.audit_fields import Form, may_ask_of_person, named_card, place, said, times
from hub.console.pages.audit_things import THINGS
from hub.domain.instants import LOCAL, local_midnight
from hub.journal.reader import head_position
from hub.projections import PROJECTIONS
from hub.projections.views.agreements import find_history
from hub.words.names import PROVINCES


def form(page: Page) -> Shown:
    """Shows the form of a question; raises PageUnknown or PageForbidden."""
    kind = page.query.get("kind", "record")
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
        # A link that leads here may have filled them in.
        "month": (_filled(page, "from") or before.isoformat(), _filled(page, "to") or first.isoformat()),
        "at": _filled(page, "at"),
        "now": datetime.now(LOCAL).strftime("%Y-%m-%d %H:%M"),
        "token": page.session.token,
        "choices": {"rules": [], "parameters": [], "agreements": [], "views": [], **choices},
    }
    return Shown("audit_ask", page.t(*asked.title), values, as_of=head)


def _filled(page: Page, name: str) -> str:
    return page.query.get(name, "").strip()[:32]


def ask(page: Page) -> Moved:
    """Records a request; raises InputUnfit, PageForbidden, SearchedTooOften, RequestInvalid, and what is refused of times."""
    asked = _form(page, said(page, "kind"))
    question = asked.question(page)
    if asked.is_of_person and not may_ask_of_person(page, question):
        raise PageForbidden
    me = requests.AuditPerson(participant=CONSOLE, name=page.account.name)
    asking = Asking(question, said(page, "purpose"), said(page, "basis"))
    with page.reading() as connection, opened(page.workings.dsn, connection) as desk:
        made = desk.request(asking, me, page.workings.keyring, datetime.now(UTC))
    return Moved(f"/audit/requests/{made.code}")


def _form(page: Page, kind: str) -> Form:
    if kind not in FORMS:
        raise PageUnknown(kind[:40])
    if FORMS[kind].is_of_person and not page.account.has(AUDITOR):
        raise PageForbidden
    return FORMS[kind]


def _choices(page: Page, connection: psycopg.Connection, head: int) -> Mapping[str, list[tuple[str, str]]]:
    """Returns what can be chosen: kept versions of the rules, policy parameters of today, agreements, views."""
    versions = connection.execute("SELECT digest FROM journal.rule_version").fetchall()
    policy = reference_page("policy", page.today)
    names = sorted({row[policy.columns.index("parameter")] for row in policy.rows}) if policy is not None else []
    codes = sorted({terms.code for terms in agreements_at(connection, head)})
    return {
        "rules": [(bytes(digest).hex(), bytes(digest).hex()[:16]) for (digest,) in versions],
        "parameters": [(name, name) for name in names],
        "agreements": [(code, code) for code in codes],
        "views": [(view.name, view.name) for view in PROJECTIONS],
    }


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
        question.recorded_as_of.CopyFrom(place(at))
    return protos.AuditQuestion(views=question)


def _record(page: Page) -> protos.AuditQuestion:
    question = protos.RecordQuestion()
    if since := said(page, "since"):
        question.since.CopyFrom(place(since))
    return protos.AuditQuestion(record=question)


def _period(page: Page) -> dict[str, protos.RecordedAsOf]:
    return {"from": place(said(page, "from")), "to": place(said(page, "to"))}


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
    "agreement": Form(
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
    **THINGS,
    "views": Form(
        ("视图是否与日志一致", "Do the views say what the journal says?"),
        ("把日志重新折叠，与现用的视图逐行比对。", "The journal is folded again and compared with the live views, row by row."),
        ("at", "view"), _views,
    ),
}  # fmt: skip
