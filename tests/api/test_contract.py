"""The contract as a province gets it: one archive, and it compiles with nothing beside it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli import app


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked."""
    directory = tmp_path_factory.mktemp("contract")
    assert CliRunner().invoke(app, ["protos", "--out", str(directory / "protos.zip")]).exit_code == 0
    with zipfile.ZipFile(directory / "protos.zip") as archive:
        archive.extractall(directory / "unpacked")
    return directory / "unpacked"


def test_the_contract_compiles_with_nothing_beside_it(contract: Path, tmp_path: Path) -> None:
    files = [str(file.relative_to(contract)) for file in contract.rglob("*.proto") if file.parts[-3] != "google"]
    # The compiler itself, without the standard types that grpc_tools would add as a further include path.
    compiler = "import sys; from grpc_tools import _protoc_compiler as c; sys.exit(c.run_main([a.encode() for a in sys.argv]))"
    command = [sys.executable, "-c", compiler, f"-I{contract}", f"--python_out={tmp_path}", *files]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "chuanyu/exchange/v1/feed_service_pb2.py").exists()


def test_the_contract_has_the_error_details_and_says_how_to_compile_it(contract: Path) -> None:
    assert (contract / "google/rpc/error_details.proto").exists()
    assert "protoc -I ." in (contract / "README.txt").read_text(encoding="utf-8")


def test_the_archive_is_the_same_for_the_same_contract(contract: Path, tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["protos", "--out", str(tmp_path / "again.zip")]).exit_code == 0
    assert (tmp_path / "again.zip").read_bytes() == (contract.parent / "protos.zip").read_bytes()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["protos", "--out", str(tmp_path / "none" / "protos.zip")])
    assert said.exit_code == 1
    assert "cannot be written" in said.stderr
