"""Writes the files of a report into a folder: its PDF, page, tables and outcome. Written again they are the same."""

from collections.abc import Callable, Iterator
from pathlib import Path

from hub.audit.report import pages
from hub.durable import whole
from hub.meeting.files import tables
from hub.meeting.report import MeetingReport
from hub.trust.report_keys import ReportSigner

PDF, PAGE, OUTCOME = "report.pdf", "report.html", "outcome.json"


def write(found: MeetingReport, folder: Path, signer: ReportSigner | None) -> Iterator[tuple[Path, bool]]:
    """Writes the files that are not there as they should be, and yields each with whether it was written. Raises FontsMissing, OSError."""
    outcome = found.outcome
    for name, content in {OUTCOME: found.frozen.content, PAGE: pages.page(outcome), **tables(outcome)}.items():
        yield folder / name, _put(folder / name, content, content.__eq__)
    unsigned = pdf_of(found)
    # Two signatures of one file differ, so a signed one that is there stays.
    if signer is None:
        yield folder / PDF, _put(folder / PDF, unsigned, unsigned.__eq__)
    else:
        is_signed = _is_signed_form_of(unsigned)
        yield folder / PDF, not _is_there(folder / PDF, is_signed) and _put(folder / PDF, signed(unsigned, signer), is_signed)


def pdf_of(found: MeetingReport) -> bytes:
    """Returns the unsigned PDF of a report; raises FontsMissing."""
    # What makes PDFs takes a while to load.
    from hub.audit.report.pdf import render

    return render(found.outcome)


def signed(unsigned: bytes, signer: ReportSigner) -> bytes:
    """Returns a PDF with the hub's signature appended."""
    from hub.audit.report import signing

    return signing.sign(unsigned, signer)


def _is_signed_form_of(unsigned: bytes) -> Callable[[bytes], bool]:
    return lambda content: len(content) > len(unsigned) and content.startswith(unsigned)


def _is_there(path: Path, fits: Callable[[bytes], bool]) -> bool:
    return path.is_file() and fits(path.read_bytes())


def _put(path: Path, content: bytes, fits: Callable[[bytes], bool]) -> bool:
    if _is_there(path, fits):
        return False
    with whole(path) as file:
        file.write(content)
    return True
