"""An audit that was delivered: what is recorded of it, and the files that were handed over."""

import contextlib
import hashlib
from datetime import UTC, datetime

from chuanyu.exchange.v1 import audit_question_pb2 as questions
from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.audit.bundle import Files
from hub.audit.outcome import Outcome, Text, as_json
from hub.audit.report import pdf
from hub.domain.audit_request import AuditRequest, code_of, digest_of
from hub.domain.participant import OPERATOR
from hub.journal.recorder import AggregateStore

CODE = code_of(1)
_OUTCOME = Outcome(
    question=Text("自上次核对以来，记录是否被改动？", "Was anything altered since the last audit?"),
    answer=Text("没有发现改动。", "Nothing altered was found."),
    holds=True,
    recorded_as_of=1,
    facts={},
)


def deliver(dsn: str) -> Files:
    """Records an audit from its request to its delivery; returns the outcome and the report."""
    files = (("outcome.json", as_json(_OUTCOME)), ("report.pdf", pdf.render(_OUTCOME)))
    outcome_digest, report_digest = (hashlib.sha256(data).digest() for _, data in files)
    question, now = questions.AuditQuestion(record=questions.RecordQuestion()), datetime.now(UTC)
    requested = protos.AuditRequested(
        audit_code=CODE, by=_person("li.lei"), purpose="复核", legal_basis="测量", question=question, question_digest=digest_of(question)
    )
    audit = AuditRequest.begin("audit_requested", requested, AuditRequest.create_id(CODE), now)
    audit.approve(_person("han.mei"), now)
    audit.begin_run("bench", now)
    audit.deliver(protos.AuditDelivered(outcome_digest=outcome_digest, report_digest=report_digest, recorded_as_of=1), now)
    with contextlib.closing(AggregateStore(dsn)) as store:
        store.save(audit)
    return files


def _person(name: str) -> protos.AuditPerson:
    return protos.AuditPerson(participant=OPERATOR, name=name)
