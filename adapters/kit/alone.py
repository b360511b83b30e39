"""One adapter a data directory: two on one outbox would send its events in turns, each believing the other's numbers are its own."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.kit.errors import DataDirectoryInUse
from adapters.kit.private_files import private_file


@contextmanager
def alone_in(data_dir: Path) -> Iterator[None]:
    """Keeps the directory to this process until it ends, however it ends; raises DataDirectoryInUse."""
    with private_file(data_dir / "adapter.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataDirectoryInUse(str(data_dir)) from error
        yield
