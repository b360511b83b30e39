"""The lock of an open file: alone, or shared with others that share it. The kernel takes it back however its process ends."""

import fcntl
from typing import IO, Any

File = int | IO[Any]


def locks(file: File, *, shares: bool = False) -> bool:
    """Takes the lock at once, or changes the one it has; False if another's is in the way."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shares else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def await_lock(file: File) -> None:
    """Takes the lock alone, once nobody else has it."""
    fcntl.flock(file, fcntl.LOCK_EX)


def unlock(file: File) -> None:
    """Gives the lock back, also where a forked process shares the open file."""
    fcntl.flock(file, fcntl.LOCK_UN)
