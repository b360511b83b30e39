"""What the last `hub fsck` found, kept beside the hub's other files for who did not see it run; each run replaces the one before."""

import json
from pathlib import Path
from typing import NamedTuple

from hub.audit.fsck import Checked, Difference
from hub.durable import whole

NAME = "fsck.json"
# The first of many problems say what is wrong.
MOST_PROBLEMS = 50


class Verdict(NamedTuple):
    """What was found when: *problems* as (code, Chinese, English), *left_out* what could not be checked on this machine.

    *looked_for_identifiers* says whether every event was searched for identifiers in clear.
    """

    at_us: int
    is_clean: bool
    head: int
    events: int
    holes: int
    views: dict[str, bool]
    parked: int
    problems: list[list[str]]
    left_out: list[str]
    looked_for_identifiers: bool
    clear_identifiers: int
    # How many differences there were in all, and the size of the log that was compared, 0 if it was not.
    differences: int = 0
    sealed: int = 0


def keep(folder: Path, checked: Checked, at_us: int, *, looked_for_identifiers: bool) -> None:
    """Writes what was found."""
    verdict = Verdict(
        at_us, checked.is_clean, checked.head, checked.events, checked.holes, checked.views, checked.parked,
        [_words(one) for one in checked.differences[:MOST_PROBLEMS]], checked.left_out, looked_for_identifiers, checked.clear_identifiers,
        sum(checked.codes.values()), checked.sealed,
    )  # fmt: skip
    with whole(folder / NAME) as file:
        file.write(json.dumps(verdict._asdict(), ensure_ascii=False).encode())


def _words(one: Difference) -> list[str]:
    """Returns the words of a difference, without a key of somebody's."""
    shown = Difference(one.code, **{name: "…" if name == "key" else value for name, value in one.values.items()})
    return [shown.code, shown.chinese, shown.english]


def last(folder: Path) -> Verdict | None:
    """Returns what the last run found, None where none is known; a file that a later version wrote is none."""
    try:
        return Verdict(**json.loads((folder / NAME).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
