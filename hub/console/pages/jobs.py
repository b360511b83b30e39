"""Work that takes a while: audits, and what commands do beside the hub; how far it is, who asked for it, and what has ended."""

from datetime import UTC, datetime

from hub.admin.accounts.roles import ADMINISTRATOR, AUDITOR, POLICY
from hub.audit.requests.folder import Folder
from hub.audit.requests.wording import in_words
from hub.console.page import Page, Shown
from hub.console.tables import Cell, Column, Table, table
from hub.domain.audit_request import DELIVERED, FAILED, REQUESTED, RUNNING, AuditRequest
from hub.domain.instants import microseconds_of
from hub.journal.announcing import Work, under_way
from hub.journal.reader import head_position
from hub.words.audits import STATES
from hub.words.names import VIEWS, WORK

# So many of the newest audits are looked through, and so many that have ended are shown.
MOST, MOST_ENDED = 100, 20
MAY_SEE_AUDITS = frozenset({ADMINISTRATOR, AUDITOR, POLICY})
_MARKS = {REQUESTED: "attention", FAILED: "fault", DELIVERED: "fine"}


def jobs(page: Page) -> Shown:
    """Shows them; audits to those who see these."""
    with page.reading() as connection:
        head, works = head_position(connection), under_way(connection)
        audits = page.workings.audits.newest(connection, MOST) if page.account.has(*MAY_SEE_AUDITS) else []
    running = [audit for audit in audits if audit.state == RUNNING]
    waiting = [audit for audit in audits if audit.is_open and audit.state != RUNNING]
    ended = [audit for audit in audits if not audit.is_open][:MOST_ENDED]
    tables = (_running(page, running, works), _audits(page, "waiting", waiting), _audits(page, "ended", ended))
    values = {"sees_audits": page.account.has(*MAY_SEE_AUDITS), "may_cancel": bool(running or waiting)}
    return Shown("jobs", page.t("作业", "Jobs"), values, tables, head, is_live=True)


def _running(page: Page, audits: list[AuditRequest], works: list[Work]) -> Table:
    columns = (
        Column("work", "作业", "Job"),
        Column("done", "进度", "Done", "end"),
        Column("by", "谁要的", "Asked by"),
        Column("since", "开始", "Since", "time"),
        Column("end", "停止", "To stop it"),
    )
    rows = [_audit_row(page, audit) for audit in audits]
    for work in works:
        name = page.words.of(VIEWS, work.what) if work.what in VIEWS else ""
        said = page.words.of(WORK, work.kind)
        rows.append(
            (
                Cell(f"{said}：{name}" if name and page.words.lang == "zh" else f"{said}: {name}" if name else said, code=work.kind),
                _share(work.thousandths, 1_000),
                work.by,
                page.at(work.since_s * 1_000_000),
                page.t("在其终端按 Ctrl-C", "Ctrl-C in its terminal"),
            )
        )
    return table("running", columns, rows)


def _audit_row(page: Page, audit: AuditRequest) -> tuple[Cell | str, ...]:
    done = Folder(page.workings.config.data_dir, audit.code).progress()
    address = f"/audit/requests/{audit.code}"
    return (
        Cell(_asked(page, audit), address, code=audit.code),
        _share(done.done, done.of),
        audit.requested.by.name,
        page.at(microseconds_of(audit.steps[-1].at)),
        Cell(page.t("取消…", "Call it off …"), address),
    )


def _audits(page: Page, name: str, audits: list[AuditRequest]) -> Table:
    columns = (
        Column("work", "作业", "Job"),
        Column("state", "状态", "State"),
        Column("by", "谁要的", "Asked by"),
        Column("at", "何时", "When", "time"),
        Column("took", "用时", "Took", "end"),
    )
    rows = [
        (
            Cell(_asked(page, audit), f"/audit/requests/{audit.code}", code=audit.code),
            Cell(page.words.of(STATES, audit.state), mark=_MARKS.get(audit.state, "")),
            audit.requested.by.name,
            page.at(microseconds_of(audit.steps[0].at)),
            _took(page, audit),
        )
        for audit in audits
    ]
    return table(name, columns, rows)


def _asked(page: Page, audit: AuditRequest) -> str:
    words = in_words(audit.requested.question)
    return page.t(words.zh, words.en)


def _took(page: Page, audit: AuditRequest) -> str:
    """Says how long an audit ran; how long it waits where it has not begun."""
    if audit.is_open:
        return page.words.silence((datetime.now(UTC) - audit.steps[0].at).total_seconds())
    begun = next((step.at for step in audit.steps if step.kind == "audit_begun"), None)
    over = next((step.at for step in audit.steps if step.kind in ("audit_delivered", "audit_failed")), None)
    return page.words.silence((over - begun).total_seconds()) if begun and over else "—"


def _share(done: int, of: int) -> str:
    return f"{done / of:.0%}" if of else "—"
