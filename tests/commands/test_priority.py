"""What is in no hurry gives way, in a process that was started for it and in no other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli import app

ALONE = """
import os
from hub.commands import priority
before = os.nice(0)
priority.give_way(2)
called = os.nice(0)
priority.is_started_for("hub")
priority.give_way(2)
print(called - before, os.nice(0) - before)
"""


def test_a_process_gives_way_only_where_it_was_started_for_a_command() -> None:
    said = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["0", "2"]


IN_A_SESSION = """
import os, sys
from pathlib import Path
from hub.giving_way import give_way
session = Path("/proc/self/autogroup")
os.setsid()
before, led = os.nice(0), session.read_text().split()[-1]
if sys.argv[1] == "another's" and (child := os.fork()):
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
give_way(3)
print(os.nice(0) - before, led, session.read_text().split()[-1])
"""


SHARED_AMONG_SESSIONS = pytest.mark.skipif(
    not Path("/proc/self/autogroup").exists(), reason="this kernel shares the processor out among no sessions"
)


# The session of the tests themselves says nothing here: one that the first process of a machine leads has no such share.
@SHARED_AMONG_SESSIONS
@pytest.mark.parametrize(("whose", "lowered"), [("its own", True), ("another's", False)])
def test_the_session_of_a_process_gives_way_with_it_only_where_it_leads_that(whose: str, lowered: bool) -> None:
    said = subprocess.run([sys.executable, "-c", IN_A_SESSION, whose], capture_output=True, text=True, check=True).stdout
    gave_way, before, after = map(int, said.split())
    assert (gave_way, after) == (3, os.nice(0) + 3 if lowered else before)


@SHARED_AMONG_SESSIONS
def test_sessions_that_are_started_together_all_give_way() -> None:
    # Root is not held back; what is shown there is only that nothing else goes wrong.
    started = [subprocess.Popen([sys.executable, "-c", IN_A_SESSION, "its own"], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate()[0].split() for process in started]
    assert [after for _, _, after in said] == [str(os.nice(0) + 3)] * 4


def test_who_calls_a_command_from_python_keeps_its_priority(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DSN", dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    before = os.nice(0)
    for arguments in (
        ["export", "--to", str(tmp_path / "to")],
        ["export", "verify", str(tmp_path / "to")],
        ["backup", str(tmp_path / "backup")],
    ):
        CliRunner().invoke(app, arguments)
    assert os.nice(0) == before
