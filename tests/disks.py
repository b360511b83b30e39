"""Small file systems that fill up."""

import contextlib
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


def free(disk: Path) -> None:
    """Gives the room back."""
    (disk / "filler").unlink()
