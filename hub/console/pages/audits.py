"""Audits: what was asked for and how far it is, one request with its decision and its files, and the outcome, which is a look of its own.

Pages that refresh themselves are shared among their readers, so none of them has an outcome: who is shown one is recorded first.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.admin.accounts.roles import ADMINISTRATOR, AUDITOR, POLICY
from hub.audit.bundle import With
from hub.audit.bundle_handing import Asked, hand_over
from hub.audit.bundle_question import Question
from hub.audit.outcome import Outcome, Text, read
from hub.audit.own_policy import own_policy
from hub.audit.report.pages import both_times
from hub.audit.requests import reading
from hub.audit.requests.desk import AuditDesk, opened
from hub.audit.requests.folder import NAMES, Folder
from hub.audit.requests.rights import province_of
from hub.audit.requests.things import THINGS, is_of_person
from hub.audit.requests.wording import in_words
from hub.console.page import CONSOLE, File, InputUnfit, Moved, Page, PageForbidden, Shown
from hub.console.pages import outcomes
from hub.console.pages.audit_fields import may_ask_of_person
from hub.console.tables import Cell, Column, Table, table
from hub.domain.aggregate import Step
from hub.domain.audit_request import DELIVERED, FAILED, REQUESTED, RUNNING, AuditRequest, is_same_person, number_of
from hub.domain.instants import microseconds_of
from hub.domain.looks import Looker
from hub.journal.reader import head_position
from hub.trust.receipt_keys import read_receipt_keys
from hub.words.audits import PARTS, REASONS, SAME_LOGIN, STATES
from hub.words.further_kinds import kind_words

MOST = 100
ASKING, DECIDING, SEEING = frozenset({AUDITOR, POLICY}), frozenset({AUDITOR, ADMINISTRATOR}), frozenset({AUDITOR, POLICY})
_TYPES = {".json": "application/json", ".html": "text/html; charset=utf-8", ".pdf": "application/pdf", ".hubaudit": "application/x-tar"}
_PURPOSE = "AUDIT_REQUEST"
_MARKS = {REQUESTED: "attention", FAILED: "fault", DELIVERED: "fine"}


def audits(page: Page) -> Shown:
    """Lists the requests, the newest first, and what can be asked."""
    with page.reading() as connection:
        head = head_position(connection)
        found = page.workings.audits.newest(connection, MOST, page.whole("before", most=10**9))
    columns = (
        Column("code", "编号", "Code", "code"),
        Column("state", "状态", "State"),
        Column("question", "问什么", "Question"),
        Column("purpose", "目的", "Purpose"),
        Column("by", "申请人", "Asked by"),
        Column("at", "何时", "When", "time"),
        Column("decided_by", "核准人", "Decided by"),
    )
    rows = [
        (
            Cell(one.code, f"/audit/requests/{one.code}"),
            Cell(page.words.of(STATES, one.state), mark=_MARKS.get(one.state, "")),
            _t(page, in_words(one.requested.question)),
            one.requested.purpose,
            one.requested.by.name,
            page.at(microseconds_of(one.steps[0].at)),
            one.decided_by.name if one.decided_by is not None else "—",
        )
        for one in found
    ]
    more = number_of(found[-1].code) if len(found) == MOST else 0
    is_auditor = page.account.has(AUDITOR)
    things = [(kind, page.t(*thing.title)) for kind, thing in THINGS.items() if is_auditor or not is_of_person(kind)]
    values = {"may_ask": page.account.has(*ASKING), "asks_card": is_auditor, "things": things, "before": more if more > 1 else 0}
    return Shown("audits", page.t("审计申请", "Audits"), values, (table("audits", columns, rows),), head, is_live=True)


def audit(page: Page) -> Shown:
    """Shows one request; raises AuditUnknown."""
    with page.reading() as connection:
        head, found = head_position(connection), reading.find(connection, page.parameters["audit"])
    folder, me = Folder(page.workings.config.data_dir, found.code), _me(page)
    may_decide = found.state == REQUESTED and page.account.has(*DECIDING) and not is_same_person(me, found.requested.by)
    reason = REASONS.get(found.reason_code)
    values = {
        "audit": found,
        "question": _t(page, in_words(found.requested.question)),
        "state": page.words.of(STATES, found.state),
        "mark": _MARKS.get(found.state, ""),
        "digest": found.requested.question_digest.hex(),
        "done": folder.progress() if found.state == RUNNING else None,
        "reason": page.t(*reason) if reason is not None else found.detail,
        "may_decide": may_decide,
        "is_own": found.state == REQUESTED and page.account.has(*DECIDING) and not may_decide,
        "may_cancel": found.is_open and page.account.has(*ASKING, ADMINISTRATOR),
        "may_see": found.state == DELIVERED and _may_see(page, found),
        "parts": [(int(part), page.t(*PARTS[part])) for part in folder.parts()],
    }
    title = f"{found.code} {page.words.of(STATES, found.state)}"
    return Shown("audit", title, values, (_steps(page, found),), head, is_live=True)


def _steps(page: Page, found: AuditRequest) -> Table:
    columns = (
        Column("at", "何时", "When", "time"),
        Column("step", "步骤", "Step"),
        Column("by", "谁", "Who"),
        Column("said", "内容", "What"),
    )
    rows = [(page.at(microseconds_of(step.at)), page.t(*kind_words(step.kind)), _who(step), _said(page, step)) for step in found.steps]
    return table("steps", columns, rows)


def _who(step: Step) -> str:
    if step.kind == "audit_begun":
        return str(step.message.process)
    if "by" not in step.message.DESCRIPTOR.fields_by_name:
        return "—"
    person = step.message.by
    return str(person.name) if person.login in ("", person.name) else f"{person.name} ({person.login})"


def _said(page: Page, step: Step) -> str:
    if step.kind == "audit_shown":
        return page.t(*PARTS[step.message.part])
    if step.kind == "audit_approved" and step.message.is_same_login:
        return page.t(*SAME_LOGIN)
    if step.kind == "audit_delivered":
        return f"SHA-256 {step.message.outcome_digest.hex()[:16]}…"
    return str(getattr(step.message, "reason_code", "")) or "—"


def decide(page: Page) -> Moved:
    """Approves or refuses a request of somebody else's; raises AuditSamePerson, AuditDecided and others."""
    code, reason = page.parameters["audit"], str(page.form.get("reason", ""))
    with _desk(page) as desk:
        if page.form.get("approve") == "1":
            return _moved(desk.approve(code, _me(page), datetime.now(UTC)))
        return _moved(desk.refuse(code, _me(page), reason, datetime.now(UTC)))


