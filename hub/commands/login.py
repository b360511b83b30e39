"""Who is logged in on this machine, and who acts at its terminal."""

import os
import pwd
from pathlib import Path

from hub.commands.options import OPERATOR_OPTION
from hub.domain.errors import RequestInvalid
from hub.domain.masking import looks_like_an_identifier
from hub.domain.participant import is_operator_name

# Set once when somebody logs in, kept through sudo and su; what no login began has the last number there is.
_LOGIN, _NOBODY = Path("/proc/self/loginuid"), 2**32 - 1


def acting(operator: str) -> str:
    """Returns who acts: the operator that is named, else who is logged in; raises RequestInvalid, which names the option."""
    name = operator or login()
    if not is_operator_name(name):
        raise RequestInvalid([(OPERATOR_OPTION, "string.pattern")])
    if looks_like_an_identifier(name):
        raise RequestInvalid([(OPERATOR_OPTION, "no_identifier")])
    return name


def login() -> str:
    """Returns the login name, or the number of a user who has none or has one that may not be recorded, such as an employee's number."""
    uid = _uid()
    number = f"uid-{uid}"
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = number
    # A directory's numbers are as long as a card's; with dots they are none.
    names = (name, number, f"uid-{uid:,}".replace(",", "."))
    return next(one for one in names if is_operator_name(one) and not looks_like_an_identifier(one))


def _uid() -> int:
    """Returns who logged in on this machine, also behind sudo; the user of this process where nobody did, as in a container."""
    try:
        uid = int(_LOGIN.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return os.getuid()
    return os.getuid() if uid == _NOBODY else uid
