"""`hub audit report`, `check-report` and `report-key`: the report of an outcome, whether one holds, and the key that signs them."""

import contextlib
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import psutil
import typer
from cryptography.hazmat.primitives import hashes

from hub.audit import outcome as outcomes
from hub.audit.outcome import Outcome
from hub.audit.report import pages
from hub.commands.options import Force, Json, refuse_to_replace
from hub.config import Config
from hub.domain.errors import HubError
from hub.domain.instants import LOCAL
from hub.durable import whole
from hub.trust.certificates import own_authorities, read_certificates
from hub.trust.report_keys import ReportSigner, open_report_signer, rotate_report_key

# A file that is made to grow when it is opened may take so much.
_MORE_MEMORY_BYTES = 4 << 30
OutcomeFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="审计结果（outcome.json）。The outcome.")]


class NothingWanted(HubError):
    """请给出 --out 或 --html：写到哪里 say where to write: --out for the PDF, --html for the page."""


def report(
    outcome: OutcomeFile,
    out: Annotated[Path | None, typer.Option("--out", help="PDF 写到此文件。Write the PDF to this file.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="网页写到此文件。Write the page to this file.")] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="不签名，供逐字节比对。Without a signature, to compare bytes.")] = False,
    force: Force = False,
) -> None:
    """由审计结果制作报告：PDF（已签名）与网页。Make the report of an outcome: a PDF, signed, and a page."""
    if out is None and html is None:
        raise NothingWanted
    for file in filter(None, (out, html)):
        refuse_to_replace(file, force=force)
    found = _read(outcome)
    if html is not None:
        _write(html, pages.page(found))
    if out is not None:
        from hub.audit.report import pdf, signing

        made = pdf.render(found)
        _write(out, made if unsigned else signing.sign(made, open_report_signer(Config().certificates_dir)))


def check_report(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="报告（PDF）。The report.")],
    outcome: Annotated[
        Path | None, typer.Option("--outcome", exists=True, dir_okay=False, help="应为此审计结果的报告。It must be that of this outcome.")
    ] = None,
    authority: Annotated[
        Path | None, typer.Option("--authority", exists=True, dir_okay=False, help="枢纽的 CA 证书，另行取得。The hub's CA, got elsewhere.")
    ] = None,
    as_json: Json = False,
) -> None:
    """核对报告：重新制作并逐字节比对，再验签名。Check a report: make it again and compare byte for byte, then the signature."""
    from hub.audit.report import checking

    authorities = own_authorities(Config().certificates_dir) if authority is None else read_certificates(authority)
    expected = None if outcome is None else _read(outcome)
    try:
        with _bounded():
            data = _bytes(file, checking.MOST_BYTES)
            checked = checking.check(data, authorities, expected=expected)
    except checking.ReportRefused as refused:
        typer.echo(f"✗ {refused}")
        if as_json:
            typer.echo(json.dumps({"refused": refused.name}))
        raise typer.Exit(1) from None
    at = checked.signed_at.astimezone(LOCAL).isoformat(timespec="seconds")
    typer.echo(f"✓ 重新制作逐字节相同 made again, it is the same byte for byte: {checked.unsigned_size:,}")
    typer.echo(f"✓ 签名 signed by {checked.signed_by} SHA-256 {checked.fingerprint}，自称 at, as it says: {at}")
    typer.echo(f"  {checked.outcome.question.zh} {checked.outcome.answer.zh}\n  {checked.outcome.question.en} {checked.outcome.answer.en}")
    if as_json:
        said = {"refused": "", "fingerprint": checked.fingerprint, "signed_at": at, "unsigned_size": checked.unsigned_size}
        typer.echo(json.dumps(said))


def report_key(rotate: Annotated[bool, typer.Option("--rotate", help="另造一个。Make a further one.")] = False) -> None:
    """显示签报告的证书，或另造一个。Show the certificate that signs reports, or make a further one."""
    folder = Config().certificates_dir
    signer: ReportSigner = rotate_report_key(folder) if rotate else open_report_signer(folder)
    until = signer.certificate.not_valid_after_utc.astimezone(LOCAL).isoformat(timespec="seconds")
    typer.echo(f"{signer.name} SHA-256 {signer.certificate.fingerprint(hashes.SHA256()).hex()} 至 until {until}")


def _read(file: Path) -> Outcome:
    return outcomes.read(_bytes(file, outcomes.MOST_BYTES))


def _bytes(file: Path, most: int) -> bytes:
    """Reads no more than one byte too many, which is refused as too large."""
    with file.open("rb") as opened:
        return opened.read(most + 1)


def _write(file: Path, data: bytes) -> None:
    with whole(file) as opened:
        opened.write(data)
    typer.echo(f"✓ {file} ({len(data):,} bytes)")


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """Bounds the memory that is taken within, beside what this process has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + _MORE_MEMORY_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
