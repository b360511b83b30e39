"""What a command needs of its surroundings: a terminal that takes its words, and UTF-8 to the database."""

import io
import os
import sys


def write_what_can_be_shown() -> None:
    """Has stdout and stderr replace what the terminal's encoding lacks: a character must not end a command whose work is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def use_utf8() -> None:
    """Makes connections to the database send and read UTF-8, whatever the environment says."""
    os.environ["PGCLIENTENCODING"] = "UTF8"
