"""A form that asks for an audit, and how its fields are read: the card and both times, in dates."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import audit_question_pb2 as protos
from chuanyu.exchange.v1 import references_pb2

from hub.admin.accounts.attempts import count_search
from hub.admin.accounts.roles import AUDITOR
from hub.audit.requests.rights import BOTH, province_of
from hub.audit.requests.things import Field
from hub.console.page import InputUnfit, Page, PageForbidden
from hub.domain.instants import with_zone
from hub.words.names import PROVINCES


class Form(NamedTuple):
    """A question as a form: its title, what it answers, its fields, what makes a question of it, and whether it is about one person."""

    title: tuple[str, str]
    says: tuple[str, str]
    fields: tuple[str, ...]
    question: Callable[[Page], protos.AuditQuestion]
    boxes: tuple[Field, ...] = ()
    is_of_person: bool = False


def may_ask_of_person(page: Page, question: protos.AuditQuestion) -> bool:
    """Whether an account may ask a question about one person, and see what came of it: an auditor of the province that it is about."""
    province = province_of(question)
    wanted = tuple(PROVINCES) if province == BOTH else (province or "",)
    return page.account.has(AUDITOR) and all(map(page.may_see, wanted))


def named_card(page: Page) -> references_pb2.CardRef:
    """Returns the card of a form; raises InputUnfit, PageForbidden, SearchedTooOften."""
    issuer, number = said(page, "issuer"), said(page, "card").upper()
    if issuer not in PROVINCES or not number:
        raise InputUnfit
    if not page.may_see(issuer):
        raise PageForbidden
    with page.workings.rows.session() as connection:
        count_search(connection, page.account.name)
    return references_pb2.CardRef(issuing_province=issuer, clear=number, kind=references_pb2.CARD_IDENTIFIER_KIND_CARD_NO)


def times(page: Page) -> dict[str, Any]:
    """Returns both times as fields of a question, none for what was left empty; raises InputUnfit."""
    found: dict[str, Any] = {}
    if at := said(page, "at"):
        found["recorded_as_of"] = place(page, at)
    if valid := said(page, "valid"):
        found["valid_at"] = place(page, valid).instant
    return found


def place(page: Page, text: str) -> protos.RecordedAsOf:
    """Returns a place in the record by a day or a time in +08:00; raises InputUnfit."""
    made = protos.RecordedAsOf()
    try:
        made.instant.FromDatetime(with_zone(datetime.fromisoformat(text)).astimezone(UTC))
    except (ValueError, OverflowError):
        example = page.t("应如 2026-03-01 或 2026-03-01 10:05", "write a day or a time, such as 2026-03-01 or 2026-03-01 10:05")
        raise InputUnfit(f"{text[:40]} → {example}") from None
    return made


def said(page: Page, field: str) -> str:
    """Returns what was typed in a field, "" if nothing was."""
    return str(page.form.get(field, "")).strip()[:400]
