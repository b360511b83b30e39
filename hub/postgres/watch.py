"""Ends the embedded server when nobody uses it any more: a process of its own, so that it outlives every user, killed or not.

Each user of a data directory has a shared lock on one file, which the kernel takes back when the process ends, however that ends. So the
lock can be had alone once nobody is left. It imports only what Python itself brings: it starts in no time and takes next to no memory.
"""

import contextlib
import fcntl
import os
import signal
import sys
import time
from pathlib import Path

LOOK_EVERY_S = 0.3
STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 15.0), (signal.SIGKILL, 5.0))


def family_of(cluster: tuple[int, int]) -> list[tuple[int, bool]]:
    """Returns the server processes that live on a cluster, and of each whether it rules the others.

    The cluster is known by device and inode: another may lie under its name by now. The caller keeps it open, so that no later directory
    gets its inode.
    """
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                at = (process / "cwd").stat()
                if (at.st_dev, at.st_ino) == cluster and (process / "comm").read_text(encoding="utf-8", errors="replace") == "postgres\n":
                    title = (process / "cmdline").read_bytes()
                    if title:
                        found.append((int(process.name), not title.startswith(b"postgres:")))
    return found


def end_server(cluster: tuple[int, int]) -> None:
    """Ends the server of a cluster, in order if it lets itself be ended so."""
    for step, patience_s in STEPS:
        give_up_s = time.monotonic() + patience_s
        family = family_of(cluster)
        for pid, is_ruler in family:
            # What a killed postmaster left is ended too: it would keep a new one out.
            if is_ruler or step == signal.SIGKILL or not any(ruler for _, ruler in family):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, step)
        while family_of(cluster):
            if time.monotonic() > give_up_s:
                break
            time.sleep(0.05)
        else:
            return


def watch(users: int, cluster: int, sockets: Path) -> None:
    """Waits until nobody uses the server of an open cluster, ends it, and lets go of the lock with the process."""
    while True:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_EVERY_S)
        else:
            break
    found = os.fstat(cluster)
    end_server((found.st_dev, found.st_ino))
    with contextlib.suppress(OSError):
        sockets.rmdir()


if __name__ == "__main__":
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    if os.fork():
        # Nobody has to wait for it.
        os._exit(0)
    watch(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