def cancel(page: Page) -> Moved:
    """Calls a request off; raises AuditOver and others."""
    code = page.parameters["audit"]
    with _desk(page) as desk:
        return _moved(desk.cancel(code, _me(page), datetime.now(UTC)))


def _moved(found: AuditRequest) -> Moved:
    """Leads to the page as it is by now: what refreshes itself may be some seconds old, and has another address then."""
    return Moved(f"/audit/requests/{found.code}?steps={found.version}")


def outcome(page: Page) -> Shown:
    """Shows what came of it, once that is recorded; raises AuditNotDelivered, AuditPartMissing, PageForbidden."""
    found, data = _given(page, protos.AUDIT_PART_OUTCOME)
    result = read(data)
    with page.reading() as connection:
        head = head_position(connection)
    values = {
        "audit": found,
        "outcome": result,
        "answer": _t(page, result.answer),
        "question": _t(page, result.question),
        "about": [(_t(page, line.label), _t(page, line.said)) for line in result.about],
        "verified": [_t(page, one) for one in result.verified],
        "limits": [_t(page, one) for one in result.limits],
        "both_times": both_times(result),
        "titles": [page.t("时间线", "Timeline"), *(_t(page, one.title) for one in result.tables)],
        "figures": [outcomes.figure(page, one) for one in result.figures],
        "parts": [(int(part), page.t(*PARTS[part])) for part in Folder(page.workings.config.data_dir, found.code).parts()],
    }
    return Shown("audit_outcome", f"{found.code} {page.t('结果', 'Outcome')}", values, tuple(_tables(page, result)), head)


