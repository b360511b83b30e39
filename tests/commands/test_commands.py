"""The list of commands: what it says of each, and that showing it waits for none of them."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from adapters.cli import app as province_adapter
from hub.cli import COMMANDS, app
from hub.commands.lazy import Entry, breakable, imported

IMPORTED = imported(typer.main.get_command(app))


@pytest.mark.parametrize("entry", COMMANDS, ids=[entry.name for entry in COMMANDS])
def test_the_list_says_of_a_command_what_its_own_help_begins_with(entry: Entry) -> None:
    assert IMPORTED[entry.name].help.splitlines()[0] == breakable(entry.help)


def test_english_after_chinese_is_not_broken_within_a_word() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80", "TERM": "dumb"}).output
    assert "What other rules" in shown and "Show a person as a reader" in shown


def helps(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group below one, with its path."""
    yield path, command
    for name, one in (imported(command) if hasattr(command, "commands") else {}).items():
        yield from helps(one, *path, name)


@pytest.mark.parametrize("app", [app, province_adapter], ids=["hub", "province-adapter"])
def test_no_help_loses_the_end_of_a_line_in_a_narrow_terminal(app: typer.Typer) -> None:
    cut = []
    for path, command in helps(typer.main.get_command(app)):
        shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80", "TERM": "dumb"}).output
        texts = [command.help or "", *(getattr(one, "help", None) or "" for one in command.params)]
        texts += [one.help or "" for one in getattr(command, "commands", {}).values()]
        cut += [(*path, line.strip()) for line in shown.splitlines() if "…" in line and not any("…" in text for text in texts)]
    assert cut == []


def test_the_list_is_shown_without_the_libraries_that_commands_need() -> None:
    program = (
        "import sys; from hub.cli import app; app(['--help'], standalone_mode=False); "
        "print({'grpc', 'psycopg', 'pydantic'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "participants" in shown
    assert shown.splitlines()[-1] == "set()"


def test_a_hub_starts_without_the_libraries_that_nobody_may_ask_for() -> None:
    program = (
        "import sys; import hub.cli, hub.commands.edge; "
        "print({'protovalidate', 'uvicorn', 'starlette', 'prometheus_client', 'pydantic', 'rich', 'pyarrow'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown == "set()\n"
