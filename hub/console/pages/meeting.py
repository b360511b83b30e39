"""Reports for the joint meeting: the list, one with its figures, and its files. Nobody is in one, so to read it is no look."""

from hub.audit.report import pages
from hub.console.page import File, Page, PageUnknown, Shown
from hub.console.pages import outcomes
from hub.console.tables import Cell, Column, table
from hub.meeting import handing, report
from hub.meeting.files import tables
from hub.trust.report_keys import open_report_signer

MOST = 100
_TYPES = {
    "html": "text/html; charset=utf-8", "pdf": "application/pdf", "json": "application/json", "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}  # fmt: skip
_FILES = (
    (handing.PDF, "报告（PDF，已签名）", "the report, a signed PDF"),
    (handing.PAGE, "报告（网页）", "the report, a page"),
    ("figures.csv", "数字（CSV）", "figures, CSV"),
    ("figures.parquet", "数字（Parquet）", "figures, Parquet"),
    ("compared.csv", "上次报告与现在（CSV）", "the report before and now, CSV"),
    ("definitions.csv", "定义（CSV）", "definitions, CSV"),
    (handing.OUTCOME, "报告全文（JSON）", "all that it says, JSON"),
)


def reports(page: Page) -> Shown:
    """Lists the reports, the newest first."""
    with page.reading() as connection:
        found = report.newest(connection, MOST)
    columns = (
        Column("report", "编号", "Report"),
        Column("period", "期间", "Period"),
        Column("as_of", "截至", "As of"),
        Column("position", "位置", "Position", "number"),
        Column("indicators", "指标", "Indicators", "number"),
        Column("person", "固定人", "Frozen by"),
    )
    rows = [
        (
            Cell(one.code, f"/meeting/{one.code}"),
            one.frozen.period,
            one.frozen.as_of,
            one.frozen.as_known_position,
            len(one.frozen.indicator_reports),
            one.frozen.person,
        )
        for one in found
    ]
    return Shown("meeting_reports", page.t("联席会议报告", "Meeting reports"), {}, (table("reports", columns, rows),))


def one_report(page: Page) -> Shown:
    """Shows one report; raises MeetingReportUnknown."""
    with page.reading() as connection:
        found = report.find(connection, page.parameters["report"])
    result = found.outcome
    values = {
        "report": found,
        "answer": outcomes.in_words(page, result.answer),
        "question": outcomes.in_words(page, result.question),
        "about": [(outcomes.in_words(page, line.label), outcomes.in_words(page, line.said)) for line in result.about],
        "limits": [outcomes.in_words(page, one) for one in result.limits],
        "titles": [outcomes.in_words(page, one.title) for one in result.tables],
        "trends": [(outcomes.in_words(page, one.title), drawn) for one, drawn in zip(result.trends, pages.trends(result), strict=True)],
        "files": [(_address(name), page.t(zh, en)) for name, zh, en in _FILES],
    }
    return Shown("meeting_report", f"{found.code} {found.frozen.period}", values, tuple(outcomes.tables(page, result)))


def file(page: Page) -> File:
    """Gives a file of a report, made of its bytes; raises MeetingReportUnknown, PageUnknown, FontsMissing."""
    with page.reading() as connection:
        found = report.find(connection, page.parameters["report"])
    name = next((known for known, _, _ in _FILES if _address(known) == page.parameters["file"]), None)
    if name is None:
        raise PageUnknown
    if name == handing.PDF:
        data = handing.signed(handing.pdf_of(found), open_report_signer(page.workings.config.certificates_dir))
    elif name == handing.PAGE:
        data = pages.page(found.outcome)
    else:
        data = found.frozen.content if name == handing.OUTCOME else tables(found.outcome)[name]
    return File(f"{found.code}-{name}", data, _TYPES[name.rpartition(".")[2]])


def _address(name: str) -> str:
    # An address that ends with .csv is a table of the page before it.
    return name.replace(".", "-")
