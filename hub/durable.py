"""Files that are whole or not there: each is written beside its name and takes the name once it is on disk."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hub.file_lock import locks


class Written:
    """A file under way: it counts and digests what is written. *write*, *flush* and *closed* are what writers of other formats ask for."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        """*file* is written from its beginning."""
        self._file, self._hasher, self.size = file, hashlib.new("sm3"), 0

    def write(self, block: bytes) -> int:
        """Appends a block and returns its length."""
        self._hasher.update(block)
        self.size += len(block)
        return self._file.write(block)

    def flush(self) -> None:
        """Does nothing: the whole file is flushed to disk at its end."""

    @property
    def sm3(self) -> str:
        """The SM3 of what is written so far."""
        return self._hasher.hexdigest()


def part_of(target: Path) -> Path:
    """Returns what a file is called while it is written, and where a process was killed meanwhile."""
    return target.with_name(f".{target.name}.part")


@contextmanager
def whole(target: Path) -> Iterator[Written]:
    """Gives a file to write, readable by its owner only, which then takes its name; on an error, an OSError among them, nothing is left."""
    fresh = part_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield Written(file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
        sync(target.parent)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Returns once a file, or the names in a directory, are on disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def holding(directory: Path, refusal: Exception, *, to_write: bool) -> Iterator[None]:
    """Keeps others from writing a directory, and with *to_write* from reading it too; raises *refusal* where one does so already."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        if not locks(descriptor, shares=not to_write):
            raise refusal
        yield
    finally:
        os.close(descriptor)


def state_of(path: Path) -> tuple[int, ...]:
    """Returns what is another after a file was written, or another one put in its place."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def sm3_of(path: Path) -> str:
    """Returns the SM3 of a file, read in blocks."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.new("sm3")).hexdigest()
