"""Commands that are in no hurry give way to what the hub does meanwhile.

A process cannot take back the priority that it gave away, so only one that was started for a command does so: who calls a command from
Python keeps its own.
"""

from hub import giving_way

_started_for: list[str] = []


def is_started_for(program: str) -> None:
    """Says that this process was started for one command of a program, and ends with it."""
    _started_for.append(program)


def give_way(niceness: int) -> None:
    """Lowers the priority of this process by so many steps of nice(2) if it was started for a command."""
    if _started_for:
        giving_way.give_way(niceness)
