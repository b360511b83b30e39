"""A request for an audit: asked by one person for a purpose on a legal basis, approved or refused by another, run, delivered or failed.

What was approved is what was asked: the digest of the question is in both events. Who is shown an outcome, or fetches a file of it, is
recorded in the request, too.
"""

import hashlib
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import audit_question_pb2 as questions
from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.domain.aggregate import SteppedAggregate
from hub.domain.audit_errors import (
    AuditDecided,
    AuditNotApproved,
    AuditNotDelivered,
    AuditNotRunning,
    AuditOver,
    AuditSameLogin,
    AuditSamePerson,
    AuditUnknown,
)

REQUESTED, APPROVED, REFUSED, RUNNING = "REQUESTED", "APPROVED", "REFUSED", "RUNNING"
DELIVERED, FAILED, CANCELLED = "DELIVERED", "FAILED", "CANCELLED"
STATES = (REQUESTED, APPROVED, REFUSED, RUNNING, DELIVERED, FAILED, CANCELLED)
OPEN = (REQUESTED, APPROVED, RUNNING)
_NEXT = {
    "audit_approved": APPROVED,
    "audit_refused": REFUSED,
    "audit_begun": RUNNING,
    "audit_delivered": DELIVERED,
    "audit_failed": FAILED,
    "audit_cancelled": CANCELLED,
}


def code_of(number: int) -> str:
    """Returns the code of a request by its number."""
    return f"AU-{number}"


def number_of(code: str) -> int:
    """Returns the number of a request by its code; raises AuditUnknown."""
    digits = code.upper().removeprefix("AU-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9 and int(digits) > 0):
        raise AuditUnknown
    return int(digits)


def digest_of(question: questions.AuditQuestion) -> bytes:
    """Returns the SHA-256 of a question."""
    return hashlib.sha256(question.SerializeToString(deterministic=True)).digest()


def is_same_person(one: protos.AuditPerson, other: protos.AuditPerson) -> bool:
    """Whether two names are one person's, wherever the person acts."""
    return bool(one.name.casefold() == other.name.casefold())


def is_same_login(one: protos.AuditPerson, other: protos.AuditPerson) -> bool:
    """Whether two names were typed by one login; no login is nobody's."""
    return bool(one.login) and bool(one.login == other.login)


class AuditRequest(SteppedAggregate):
    """Requested once, decided once, run until it is delivered, fails, or is called off."""

    def __init__(self, requested: protos.AuditRequested) -> None:
        """Starts from the request."""
        self.requested, self.state = requested, REQUESTED
        self.decided_by: protos.AuditPerson | None = None
        self.delivered: protos.AuditDelivered | None = None
        self.is_same_login = False
        self.reason_code, self.detail = "", ""

    @staticmethod
    def create_id(code: str) -> UUID:
        """The id follows from the code."""
        return uuid5(NAMESPACE_URL, f"urn:chuanyu:audit:{code}")

    @property
    def code(self) -> str:
        """The short code people use."""
        return self.requested.audit_code

    @property
    def kind(self) -> str:
        """Which arm of the question is asked, such as card."""
        return str(self.requested.question.WhichOneof("asked"))

    @property
    def is_open(self) -> bool:
        """Whether something is still to come."""
        return self.state in OPEN

    def check_open_for(self, person: protos.AuditPerson) -> None:
        """Raises AuditDecided or AuditSamePerson unless this person may decide."""
        if self.state != REQUESTED:
            raise AuditDecided
        if is_same_person(person, self.requested.by):
            raise AuditSamePerson

    def approve(self, person: protos.AuditPerson, at: datetime, *, same_login: bool = False) -> None:
        """Approves what was asked; raises AuditSameLogin where the same login asked and *same_login* does not say that this is meant."""
        self.check_open_for(person)
        is_same = is_same_login(person, self.requested.by)
        if is_same and not same_login:
            raise AuditSameLogin
        digest = self.requested.question_digest
        self.record("audit_approved", protos.AuditApproved(by=person, question_digest=digest, is_same_login=is_same), at)

    def refuse(self, person: protos.AuditPerson, reason_code: str, at: datetime) -> None:
        """Refuses it."""
        self.check_open_for(person)
        self.record("audit_refused", protos.AuditRefused(by=person, reason_code=reason_code), at)

    def begin_run(self, process: str, at: datetime) -> None:
        """Says which process runs it; one that runs is begun again where its process has ended."""
        if self.state not in (APPROVED, RUNNING):
            raise AuditNotApproved
        self.record("audit_begun", protos.AuditBegun(process=process), at)

    def deliver(self, delivered: protos.AuditDelivered, at: datetime) -> None:
        """Says what came of it."""
        self._check_running()
        self.record("audit_delivered", delivered, at)

    def fail(self, reason_code: str, detail: str, at: datetime) -> None:
        """Says why nothing came of it."""
        self._check_running()
        self.record("audit_failed", protos.AuditFailed(reason_code=reason_code, detail=detail), at)

    def cancel(self, person: protos.AuditPerson, at: datetime) -> None:
        """Calls it off."""
        if not self.is_open:
            raise AuditOver
        self.record("audit_cancelled", protos.AuditCancelled(by=person), at)

    def show(self, person: protos.AuditPerson, part: protos.AuditPart.ValueType, at: datetime) -> None:
        """Says who is given what of it; before it is given."""
        if self.state != DELIVERED:
            raise AuditNotDelivered
        self.record("audit_shown", protos.AuditShown(by=person, part=part), at)

    def _check_running(self) -> None:
        if self.state != RUNNING:
            raise AuditNotRunning

    def apply(self, kind: str, message: Any) -> None:
        """Folds one event."""
        self.state = _NEXT.get(kind, self.state)
        if kind in ("audit_approved", "audit_refused"):
            self.decided_by = message.by
        if kind == "audit_approved":
            self.is_same_login = message.is_same_login
        if kind in ("audit_refused", "audit_failed"):
            self.reason_code = message.reason_code
        if kind == "audit_failed":
            self.detail = message.detail
        elif kind == "audit_delivered":
            self.delivered = message