def _tables(page: Page, result: Outcome) -> Iterator[Table]:
    columns = (
        Column("number", "序号", "No.", "number"),
        Column("recorded", "何时入账", "Recorded", "time"),
        Column("valid", "说的是何时", "True from", "time"),
        Column("position", "位置", "Position", "number"),
        Column("said", "内容", "What"),
    )
    rows = [
        (number, page.at(one.recorded_us), page.at(one.valid_us), one.position or "—", _t(page, one.said))
        for number, one in enumerate(result.timeline, 1)
    ]
    yield table("timeline", columns, rows)
    yield from outcomes.tables(page, result)
    for number, figure in enumerate(result.figures, 1):
        named = [Column("what", "项目", "What"), Column("count", "数量", "Count", "number")]
        yield table(f"figure-{number}", named, [(_t(page, label), count) for label, count in figure.bars])


def file(page: Page) -> File:
    """Gives a file of a delivered audit, once that is recorded; raises as `outcome`."""
    wanted = str(page.form.get("part", ""))
    if not (wanted.isascii() and wanted.isdigit() and int(wanted) in NAMES):
        raise InputUnfit
    part: protos.AuditPart.ValueType = int(wanted)  # type: ignore[assignment]
    found, data = _given(page, part)
    name = NAMES[part]
    return File(f"{found.code}-{name}", data, _TYPES[name[name.index(".") :]])


def bundle(page: Page) -> File:
    """Gives the evidence of a delivered audit: its steps, outcome and report; that it was made is recorded before. Raises as `outcome`."""
    # A console whose readers fetch none starts without what makes reports.
    from hub.audit.requests.evidence import files_of

    found, _ = _given(page, protos.AUDIT_PART_OUTCOME)
    assert found.delivered is not None, "only what is delivered is given"
    workings = page.workings
    with page.reading() as connection:
        policy = own_policy(connection, workings.config.keys_dir, workings.config.log_policy)
    files = files_of(Folder(workings.config.data_dir, found.code), found.delivered)
    beside = With(policy, read_receipt_keys(workings.config.keys_dir), files=files)
    asked = Asked(Looker(CONSOLE, page.account.name), _PURPOSE)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{found.code}.hubaudit"
        hand_over(workings.dsn, Question("audit", audit=found.code), asked, beside, target)
        return File(target.name, target.read_bytes(), _TYPES[".hubaudit"])


def _given(page: Page, part: protos.AuditPart.ValueType) -> tuple[AuditRequest, bytes]:
    """Returns a file of an audit, which is read first and given only after it is recorded."""
    with page.reading() as connection:
        found = reading.find(connection, page.parameters["audit"])
    if not _may_see(page, found):
        raise PageForbidden
    data = Folder(page.workings.config.data_dir, found.code).file(part).read_bytes() if found.state == DELIVERED else b""
    with _desk(page) as desk:
        return desk.show(found.code, _me(page), part, datetime.now(UTC)), data


def _may_see(page: Page, found: AuditRequest) -> bool:
    """Whether somebody sees what came of an audit: of one person, an auditor of the province alone."""
    question = found.requested.question
    return page.account.has(*SEEING) if province_of(question) is None else may_ask_of_person(page, question)


@contextlib.contextmanager
def _desk(page: Page) -> Iterator[AuditDesk]:
    with page.reading() as connection, opened(page.workings.dsn, connection) as desk:
        yield desk


def _me(page: Page) -> protos.AuditPerson:
    return protos.AuditPerson(participant=CONSOLE, name=page.account.name)


def _t(page: Page, text: Text) -> str:
    return page.t(text.zh, text.en)
