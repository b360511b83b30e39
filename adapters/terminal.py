"""What a command needs of its terminal: one that takes its words, and helps that are whole."""

import io
import sys
from functools import wraps
from typing import Any

from typer.core import TyperCommand, TyperGroup


def write_what_can_be_shown() -> None:
    """Has stdout and stderr replace what the terminal's encoding lacks: a character must not end a command whose work is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def show_whole_helps() -> None:
    """Has helps wrap: typer ends a line of Chinese and English that does not fit with an ellipsis, and drops what follows."""
    for kind in (TyperCommand, TyperGroup):
        setattr(kind, "format_help", _whole(kind.format_help))  # noqa: B010 (a method of another's)


def _whole(format_help: Any) -> Any:
    @wraps(format_help)
    def format_whole(*arguments: Any) -> None:
        # Only a help needs it, and it takes long to import.
        from typer import rich_utils

        for name in ("_make_rich_text", "_get_parameter_help"):
            if not hasattr(make := getattr(rich_utils, name), "__wrapped__"):
                setattr(rich_utils, name, _folded(make))
        format_help(*arguments)

    return format_whole


def _folded(make: Any) -> Any:
    @wraps(make)
    def folded(**settings: Any) -> Any:
        made = make(**settings)
        for text in getattr(made, "renderables", (made,)):
            text.overflow = "fold"
        return made

    return folded
