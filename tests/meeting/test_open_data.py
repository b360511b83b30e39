"""Open data: the same folder again, a catalogue that names all of it, nobody in it, and no hidden figure that follows from the folder."""

import csv
import hashlib
import io
import json
import re
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives import hashes
from typer.testing import CliRunner

from hub.cli import app
from hub.domain.row_space import determined
from hub.indicators.asking import Question, ask
from hub.indicators.record import Known
from hub.meeting import report
from hub.open_data import folder as folders
from hub.open_data import signature
from hub.open_data.catalogue import DICTIONARY
from hub.open_data.folder import CatalogueMalformed, FolderForeign, check, write
from hub.open_data.published import CellUnfit, published
from hub.open_data.signature import CatalogueSignatureWrong
from hub.tlog.note import Checkpoint
from hub.trust.report_keys import open_report_signer
from tests.meeting.conftest import Reports

LICENCE = "https://creativecommons.org/licenses/by/4.0/"
Unknown = tuple[str, str, str]


@pytest.fixture(scope="module")
def folder(reports: Reports, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("open") / "data"
    assert all(write(reports.year.connection, made, LICENCE).files.values())
    return made


def rows_of(folder: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of each dataset, as anybody reads them."""
    return {path.stem: list(csv.DictReader(io.StringIO(path.read_text("utf-8")))) for path in sorted((folder / "datasets").glob("*.csv"))}


def test_a_folder_written_again_is_the_same(reports: Reports, folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert not any(write(reports.year.connection, folder, LICENCE).files.values())
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    (folder / "dictionary.csv").unlink()
    again = write(reports.year.connection, folder, LICENCE).files
    assert [path for path, is_written in again.items() if is_written] == ["dictionary.csv"]


def test_the_catalogue_says_of_each_dataset_what_it_is_and_where_it_is_from(reports: Reports, folder: Path) -> None:
    said = json.loads((folder / "catalog.jsonld").read_text("utf-8"))
    assert said["@type"] == "dcat:Catalog" and said["@context"]["dcat"] == "http://www.w3.org/ns/dcat#"
    *datasets, beside = said["dcat:dataset"]
    assert {one["dct:identifier"].lower() for one in datasets} == set(rows_of(folder))
    named = {file["@id"] for file in beside["dcat:distribution"]}
    assert {"dictionary.csv", "definitions.csv", "provenance.csv"} <= named
    for one in datasets:
        assert one["@type"] == "dcat:Dataset" and one["dct:license"] == {"@id": LICENCE}
        assert one["dct:temporal"]["dcat:startDate"]["@value"] <= one["dct:temporal"]["dcat:endDate"]["@value"] == "2025-12-31"
        assert reports.now.code in one["dct:provenance"]["dct:description"][1]["@value"] and one["prov:wasDerivedFrom"]
        for file in one["dcat:distribution"]:
            assert (folder / file["@id"]).stat().st_size == file["dcat:byteSize"]
            named.add(file["@id"])
    paths = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert named == paths - {folders.CATALOGUE}
    assert check(folder) == []


def test_a_checkpoint_stays_as_it_was_written_unless_it_is_none(reports: Reports, tmp_path: Path) -> None:
    write(reports.year.connection, tmp_path, LICENCE)
    path = tmp_path / "checkpoints" / f"{reports.now.code}.txt"
    path.parent.mkdir(exist_ok=True)
    # The log is not sealed here; a head that it has no more is taken, one that lacks the report is not.
    kept = Checkpoint("hub.example/log", reports.year.late + 1, bytes(32)).text + "\n— hub.example/log AAAAAAAA\n"
    path.write_text(kept)
    assert write(reports.year.connection, tmp_path, LICENCE).files[f"checkpoints/{reports.now.code}.txt"] is False
    assert f"checkpoints/{reports.now.code}.txt" in (tmp_path / "provenance.csv").read_text()
    for other in ("no note", Checkpoint("hub.example/log", 2, bytes(32)).text + "\n— hub.example/log AAAAAAAA\n"):
        path.write_text(other)
        with pytest.raises(FolderForeign):
            write(reports.year.connection, tmp_path, LICENCE)


def test_both_forms_of_a_dataset_say_the_same(folder: Path) -> None:
    for name, rows in rows_of(folder).items():
        table = pq.read_table(folder / "datasets" / f"{name}.parquet").to_pylist()
        assert [{key: _written(value) for key, value in row.items()} for row in table] == rows
        assert tuple(rows[0]) == tuple(DICTIONARY)


def _written(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_nobody_is_in_it(folder: Path) -> None:
    """Neither who froze a report, nor a key, nor a number of a card or a person."""
    for path in (path for path in folder.rglob("*") if path.suffix in (".csv", ".jsonld")):
        text = path.read_text("utf-8")
        assert "li.lei" not in text and not re.search(r"\b[0-9]{17}[0-9X]\b|\b[A-Z][0-9]{8}\b", text), path.name
        sums = re.findall(r"\b[0-9a-f]{32,}\b", text)
        assert all(len(one) == 64 for one in sums) and (not sums or path.name in ("catalog.jsonld", "definitions.csv", "provenance.csv"))


def test_no_hidden_figure_follows_from_the_whole_folder(reports: Reports, folder: Path) -> None:
    """By who adds up all rows of the folder, and knows besides which figures did not move from one report to the next."""
    hidden, equations = _equations(reports, rows_of(folder))
    assert hidden and not hidden & determined(equations)
    # With one of them more, another follows: the equations are not empty words.
    (first,) = (next(one for one in sorted(hidden) if one[2] == "in" and one[1]),)
    assert determined([*equations, {first: 1}]) > {first}


def _equations(reports: Reports, datasets: dict[str, list[dict[str, str]]]) -> tuple[set[Unknown], list[dict[Unknown, int]]]:
    hidden: set[Unknown] = set()
    told: set[Unknown] = set()
    equations: list[dict[Unknown, int]] = []
    for name, rows in datasets.items():
        by_report: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in rows:
            by_report[row["indicator_report"]].append(row)
        known: dict[str, dict[tuple[str, str], int]] = {}
        # A report of a share may show none of it.
        is_share = any(row["denominator"] for row in rows) and name != "k1"
        for code, own in by_report.items():
            parts = {"in": "numerator", "all": "denominator"} if is_share else {"all": "numerator"}
            shown = {(row["cell"], part): row[column] for row in own for part, column in parts.items()}
            shown |= {(row["cell"], "out"): "" if row["is_hidden"] == "true" else "0" for row in own if is_share}
            unknown = {key for key, value in shown.items() if not value}
            hidden |= {(code, *key) for key in unknown}
            cells = [row["cell"] for row in own if row["cell"]]
            sums = [((row["cell"], "all"), [(row["cell"], "in"), (row["cell"], "out")]) for row in own if is_share]
            # Persons of the cells may be the same ones.
            sums += [
                (("", part), [(cell, part) for cell in cells])
                for part in ("in", "out", "all")
                if cells and ("", part) in shown and name != "k1"
            ]
            equations += [{(code, *key): -1 if key == total else 1 for key in (total, *each) if key in unknown} for total, each in sums]
            known[code] = _true(reports, own[0])
        for then, now in zip(list(known)[:-1], list(known)[1:], strict=True):
            for key in known[then].keys() & known[now].keys():
                if known[then][key] == known[now][key]:
                    pair = {(then, *key): 1, (now, *key): -1}
                    equations.append({one: sign for one, sign in pair.items() if one in hidden})
                    # What did not move is known where it was shown before: that it is not shown again hides nothing.
                    told |= {(now, *key)} if (then, *key) not in hidden - told else set()
    return hidden - told, equations


def _true(reports: Reports, row: dict[str, str]) -> dict[tuple[str, str], int]:
    """What a report counted, hidden or not."""
    position = int(row["as_known_position"])
    question = Question(row["indicator"], date.fromisoformat(row["as_of"]), position, row["by"])
    return dict(ask(Known(reports.year.connection, position), question).report.figures)


def test_what_gives_a_few_away_beside_what_is_published_is_withheld(reports: Reports) -> None:
    found = [reports.november, reports.then, reports.now]
    kept, withheld = published(found)
    assert withheld == []
    altered = json.loads(reports.now.frozen.content)
    k2 = next(one for one in altered["facts"]["indicators"] if one["indicator"] == "K2")
    k2 |= {"report": "IR-K2-99", "figures": [one | {"numerator": one["numerator"] + 3} for one in k2["figures"]]}
    later = report.MeetingReport(type(reports.now.frozen)())
    later.frozen.CopyFrom(reports.now.frozen)
    later.frozen.content = json.dumps(altered, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    more, held = published([*found, later])
    assert [one.report for one in held] == ["IR-K2-99"] and [one.report for one in more] == [one.report for one in kept]
    k2["figures"][0]["cell"] = "王小明"
    later.frozen.content = json.dumps(altered, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(CellUnfit):
        published([*found, later])


def test_a_folder_with_other_files_is_refused(reports: Reports, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(FolderForeign, match=r"manifest\.json"):
        write(reports.year.connection, tmp_path, LICENCE)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_check_names_what_was_altered(reports: Reports, tmp_path: Path) -> None:
    write(reports.year.connection, tmp_path, LICENCE)
    with (tmp_path / "datasets" / "k2.csv").open("a") as file:
        file.write("1\n")
    (tmp_path / "datasets" / "k4.csv").unlink()
    assert check(tmp_path) == ["datasets/k2.csv", "datasets/k4.csv"]
    catalogue = (tmp_path / folders.CATALOGUE).read_text("utf-8")
    (tmp_path / folders.CATALOGUE).write_text(catalogue.replace('"@id": "datasets/k3.csv"', '"@id": "../../secret"'), "utf-8")
    assert "../../secret" in check(tmp_path)
    (tmp_path / folders.CATALOGUE).write_text("[]")
    with pytest.raises(CatalogueMalformed):
        check(tmp_path)


@pytest.mark.parametrize("name", [7, "a\0b", "a" * 5_000])
def test_a_catalogue_with_a_name_that_no_file_has_is_wrong_about_it(tmp_path: Path, name: str | int) -> None:
    file = {"@id": name, "spdx:checksum": {"spdx:checksumValue": ""}}
    (tmp_path / folders.CATALOGUE).write_text(json.dumps({"dcat:dataset": [{"dcat:distribution": [file]}]}))
    (tmp_path / "more.csv").write_text("")
    assert check(tmp_path) == [str(name), "more.csv"]


def test_a_catalogue_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / folders.CATALOGUE).write_text("[" * 200_000)
    with pytest.raises(CatalogueMalformed):
        check(tmp_path)


def test_a_link_to_another_folder_is_not_in_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "k99.csv").write_text("1")
    made = tmp_path / "open"
    made.mkdir()
    (made / folders.CATALOGUE).write_text(json.dumps({"dcat:dataset": []}))
    (made / "more").symlink_to(tmp_path / "elsewhere")
    assert check(made) == ["more"]


def test_a_run_that_was_killed_is_gone_on_with(reports: Reports, tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    for part in (".catalog.jsonld.part", "datasets/.k2.csv.part"):
        (tmp_path / part).write_text("half")
    write(reports.year.connection, tmp_path, LICENCE)
    assert check(tmp_path) == []


def test_the_command_writes_signs_and_checks(reports: Reports, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUB_DSN", reports.year.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    to = str(tmp_path / "open")

    def run(*arguments: str) -> tuple[int, str]:
        found = CliRunner().invoke(app, ["open-data", *arguments])
        return found.exit_code, found.output

    code, said = run("write", to, "--json")
    assert code == 0 and json.loads(said.splitlines()[-1])["files"]["catalog.jsonld"]
    code, said = run("check", to)
    assert code == 0 and said.startswith(f"✓ {to}\n✓ ") and "signed by" in said
    # Two signatures differ: one that holds stays.
    assert not any(json.loads(run("write", to, "--json")[1].splitlines()[-1])["files"].values())
    assert [run("write", to, "--licence", one)[0] for one in ("not an address", "https://")] == [2, 2]
    _rewrite(tmp_path / "open")
    # By its own catalogue nothing is wrong; the signature says that the catalogue is another.
    code, said = run("check", to)
    assert code == 1 and "signature does not hold" in said
    assert run("check", to, "--unsigned") == (0, f"✓ {to}\n")
    signature = tmp_path / "open" / folders.SIGNATURE
    for content in (b"", b"0\x80", signature.read_bytes()[:-9]):
        signature.write_bytes(content)
        assert run("check", to)[0] == 1
    assert run("write", to)[0] == run("check", to)[0] == 0
    assert run("write", to, "--unsigned")[0] == 0 and not signature.exists()
    code, said = run("check", to)
    assert code == 1 and "has no signature" in said
    (tmp_path / "open" / "datasets" / "k2.csv").write_text("")
    assert run("check", to, "--unsigned")[0] == 1
    assert run("check", str(tmp_path / "nothing"))[0] == 1


def test_a_signature_of_another_authority_or_for_another_use_is_none(tmp_path: Path) -> None:
    ours, theirs = (open_report_signer(tmp_path / name) for name in ("ours", "theirs"))
    signed = signature.sign(b"catalogue", ours)
    assert signature.check(b"catalogue", signed, ours.authorities).fingerprint == ours.certificate.fingerprint(hashes.SHA256()).hex()
    for content, made, authorities in (
        (b"another", signed, ours.authorities), (b"catalogue", signed, theirs.authorities),
        (b"catalogue", signature.sign(b"catalogue", theirs), ours.authorities),
    ):  # fmt: skip
        with pytest.raises(CatalogueSignatureWrong):
            signature.check(content, made, authorities)


def _rewrite(folder: Path) -> None:
    """Alters a figure and writes its sum into the catalogue, as who has the folder can."""
    file, catalogue = folder / "datasets" / "k2.csv", folder / folders.CATALOGUE
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(file.read_bytes().replace(b"K2", b"K3"))
    after = hashlib.sha256(file.read_bytes()).hexdigest()
    catalogue.write_text(catalogue.read_text("utf-8").replace(before, after), "utf-8")
