"""How `hub audit` says what became of a request."""

import json
from typing import Any

from chuanyu.exchange.v1.audit_requests_pb2 import AuditPerson

from hub.audit.requests.folder import Done
from hub.audit.requests.wording import in_words
from hub.domain.audit_request import DELIVERED, REQUESTED, RUNNING, AuditRequest
from hub.domain.instants import in_local, microseconds_of
from hub.words.audits import PARTS, REASONS, SAME_LOGIN, STATES
from hub.words.further_kinds import kind_words


def as_row(audit: AuditRequest, outcome: bytes = b"") -> dict[str, Any]:
    """Returns a request for a machine, with its outcome if there is one."""
    asked, delivered = audit.requested, audit.delivered
    row: dict[str, Any] = {
        "code": audit.code,
        "state": audit.state,
        "kind": audit.kind,
        "question": in_words(asked.question)._asdict(),
        "question_digest": asked.question_digest.hex(),
        "purpose": asked.purpose,
        "legal_basis": asked.legal_basis,
        "asked_by": asked.by.name,
        "asked_by_login": asked.by.login,
        "decided_by": audit.decided_by.name if audit.decided_by is not None else "",
        "decided_by_login": audit.decided_by.login if audit.decided_by is not None else "",
        "is_same_login": audit.is_same_login,
        "reason": audit.reason_code,
        "detail": audit.detail,
        "steps": [{"kind": step.kind, "at": step.at.isoformat()} for step in audit.steps],
    }
    if delivered is not None:
        row["delivered"] = {
            "outcome": delivered.outcome_digest.hex(),
            "report": delivered.report_digest.hex(),
            "bundle": delivered.bundle_digest.hex(),
            "recorded_as_of": delivered.recorded_as_of,
            "tree_size": delivered.tree_size,
            "tree_origin": delivered.tree_origin,
            "tree_root": delivered.tree_root.hex(),
            "checkpoint": delivered.checkpoint_digest.hex(),
        }
    return row | ({"outcome": json.loads(outcome)} if outcome else {})


def lines(audit: AuditRequest, done: Done) -> list[str]:
    """Returns a request as text."""
    asked, words = audit.requested, in_words(audit.requested.question)
    said = [
        f"{audit.code}  {audit.state} {' '.join(STATES[audit.state])}",
        f"  {words.zh}",
        f"  {words.en}",
        f"  目的 purpose: {asked.purpose}",
        f"  依据 basis: {asked.legal_basis}",
        f"  问题摘要 SHA-256 of the question: {asked.question_digest.hex()}",
    ]
    said += [f"  {_at(audit, number)}  {_step(audit, number)}" for number in range(len(audit.steps))]
    if audit.state == RUNNING and done.of:
        said.append(f"  进度 progress: {done.done:,}/{done.of:,}")
    if audit.reason_code:
        zh, en = REASONS.get(audit.reason_code, (audit.detail, ""))
        said.append(f"  ✗ {audit.reason_code}: {zh} {en}".rstrip())
    return said + [f"  {title}: {command}" for title, command in next_commands(audit)]


def next_commands(audit: AuditRequest) -> list[tuple[str, str]]:
    """Returns what can be done with a request now, as commands."""
    code = audit.code
    if audit.state == REQUESTED:
        return [("由另一人核准 another person approves", f"hub audit approve {code} --operator NAME")]
    if audit.state != DELIVERED:
        return []
    found = [
        ("看结果 see the outcome", f"hub audit show {code} --outcome"),
        ("取报告 fetch the report", f"hub audit download {code} --part pdf --out {code}.pdf"),
        ("核对报告 check the report", f"hub audit check-report {code}.pdf"),
        ("制作证据 make the evidence", f"hub prove audit {code} --out {code}.hubaudit"),
    ]
    if audit.delivered is not None and audit.delivered.bundle_digest:
        found.append(("取卡的证据包 fetch the card's bundle", f"hub audit download {code} --part bundle --out {code}-card.hubaudit"))
    return [*found, ("核验证据 verify the evidence", f"hub verify {code}.hubaudit --policy POLICY")]


def _at(audit: AuditRequest, number: int) -> str:
    return _second(microseconds_of(audit.steps[number].at))


def _step(audit: AuditRequest, number: int) -> str:
    step = audit.steps[number]
    by = f"  {_who(step.message.by)}" if "by" in step.message.DESCRIPTOR.fields_by_name else ""
    same = f"  ⚠ {' '.join(SAME_LOGIN)}" if step.kind == "audit_approved" and step.message.is_same_login else ""
    part = f"  {' '.join(PARTS[step.message.part])}" if step.kind == "audit_shown" else ""
    return f"{' '.join(kind_words(step.kind))}{by}{part}{same}"


def _who(person: AuditPerson) -> str:
    """Returns a name, with the login that it was typed by where that is another one."""
    return person.name if person.login in ("", person.name) else f"{person.name} (登录 login {person.login})"


def _second(at_us: int) -> str:
    return in_local(at_us).strftime("%Y-%m-%d %H:%M:%S")
