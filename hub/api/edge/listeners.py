"""Which edges of a data directory listen, and where, so that the tools beside them need no address, not even of a port the kernel chose.

An edge has a lock on a file of its own while it listens. The kernel takes the lock back however the edge ends, so a file that one
left behind when it was killed is never believed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from hub.config import Config
from hub.file_lock import locks

_FOLDER = "listeners"


class Listener(NamedTuple):
    """Where an edge listens, and where its page for machines is, "" for nowhere."""

    listen: str
    metrics: str


@contextmanager
def listening(data_dir: Path, listener: Listener) -> Iterator[None]:
    """Lets the tools of this data directory find an edge as long as it lasts."""
    path = data_dir / _FOLDER / listener.listen
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        # Edges in containers may share the directory and the address that each has inside: one of them is enough.
        if locks(file):
            os.truncate(file, 0)
            os.pwrite(file, listener.metrics.encode() + b"\n", 0)
        yield
    finally:
        os.close(file)


def listeners(data_dir: Path) -> list[Listener]:
    """Returns the edges that listen now, by address."""
    found = []
    for path in sorted((data_dir / _FOLDER).glob("*:*")):
        with suppress(OSError), path.open("rb") as file:
            if not locks(file, shares=True):
                found.append(Listener(path.name, file.read().decode(errors="replace").strip()))
    return found


def edge_of(config: Config) -> Listener:
    """Returns the edge to ask: of HUB_LISTEN if that is set or one listens there, else one that listens; metrics "" where not known."""
    found = listeners(config.data_dir)
    wanted = [one for one in found if one.listen == config.listen]
    if not wanted and "listen" in config.named:
        return Listener(config.listen, "")
    return next(iter([*wanted, *found]), Listener(config.listen, ""))
