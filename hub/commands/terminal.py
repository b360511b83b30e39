"""What a command needs of its surroundings: a terminal that takes its words, helps that are whole, and UTF-8 to the database."""

import io
import os
import sys
from functools import wraps
from typing import Any

from typer.core import TyperCommand, TyperGroup


def write_what_can_be_shown() -> None:
    """Has stdout and stderr replace what the terminal's encoding lacks: a character must not end a command whose work is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def use_utf8() -> None:
    """Makes connections to the database send and read UTF-8, whatever the environment says."""
    os.environ["PGCLIENTENCODING"] = "UTF8"


def show_whole_helps() -> None:
    """Has helps wrap: typer ends a line of Chinese and English that does not fit with an ellipsis, and drops what follows."""
    for kind in (TyperCommand, TyperGroup):
        setattr(kind, "format_help", _whole(kind.format_help))  # noqa: B010 (a method of another's)


def _whole(format_help: Any) -> Any:
    @wraps(format_help)
    def format_whole(*arguments: Any) -> None:
        # Only a help needs it, and it takes long to import.
        from typer import rich_utils

        if not hasattr(rich_utils._make_rich_text, "__wrapped__"):
            setattr(rich_utils, "_make_rich_text", _folded(rich_utils._make_rich_text))  # noqa: B010 (as above)
        format_help(*arguments)

    return format_whole


def _folded(make: Any) -> Any:
    @wraps(make)
    def folded(**settings: Any) -> Any:
        text = make(**settings)
        text.overflow = "fold"
        return text

    return folded
