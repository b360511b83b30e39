"""Small file systems that fill up."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own; only root may mount one."""
    made = Path(tempfile.mkdtemp(prefix="hub-test-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(made)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        made.rmdir()
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield made
    finally:
        subprocess.run(["umount", "--lazy", made], check=True)
        made.rmdir()


def fill(disk: Path) -> None:
    """Takes all the room there is; again, what has become free since."""
    with contextlib.suppress(OSError), (disk / "filler").open("ab", buffering=0) as filler:
        while True:
            filler.write(bytes(1 << 16))


def give_back(disk: Path, count: int) -> None:
    """Gives so many bytes of the room back, none if nothing was taken."""
    with contextlib.suppress(FileNotFoundError):
        os.truncate(disk / "filler", max(0, (disk / "filler").stat().st_size - count))


def free(disk: Path) -> None:
    """Gives the room back."""
    (disk / "filler").unlink()
