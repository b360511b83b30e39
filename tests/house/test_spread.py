"""Tests in several processes, as `make test` runs them: what each says is heard, also of one whose process has ended within it."""

import os
import subprocess
import sys
from pathlib import Path

FIRST = """
import os, signal, pytest

@pytest.fixture(scope="session", autouse=True)
def shared(tmp_path_factory):
    yield
    print(f"ended={tmp_path_factory.getbasetemp().name}", file=open(os.environ["ENDED"], "a"))

def test_passes(): pass
def test_fails(): print("what it said"); assert [1] == [2]
def test_is_killed(): os.kill(os.getpid(), signal.SIGKILL)
def test_goes_on(tmp_path): assert tmp_path.parent.name == f"process-{os.getpid()}"
def test_leaves(): os._exit(3)
"""
SECOND = """
import os, warnings, pytest
from test_first import shared

def test_warns(): warnings.warn("of what it warned")
@pytest.mark.skip("not here")
def test_is_skipped(): pass
@pytest.fixture
def broken(): raise ValueError("no way in")
def test_never_begins(broken): pass
"""


def _run(folder: Path, *arguments: str) -> tuple[int, str, list[str]]:
    (folder / "test_first.py").write_text(FIRST)
    (folder / "test_second.py").write_text(SECOND)
    ended = folder / "ended"
    plain = ["-p", "no:cacheprovider", "-c", "/dev/null", "-q", f"--rootdir={folder}"]
    command = [sys.executable, "-m", "pytest", "-p", "tests.spread", *plain, *arguments, str(folder)]
    environment = {**os.environ, "ENDED": str(ended), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, done.stdout, ended.read_text().split()


def test_each_outcome_is_heard_and_a_file_goes_on_where_its_process_has_ended(tmp_path: Path) -> None:
    code, said, ended = _run(tmp_path, "--processes=2")
    assert code == 1
    assert "3 failed, 3 passed, 1 skipped, 1 warning, 1 error" in said
    for words in ("what it said", "assert [1] == [2]", "by SIGKILL", "exit code 3", "of what it warned", "no way in"):
        assert words in said
    # The one that was killed and the one that left had no time to end what they share.
    assert len(ended) == 1


def test_after_one_failure_too_many_nothing_else_begins(tmp_path: Path) -> None:
    code, said, ended = _run(tmp_path, "--processes=1", "-x")
    assert code == 1
    assert "1 failed, 1 passed" in said
    assert len(ended) == 1
