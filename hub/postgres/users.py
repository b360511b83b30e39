"""Who uses the embedded server of a data directory: counted by locks, so that its end is the end of the last user and of nobody else.

A short command may have started the server that `hub serve` goes on using: the last one to leave ends it. A user that is killed leaves
as well, since the kernel takes its lock back; then the watch (`embedded_watch`) ends the server.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import hub.postgres.watch
from hub.file_lock import locks, unlock
from hub.postgres.cluster import LOCK_PATIENCE_S, EmbeddedPostgresError

LOOK_AGAIN_S = 0.02


class Users:
    """The users of a data directory's server, as one of them sees them."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is opened before `join`."""
        self._file, self._watch_file = data_dir / "postgres.users", data_dir / "postgres.watch"
        self._lock: int | None = None

    def join(self) -> None:
        """Becomes one of them, once an end of the server that is under way is over; joining twice is joining once."""
        if self._lock is not None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._file, os.O_RDONLY | os.O_CREAT, 0o644)
        give_up_s = time.monotonic() + LOCK_PATIENCE_S
        while not locks(lock, shares=True):
            if time.monotonic() > give_up_s:
                os.close(lock)
                raise EmbeddedPostgresError(f"another process holds {self._file}: end it (`fuser {self._file}`)")
            time.sleep(LOOK_AGAIN_S)
        self._lock = lock

    def is_last(self) -> bool:
        """Gives the place up and returns whether nobody else uses the server; then nobody joins before `leave`."""
        while self._lock is not None:
            # Taking it alone gives the shared one up first: two who do so at once may both fail, and look again.
            if locks(self._lock):
                return True
            if locks(self._lock, shares=True):
                return False
            time.sleep(LOOK_AGAIN_S)
        return False

    def leave(self) -> None:
        """Lets others join, and the watch see that one is gone."""
        if self._lock is not None:
            # A process that was forked from this one shares the lock: closing alone would leave it with that one.
            unlock(self._lock)
            os.close(self._lock)
            self._lock = None

    def have_it_watched(self, cluster: Path, sockets: Path) -> None:
        """Starts the watch unless there is one."""
        assert self._lock is not None, "only a user has the server watched"
        watched = os.open(self._watch_file, os.O_RDONLY | os.O_CREAT, 0o644)
        users = os.open(self._file, os.O_RDONLY)
        # The watch looks for the cluster's processes by inode. Open, the cluster keeps it; deleted and closed, a new cluster may get it,
        # and the watch would end the server of that one.
        kept = os.open(cluster, os.O_RDONLY)
        try:
            if locks(watched):
                subprocess.run(
                    [_python(), "-I", "-S", hub.postgres.watch.__file__, *map(str, (users, kept, sockets))],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=True,
                    cwd="/",
                    pass_fds=[watched, users, kept],
                    # The end of a terminal must not reach it.
                    start_new_session=True,
                )
        finally:
            for descriptor in (watched, users, kept):
                os.close(descriptor)


def _python() -> str:
    """The Python of this process, or one that it can start although it has become another user since."""
    return sys.executable if os.access(sys.executable, os.X_OK) else shutil.which("python3") or sys.executable
