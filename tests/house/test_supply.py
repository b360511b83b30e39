"""What is installed: each package pinned in one place, with the hashes of its files, and a bill of materials that names them all."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FILES = ("tests/requirements.txt", "tests/uv-requirements.txt", "docker/requirements.txt", "docker/build-requirements.txt")


def requirements(file: str) -> dict[str, tuple[str, str]]:
    """Version and further lines of each package of a file of requirements."""
    found = re.findall(r"^([a-z0-9-]+)==(\S+)(.*(?:\n    .*)*)", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (version, rest) for name, version, rest in found}


def pins() -> dict[str, str]:
    """The version of each package in pyproject.toml."""
    return dict(pin.split("==") for pin in PROJECT["tool"]["uv"]["constraint-dependencies"])


@pytest.mark.parametrize("file", FILES)
def test_every_requirement_has_hashes_and_names_no_registry(file: str) -> None:
    assert "//" not in (ROOT / file).read_text(encoding="utf-8")
    assert [name for name, (_, rest) in requirements(file).items() if "--hash=sha256:" not in rest] == []


@pytest.mark.parametrize("file", FILES)
def test_every_requirement_is_pinned_in_the_project(file: str) -> None:
    found = {name: version for name, (version, _) in requirements(file).items()}
    assert found
    assert {name: pins().get(name) for name in found} == found, "run: make lock"


def test_every_dependency_of_the_project_is_among_the_requirements() -> None:
    names = {re.split(r"[\[<>=]", name)[0] for name in PROJECT["project"]["dependencies"]}
    assert names - set(requirements("docker/requirements.txt")) == set(), "run: make lock"
    assert names - set(requirements("tests/requirements.txt")) == set(), "run: make lock"


def test_what_builds_the_project_is_installed_with_hashes_too() -> None:
    versions = {name: version for name, (version, _) in requirements("docker/build-requirements.txt").items()}
    assert {name: versions.get(name) for name, _ in (pin.split("==") for pin in PROJECT["build-system"]["requires"])} == dict(
        pin.split("==") for pin in PROJECT["build-system"]["requires"]
    )


def test_what_is_installed_is_what_was_locked() -> None:
    locked = {name: version for name, (version, rest) in requirements("tests/requirements.txt").items() if ";" not in rest.splitlines()[0]}
    installed = {name: metadata.version(name) for name in locked}
    assert installed == locked


@pytest.mark.slow
def test_the_bill_of_materials_names_every_package_with_a_hash(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    uv = Path(sys.executable).parent / "uv"
    command = [uv, "export", "--project", tmp_path, "--quiet", "--format", "cyclonedx1.5", "--no-dev"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    bill = json.loads(done.stdout)
    found = {component["name"]: component for component in bill["components"]}
    assert (bill["bomFormat"], set(requirements("docker/requirements.txt")) - set(found)) == ("CycloneDX", set())
    assert all(reference["hashes"] for component in found.values() for reference in component["externalReferences"])
