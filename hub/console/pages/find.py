"""Finds what somebody names: a position, feed#number, a trace, a request id, an agreement, an instant, or a card by its number.

A card's number is asked for in the body of a form alone, becomes its key at once, and is in no address and no log. Numbers of nine
characters can be tried out, so searches for cards are counted.
"""

import re
from contextlib import suppress
from datetime import datetime

from chuanyu.exchange.v1 import references_pb2

from hub.admin.accounts.attempts import SearchedTooOften, count_search
from hub.admin.accounts.roles import AUDITOR, STAFF
from hub.admin.accounts.sessions import Subject, SubjectUnknown, put_subject
from hub.audit.as_of import agreements_at
from hub.console.page import InputUnfit, Moved, Page, PageForbidden, PageUnknown, Shown
from hub.domain.errors import RequestInvalid
from hub.domain.identity import card_no_problem, mask_card_no
from hub.domain.pseudonym import hmac_sm3
from hub.intake.request_rules import card_named
from hub.journal.reader import events_at, events_named, head_position
from hub.journal.recent_decisions import recent_decisions
from hub.telemetry.logs import security
from hub.words.names import PROVINCES, PURPOSES

_NAME = re.compile(r"([a-z0-9][a-z0-9.-]{0,62})#([0-9]{1,18})")
_TRACE = re.compile("[0-9a-f]{32}")
_INSTANT = re.compile(r"(?:(\d{4})-)?(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_HANDLE = re.compile(r"[A-Za-z0-9_-]{1,80}")


def form(page: Page) -> Shown:
    """Shows the form."""
    return _form(page, "", asks_card=page.account.has(AUDITOR, STAFF))


def _form(page: Page, text: str, *, asks_card: bool) -> Shown:
    values = {
        "text": text,
        "asks_card": asks_card,
        "purposes": [(code, page.words.of(PURPOSES, code)) for code in PURPOSES],
        "issuers": [(code, page.words.of(PROVINCES, code)) for code in page.account.provinces],
        "known": str(page.form.get("known", "") or page.query.get("known", ""))[:32],
        "token": page.session.token,
    }
    return Shown("find", page.t("查找", "Find"), values)


def find(page: Page) -> Moved | Shown:
    """Goes to what was named; raises PageUnknown."""
    text = str(page.form.get("q", "")).strip()[:100]
    if not text:
        return form(page)
    if _is_card(text):
        return _card(page, text)
    if _TRACE.fullmatch(text.lower()):
        return Moved(f"/traces/{text.lower()}")
    if (then := _instant(page, text)) is not None:
        return Moved(page.link("/known", known=then))
    if to := _position(page, text) or _event(page, text) or _agreement(page, text) or _request(page, text):
        return Moved(to)
    raise PageUnknown


def _instant(page: Page, text: str) -> str | None:
    """Returns an instant that a text names, without a year the last one of its kind; None for anything else."""
    if (named := _INSTANT.fullmatch(text)) is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in named.groups())
    try:
        at = datetime(year or page.today.year, month, day, hour, minute, second)
        return str(at if year or at.date() <= page.today else at.replace(year=at.year - 1))
    except ValueError:
        raise InputUnfit(text[:40]) from None


def _is_card(text: str) -> bool:
    """Whether a text has the form of a card's number; one of digits alone may be a position, which is far more often meant."""
    return card_no_problem(text.upper()) is None and not text.isdigit()


def _card(page: Page, text: str) -> Moved | Shown:
    if not page.account.has(AUDITOR, STAFF):
        raise PageForbidden
    issuer, purpose = str(page.form.get("issuer", "")), str(page.form.get("purpose", ""))
    if purpose not in PURPOSES or issuer not in PROVINCES:
        return _form(page, text, asks_card=True)
    if not page.may_see(issuer):
        raise PageForbidden
    named = references_pb2.CardRef(issuing_province=issuer, kind=references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, clear=text.upper())
    try:
        key = hmac_sm3(page.workings.keyring.pseudonym, card_named(named).encode())
    except RequestInvalid:
        raise InputUnfit from None
    with page.workings.rows.session() as connection:
        try:
            count_search(connection, page.account.name)
        except SearchedTooOften:
            security("console.searched_too_often", operator=page.account.name)
            raise
        handle = put_subject(connection, page.session, Subject("", key, issuer, mask_card_no(text.upper()), purpose))
    return Moved(page.link(f"/cards/{handle}", known=str(page.form.get("known", ""))[:32]))


def _position(page: Page, text: str) -> str:
    digits = text.replace(",", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        return ""
    with page.reading() as connection:
        found = events_at(connection, [int(digits)])
    if not found:
        return ""
    return f"/decisions/{digits}" if found[0].kind == "decision_made" else f"/journal/{digits}"


def _event(page: Page, text: str) -> str:
    if (named := _NAME.fullmatch(text)) is None:
        return ""
    name = (named[1], int(named[2]))
    with page.reading() as connection:
        found = events_named(connection, [name]).get(name)
    return f"/journal/{found[1].position}" if found is not None and found[1] is not None else ""


def _agreement(page: Page, text: str) -> str:
    with page.reading() as connection:
        codes = [terms.code for terms in agreements_at(connection, head_position(connection))]
    wanted = text.upper()
    return next((f"/terms/{code}" for code in reversed(codes) if wanted in (code, code.partition("/")[0])), "")


def _request(page: Page, text: str) -> str:
    with page.reading() as connection:
        found = recent_decisions(connection, lambda one: one.event.decision_made.request_id == text, 0, 1)
    return f"/decisions/{found.decisions[0].position}" if found.decisions else ""


def purpose(page: Page) -> Moved:
    """Keeps what a record is looked at for, for a quarter of an hour, and goes back to it."""
    code, handle, back = (str(page.form.get(name, "")) for name in ("purpose", "handle", "back"))
    if code not in PURPOSES or not _HANDLE.fullmatch(handle) or not re.fullmatch(r"/[A-Za-z0-9/_.-]*", back) or back.startswith("//"):
        raise InputUnfit
    subject = Subject(handle, None, "", "", code)
    with suppress(SubjectUnknown):
        subject = page.subject(handle)._replace(purpose=code)
    with page.workings.rows.session() as connection:
        put_subject(connection, page.session, subject)
    return Moved(back)
