"""The list of commands: what it says of each, and that showing it waits for none of them."""

import subprocess
import sys

import pytest
import typer

from hub.cli import COMMANDS, app
from hub.commands.lazy import Entry, imported

IMPORTED = imported(typer.main.get_command(app))


@pytest.mark.parametrize("entry", COMMANDS, ids=[entry.name for entry in COMMANDS])
def test_the_list_says_of_a_command_what_its_own_help_begins_with(entry: Entry) -> None:
    assert IMPORTED[entry.name].help.splitlines()[0] == entry.help


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
