"""Files with what a province sent are for the adapter's own user, whatever the umask: 0600, in directories of 0700."""

import contextlib
from pathlib import Path

FILE_MODE, DIRECTORY_MODE = 0o600, 0o700


def private_directory(path: Path) -> Path:
    """Makes *path* and the directories above it that are missing, each for its owner only, and returns it."""
    for directory in reversed([path, *path.parents]):
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=DIRECTORY_MODE)
            # The umask may take away what the owner needs; it never gives others anything here.
            directory.chmod(DIRECTORY_MODE)
    return path


def close_to_others(path: Path) -> None:
    """Takes a file or directory from everybody but its owner; one of another user is kept from others by the directory it is in."""
    with contextlib.suppress(PermissionError):
        path.chmod(DIRECTORY_MODE if path.is_dir() else FILE_MODE)


def private_file(path: Path) -> Path:
    """Makes *path* for its owner only, or takes it from others if it is there, and returns it."""
    private_directory(path.parent)
    path.touch(mode=FILE_MODE)
    close_to_others(path)
    return path
