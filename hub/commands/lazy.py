"""A group of commands that are imported one at a time: who runs one does not wait for what the others need, nor for all of its own."""

import functools
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Entry(NamedTuple):
    """A command as the list of commands shows it; *where* is "module:name" of its function, or of a Typer that groups several."""

    name: str
    where: str
    panel: str
    help: str


def breakable(text: str) -> str:
    """Returns a help text whose English begins after a blank: without one a narrow screen breaks the line within its first word."""
    return re.sub(r"([。；）])(?=[A-Za-z])", r"\1 ", text)


def _make_breakable(command: Any) -> None:
    for one in (command, *command.params, *getattr(command, "commands", {}).values()):
        if getattr(one, "help", None):
            one.help = breakable(one.help)
    for one in getattr(command, "commands", {}).values():
        if not isinstance(one, _Listed):
            _make_breakable(one)


class _Listed(TyperCommand):
    """What takes the place of a command until it is run."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.name, help=breakable(entry.help), rich_help_panel=entry.panel)
        self._entry = entry

    def imported(self) -> Any:
        """Imports the command itself."""
        return _imported(self._entry)


@functools.cache
def _imported(entry: Entry) -> Any:
    """Imports a command and makes of its function, once a process, what reads its words."""
    module, _, name = entry.where.partition(":")
    found = getattr(import_module(module), name)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(entry.name)(found)
        found = single
    command = typer.main.get_command(found)
    command.name = entry.name
    # The shell completes `hub`, of which this is a part.
    command.params = [one for one in command.params if one.name not in ("install_completion", "show_completion")]
    _make_breakable(command)
    return command


def group_of(*entries: Entry) -> type[TyperGroup]:
    """Makes the class of a group of these commands."""

    class Group(TyperGroup):
        """Lists its commands without importing them, and imports the one that is run."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings | {"commands": {entry.name: _Listed(entry) for entry in entries}})

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            """Finds the command that the arguments name, imported."""
            name, command, rest = super().resolve_command(ctx, args)
            return name, command.imported() if isinstance(command, _Listed) else command, rest

    return Group


def imported(group: Any) -> dict[str, Any]:
    """Returns the commands of a group by name, all imported."""
    return {name: command.imported() if isinstance(command, _Listed) else command for name, command in group.commands.items()}


@contextmanager
def loading(module: str) -> Iterator[Callable[[], Any]]:
    """Imports a module in a thread while the caller waits for something else; gives what returns it, once it is there.

    At the end nothing is being imported any more, so that two threads never import what needs each other.
    """
    thread = threading.Thread(target=import_module, args=(module,), name="loading")
    thread.start()

    def loaded() -> Any:
        thread.join()
        return import_module(module)

    try:
        yield loaded
    finally:
        thread.join()
