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
