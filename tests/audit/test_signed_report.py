"""Signed reports: the unsigned file is a prefix, and what is wrong with one is said by name."""

import json
import random
import re
import shutil
import zlib
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from typer.testing import CliRunner

from hub.audit.outcome import OutcomeForeign, as_json
from hub.audit.report import checking, fonts, pdf
from hub.audit.report.signing import sign
from hub.commands import audit_report
from hub.commands.audit import app
from hub.commands.options import FileThere
from hub.domain.errors import HubError
from hub.trust import report_keys
from hub.trust.authority import DOCUMENT_SIGNING, files_of, issue
from hub.trust.certificates import is_for_clients, own_authorities
from hub.trust.keyring import KeysExposed
from hub.trust.report_keys import ReportCertificateEnded, ReportSigner, open_report_signer, rotate_report_key
from tests.audit.test_outcome import OUTCOME
from tests.seeds import one_in

ROOT = Path(__file__).parents[2]
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "certificates"


@pytest.fixture(scope="module")
def unsigned() -> bytes:
    return pdf.render(OUTCOME)


@pytest.fixture(scope="module")
def signed(unsigned: bytes, folder: Path) -> bytes:
    return sign(unsigned, open_report_signer(folder))


@pytest.fixture
def command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    monkeypatch.setenv("HUB_DATA_DIR", str(folder.parent))
    yield RUNNER


def refusal(data: bytes, folder: Path, **more: object) -> str:
    with pytest.raises(checking.ReportRefused) as refused:
        checking.check(data, own_authorities(folder), **more)  # type: ignore[arg-type]
    return refused.value.name


def test_the_unsigned_report_is_a_prefix_of_the_signed_one_and_both_hold(unsigned: bytes, signed: bytes, folder: Path) -> None:
    checked = checking.check(signed, own_authorities(folder))
    assert signed.startswith(unsigned) and checked.unsigned_size == len(unsigned)
    assert (checked.outcome, checked.signed_by) == (OUTCOME, "CN=hub.report")
    assert refusal(unsigned, folder) == "UNSIGNED"


def test_two_signatures_differ_and_the_report_below_them_does_not(unsigned: bytes, signed: bytes, folder: Path) -> None:
    again = sign(unsigned, open_report_signer(folder))
    assert again != signed and again.startswith(unsigned) and checking.check(again, own_authorities(folder)).outcome == OUTCOME


def test_the_page_of_reports_has_each_name_that_a_check_says() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*) \| (.*) \|$", (ROOT / "docs/report.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(name, *words) for name, words in checking.WORDS.items()]


@pytest.mark.parametrize("given", one_in(2, [range(3), range(3, 10)]), ids=["few", "many"])
@pytest.mark.parametrize("part", ["unsigned", "signature"])
def test_no_altered_byte_is_taken(signed: bytes, unsigned: bytes, folder: Path, part: str, given: range) -> None:
    first, end = (0, len(unsigned)) if part == "unsigned" else (len(unsigned), len(signed))
    for seed in given:
        chosen = random.Random(seed)
        spoiled = bytearray(signed)
        spoiled[chosen.randrange(first, end)] ^= chosen.randrange(1, 256)
        with pytest.raises(HubError):
            checking.check(bytes(spoiled), own_authorities(folder))
            pytest.fail(f"taken with seed {seed}")


@pytest.mark.parametrize("other", [b"1", b"a", b" "])
def test_nothing_hides_in_the_room_that_is_left_for_a_signature(signed: bytes, folder: Path, other: bytes) -> None:
    at = signed.rindex(b"0" * 64 + b">")
    assert refusal(signed[:at] + other + signed[at + 1 :], folder) == "CHANGED_AFTERWARDS"


def test_an_altered_page_is_named(signed: bytes, folder: Path) -> None:
    at = signed.index(b"/MediaBox[0 0 595")
    assert refusal(signed[:at] + signed[at:].replace(b"595", b"596", 1), folder) == "ALTERED"


def test_what_is_appended_is_named(signed: bytes, folder: Path) -> None:
    writer = IncrementalPdfFileWriter(BytesIO(signed))
    writer.root["/Lang"] = generic.TextStringObject("en")
    writer.update_root()
    out = BytesIO()
    writer.write(out)
    assert refusal(out.getvalue(), folder) == "CHANGED_AFTERWARDS"


def test_what_is_drawn_over_a_page_before_it_is_signed_is_named(unsigned: bytes, folder: Path) -> None:
    writer = IncrementalPdfFileWriter(BytesIO(unsigned))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"0 0 200 200 re f"))
    writer.update_container(page)
    out = BytesIO()
    writer.write(out)
    assert refusal(sign(out.getvalue(), open_report_signer(folder)), folder) == "CHANGED_AFTERWARDS"


def test_the_report_of_another_outcome_is_named(signed: bytes, folder: Path) -> None:
    assert refusal(signed, folder, expected=OUTCOME._replace(holds=True)) == "OTHER_OUTCOME"


def test_a_report_with_another_font_is_named(unsigned: bytes, folder: Path, tmp_path: Path) -> None:
    for name in fonts.NAMES:
        shutil.copy(fonts.FOLDER / fonts.NAMES[0], tmp_path / name)
    other = sign(pdf.render(OUTCOME, tmp_path), open_report_signer(folder))
    assert refusal(other, folder) == "FONT_DIFFERS"
    assert checking.check(other, own_authorities(folder), tmp_path).outcome == OUTCOME


