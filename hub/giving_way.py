"""A process that is in no hurry gives way to the others of the machine where the processor is short.

Many kernels share the processor out among sessions first (`autogroup`), and nice(2) then orders the processes of one session only. A hub's
each lead a session of their own, so that the session's share is lowered too. It is not where somebody else leads the session, such as a
terminal: the others there would be slowed down.
"""

import contextlib
import os
import time
from pathlib import Path

LOWEST = 19

# Of all ordinary users of a machine one may lower a session in a tenth of a second; a hub starts some ten processes at once.
_TURN = 0.11  # seconds
_TURNS = 30


def give_way(niceness: int) -> None:
    """Lowers the priority of this process by so many steps of nice(2), and with it that of the session that it leads."""
    lowered = os.nice(niceness)
    if os.getsid(0) == os.getpid():
        _lower_session(lowered)


def _lower_session(niceness: int) -> None:
    for _ in range(_TURNS):
        try:
            Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")
        except BlockingIOError:
            time.sleep(_TURN)
        except OSError:  # another kernel has none
            return
        else:
            return


def work_behind(niceness: int) -> None:
    """Has this process give way, and take no turn from one that was waiting for a message."""
    give_way(niceness)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
