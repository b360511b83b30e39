"""Ends a process with its parent, however the parent ends.

A child has the reading end of a pipe; the parent alone has the writing end, which the kernel closes with the parent. Then the kernel kills
the child, also a stopped or a busy one. `PR_SET_PDEATHSIG` would do so when the *thread* ends that started the child, and a thread that
reads the pipe would not run in a stopped child. Run as a script it becomes another program, which ends in the same way.
"""

import fcntl
import os
import select
import signal
import sys


def end_with(lifeline: int) -> None:
    """Has this process killed once the writing end of the pipe *lifeline* is closed."""
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    # The kernel says nothing of what was closed before.
    if select.select([lifeline], [], [], 0)[0]:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 (a shell would be one process more)