def test_a_report_of_another_version_is_named(signed: bytes, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(pdf.TEMPLATES, tmp_path / "templates")
    with (tmp_path / "templates" / "report.typ").open("a") as template:
        template.write("\n#v(1mm)\n")
    monkeypatch.setattr(pdf, "TEMPLATES", tmp_path / "templates")
    pdf._template.cache_clear()
    assert refusal(signed, folder) == "TEMPLATE_DIFFERS"
    monkeypatch.undo()
    pdf._template.cache_clear()


def test_a_signature_of_another_authority_is_named(unsigned: bytes, folder: Path, tmp_path: Path) -> None:
    assert refusal(sign(unsigned, open_report_signer(tmp_path)), folder) == "SIGNER_UNKNOWN"


@pytest.mark.parametrize("purpose", [ExtendedKeyUsageOID.CLIENT_AUTH, DOCUMENT_SIGNING])
def test_a_signature_of_a_participant_is_named(unsigned: bytes, folder: Path, purpose: x509.ObjectIdentifier) -> None:
    files = files_of(folder, f"sc.someone-{purpose.dotted_string}")
    issue(files, [x509.UniformResourceIdentifier("urn:chuanyu:participant:sc.someone")], purpose, timedelta(days=1))
    assert refusal(sign(unsigned, ReportSigner(files)), folder) == "SIGNER_UNKNOWN"


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"%PDF-1.7\n%%EOF", b"PK\x03\x04" * 100, b"%PDF-1.7" + bytes(1_000)])
def test_what_is_no_report_is_named(data: bytes, folder: Path) -> None:
    assert refusal(data, folder) == "NOT_A_REPORT"


def test_a_report_whose_outcome_is_broken_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(OutcomeForeign):
        checking.check(with_outcome(zlib.compress(b"{}")), own_authorities(folder))


def with_outcome(squeezed: bytes) -> bytes:
    """A file without pages that has an outcome."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles<</Names[(made.json)3 0 R(outcome.json)3 0 R]>>>>>>",
        b"<</Type/Pages/Count 0/Kids[]>>",
        b"<</Type/Filespec/EF<</F 4 0 R>>>>",
        b"<</Filter/FlateDecode/Length %d>>stream\n%b\nendstream" % (len(squeezed), squeezed),
    ]
    data, places = b"%PDF-1.7\n", []
    for number, said in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, said)
    table = b"".join(b"%010d 00000 n \n" % at for at in places)
    return data + b"xref\n0 5\n0000000000 65535 f \n%btrailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (table, len(data))


def test_keys_are_their_owners_only_are_renewed_and_open_nothing(tmp_path: Path, unsigned: bytes) -> None:
    first = open_report_signer(tmp_path)
    assert (tmp_path / "hub.report.key").stat().st_mode & 0o777 == 0o600
    assert open_report_signer(tmp_path).certificate == first.certificate and not is_for_clients(first.certificate)
    before = sign(unsigned, first)
    second = rotate_report_key(tmp_path)
    assert (second.name, open_report_signer(tmp_path).certificate) == ("hub.report_2", second.certificate)
    assert checking.check(before, own_authorities(tmp_path)).outcome == OUTCOME
    (tmp_path / "hub.report_2.key").chmod(0o644)
    with pytest.raises(KeysExposed):
        open_report_signer(tmp_path)


def test_a_certificate_that_ends_soon_is_followed_by_another_where_the_authority_is(tmp_path: Path, unsigned: bytes) -> None:
    open_report_signer(tmp_path)
    report_keys._issued(tmp_path, timedelta(days=29))
    assert open_report_signer(tmp_path).name == "hub.report_3"
    report_keys._issued(tmp_path, timedelta(seconds=-1))
    (tmp_path / "ca.key").unlink()
    with pytest.raises(ReportCertificateEnded):
        open_report_signer(tmp_path)


def test_commands_make_and_check_a_report(command: CliRunner, tmp_path: Path, unsigned: bytes) -> None:
    (tmp_path / "outcome.json").write_bytes(as_json(OUTCOME))
    out, html = tmp_path / "report.pdf", tmp_path / "report.html"
    made = command.invoke(app, ["report", str(tmp_path / "outcome.json"), "--out", str(out), "--html", str(html)])
    assert made.exit_code == 0 and out.read_bytes().startswith(unsigned) and OUTCOME.answer.en in html.read_text()
    checked = command.invoke(app, ["check-report", str(out), "--outcome", str(tmp_path / "outcome.json"), "--json"])
    assert checked.exit_code == 0 and json.loads(checked.output.splitlines()[-1])["refused"] == ""
    again = ["report", str(tmp_path / "outcome.json"), "--out", str(out), "--unsigned"]
    assert isinstance(command.invoke(app, again).exception, FileThere) and out.read_bytes() != unsigned
    assert command.invoke(app, [*again, "--force"]).exit_code == 0
    assert out.read_bytes() == unsigned
    refused = command.invoke(app, ["check-report", str(out), "--json"])
    assert (refused.exit_code, json.loads(refused.output.splitlines()[-1])) == (1, {"refused": "UNSIGNED"})
    assert "hub.report SHA-256" in command.invoke(app, ["report-key"]).output
    assert command.invoke(app, ["report", str(tmp_path / "outcome.json")]).exit_code == 1


def test_a_file_that_grows_when_it_is_opened_ends_at_a_bound(command: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeeze = zlib.compressobj(1)
    bomb = b"".join([*(squeeze.compress(bytes(1 << 24)) for _ in range(64)), squeeze.flush()])
    (tmp_path / "bomb.pdf").write_bytes(with_outcome(bomb))
    monkeypatch.setattr(audit_report, "_MORE_MEMORY_BYTES", 512 << 20)
    refused = command.invoke(app, ["check-report", str(tmp_path / "bomb.pdf"), "--json"])
    assert (refused.exit_code, json.loads(refused.output.splitlines()[-1])) == (1, {"refused": "NOT_A_REPORT"})
