"""The transit centre's side of the inbox: drops files whole, and never one beside another of the same name."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

from adapters.simulator.chongqing_traffic import file_bytes
from adapters.simulator.messages import ChongqingFile

FOLDERS: Final = ("", "processing", "done", "rejected")
# Files the adapter has not taken yet: enough to keep it busy, few enough to notice when it is not there.
WAITING_FILES: Final = 20


class Inbox:
    """Where files are dropped."""

    def __init__(self, directory: Path) -> None:
        """Makes the directory, if the adapter has not."""
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def takes(self, file: ChongqingFile) -> bool:
        """Says whether *file* may be dropped now: not too many wait, and none of its name."""
        waiting = [path.name for folder in FOLDERS[:2] for path in (self._directory / folder).glob("*.dat")]
        return len(waiting) < WAITING_FILES and file.header.file_name not in waiting

    def drop(self, file: ChongqingFile) -> None:
        """Writes *file* under another name and renames it, so that the adapter never sees half of it."""
        path = self._directory / file.header.file_name
        written = path.with_suffix(".tmp")
        written.write_bytes(file_bytes(file))
        written.rename(path)


def free_file_numbers(directory: Path) -> Callable[[date], int]:
    """Returns a numbering that goes on after the highest number the inbox has seen for a business day."""
    highest: dict[date, int] = {}

    def next_file(day: date) -> int:
        if day not in highest:
            pattern = f"CQTK_USE_{day:%Y%m%d}_*.dat"
            names = (path.name for folder in FOLDERS for path in (directory / folder).glob(pattern))
            highest[day] = max((int(name[18:22]) for name in names), default=0)
        highest[day] += 1
        return highest[day]

    return next_file
