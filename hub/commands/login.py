"""Who is logged in on this machine, and who acts at its terminal."""

import os
import pwd

from hub.commands.options import OPERATOR_OPTION
from hub.domain.errors import RequestInvalid
from hub.domain.masking import looks_like_an_identifier
from hub.domain.participant import is_operator_name


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
    number = f"uid-{os.getuid()}"
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = number
    # A directory's numbers are as long as a card's; with dots they are none.
    names = (name, number, f"uid-{os.getuid():,}".replace(",", "."))
    return next(one for one in names if is_operator_name(one) and not looks_like_an_identifier(one))
