"""Watches the directory into which a native system drops its files, and takes them one by one.

    <inbox>/NAME.dat           dropped as .tmp and renamed, so that a file with this name is whole
    <inbox>/processing/        claimed by a rename, so that nobody replaces what is being read; looked at first on start
    <inbox>/done/              taken, the version in the name
    <inbox>/rejected/          refused whole, or not such a file by its name
    <inbox>/failed/            could not be processed, and was followed by another of its name

A file moves on only after its events are in the outbox and its acknowledgement is written; a crash before that takes
it again, which changes nothing. A file that cannot be processed is tried again on its own and blocks neither the others nor its
successor. What is no regular file (a link, a directory, a pipe) is never read, and reported.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import time
from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from adapters.kit.private_files import close_to_others, private_directory
from adapters.kit.sampling import UNTRACED, Traces
from adapters.kit.telemetry import (
    ACKNOWLEDGEMENT_WRITTEN,
    FILE_NAME,
    FILE_SIZE,
    FILE_VERSION,
    LINE,
    NATIVE_CODE,
    NEW_EVENTS,
    REFUSAL,
    REFUSED_LINES,
)
from adapters.kit.trace import Trace
from adapters.kit.values import where

LOOK_AGAIN_S: Final = 1.0
# What cannot be read or written now (a full disk) is not cured by trying every second.
AFTER_FAILURE_S: Final = 30.0
# A file is written under .tmp within minutes; one that stays was given up.
STALE_S: Final = 3_600.0

# Long enough to look into what a province asks about; afterwards the file is only a list of who was where.
KEEP_DAYS: Final = 30
CLEAR_EVERY_S: Final = 3_600.0

# The code of an acknowledgement that refuses nothing.
ACCEPTED: Final = "00"

log = logging.getLogger(__name__)


class FileRefusal(Protocol):
    """Why a file is refused whole."""

    @property
    def code(self) -> StrEnum:
        """The native side's own code."""

    @property
    def text(self) -> str:
        """In the native side's words, without a value of the file."""

    @property
    def line_no(self) -> int:
        """Where it broke; 0 when no single line is to blame."""


class Taken(Protocol):
    """What became of a file; `refusal` is None for one that was taken, whose version then is known."""

    @property
    def version(self) -> str:
        """Which sending of the file it is."""

    @property
    def new_events(self) -> int:
        """How many events are new."""

    @property
    def refused_lines(self) -> int:
        """How many lines were refused."""

    @property
    def refusal(self) -> FileRefusal | None:
        """Why it was refused whole."""


class Intake(Protocol):
    """What takes the files of one format."""

    suffix: str

    def is_name(self, name: str) -> bool:
        """Whether a file has a name of the format."""

    def take(self, path: Path, now: datetime) -> Taken:
        """Takes the file at *path*, which no one else may write to."""


class Inbox:
    """The inbox directory and what became of the files in it."""

    def __init__(self, directory: Path, intake: Intake, traces: Traces = UNTRACED, keep_days: int = KEEP_DAYS) -> None:
        """Makes the directories; those below the inbox are the adapter's alone."""
        self._keep_s, self._clear_at = keep_days * 86_400.0, 0.0
        self._directory, self._intake, self._traces = directory, intake, traces
        folders = [directory / name for name in ("processing", "done", "rejected", "failed")]
        self._processing, self._done, self._rejected, self._failed = self._folders = folders
        for folder in folders:
            close_to_others(private_directory(folder))
        # When a file that could not be processed is tried again, and entries that are never taken and were reported.
        self._again_at: dict[Path, float] = {}
        self._reported: set[Path] = set()
        self.counters = Counter(taken=0, rejected=0, failed=0, new_events=0, refused_lines=0)

    async def run(self) -> None:
        """Takes files until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.take_all)
                await asyncio.to_thread(self.clear_old)
            except Exception as error:
                # Such as a directory that cannot be read or written now; calls are answered meanwhile.
                self.counters["failed"] += 1
                log.error("the inbox cannot be used and is tried again: %s", where(error))
                await asyncio.sleep(AFTER_FAILURE_S)
            await asyncio.sleep(LOOK_AGAIN_S)

    def clear_old(self) -> None:
        """Deletes what was taken, refused or put aside longer ago than it is kept; looks once an hour."""
        if time.monotonic() < self._clear_at:
            return
        self._clear_at = time.monotonic() + CLEAR_EVERY_S
        for folder in (self._done, self._rejected, self._failed):
            old = [path for path in folder.iterdir() if path.lstat().st_mtime < time.time() - self._keep_s and not path.is_dir()]
            for path in old:
                path.unlink()
            if old:
                log.info("files kept long enough were deleted from %s: %s", folder.name, len(old))

    def take_all(self) -> None:
        """Takes every file that is there now, by name, left-overs of an earlier run first."""
        self._take_claimed()
        for path in self._files(self._directory):
            if is_regular(path):
                claimed = self._processing / path.name
                if claimed.exists() or claimed.is_symlink():
                    # It has just been tried, in vain; its successor, such as the mended file, need not wait for it.
                    log.error("file %s could not be processed and was put aside for its successor", path.name)
                    self._put_aside(claimed, self._failed)
                    self._again_at.pop(claimed, None)
                path.rename(claimed)
                close_to_others(claimed)
        self._take_claimed()
        self._report_untaken()

    def _take_claimed(self) -> None:
        for path in self._files(self._processing):
            if time.monotonic() < self._again_at.get(path, 0.0):
                continue
            with self._traces.file() as trace:
                try:
                    self._take(path, trace)
                    self._again_at.pop(path, None)
                except Exception as error:
                    # The edge of the adapter: one file that cannot be processed must not keep the others.
                    self.counters["failed"] += 1
                    self._again_at[path] = time.monotonic() + AFTER_FAILURE_S
                    trace.root.error = type(error).__name__
                    log.error("file %s could not be processed and is tried again: %s", path.name, where(error))

    def status(self) -> dict[str, int]:
        """Returns how many files wait, how many entries will never be taken, and what became of the others since the start."""
        waiting = sum(
            1 for folder in (self._directory, self._processing) for path in folder.glob(f"*{self._intake.suffix}") if is_regular(path)
        )
        return {"waiting": waiting, "never_taken": len(self._untaken()), **self.counters}

    def _files(self, folder: Path) -> list[Path]:
        """Returns what is in a folder under names of the format, by name."""
        return sorted(folder.glob(f"*{self._intake.suffix}"))

    def _untaken(self) -> list[Path]:
        """Returns what lies in the inbox and is never taken: no regular file, another name, or a .tmp that was given up."""
        return [path for path in self._directory.iterdir() if path not in self._folders and not _may_be_taken(path, self._intake.suffix)]

    def _report_untaken(self) -> None:
        untaken = set(self._untaken())
        for path in untaken - self._reported:
            log.warning("an entry of the inbox is never taken: %s", path.name)
        self._reported = untaken

    def _take(self, path: Path, trace: Trace) -> None:
        if not is_regular(path):
            log.warning("what was no regular file was put aside")
            self._reject(path)
            return
        if not self._intake.is_name(path.name):
            log.warning("a file whose name is not that of its format was put aside")
            self._reject(path)
            return
        trace.root.attributes |= {FILE_NAME: path.name, FILE_SIZE: path.stat().st_size}
        outcome = self._intake.take(path, datetime.now(UTC))
        trace.root.note(ACKNOWLEDGEMENT_WRITTEN, {})
        if outcome.refusal:
            trace.root.attributes |= {
                NATIVE_CODE: outcome.refusal.code.value,
                REFUSAL: outcome.refusal.text,
                LINE: outcome.refusal.line_no,
            }
            trace.root.error = outcome.refusal.code.name
            log.warning("file %s refused: %s %s", path.name, outcome.refusal.code, outcome.refusal.text)
            self._reject(path)
            return
        trace.root.attributes |= {
            NATIVE_CODE: ACCEPTED,
            FILE_VERSION: outcome.version,
            NEW_EVENTS: outcome.new_events,
            REFUSED_LINES: outcome.refused_lines,
        }
        _date(path)
        path.replace(self._done / f"{path.stem}_{outcome.version}{path.suffix}")
        self.counters["taken"] += 1
        self.counters["new_events"] += outcome.new_events
        self.counters["refused_lines"] += outcome.refused_lines

    def _reject(self, path: Path) -> None:
        """Puts a refused file aside, keeping those of the same name that were refused before."""
        self._put_aside(path, self._rejected)
        self.counters["rejected"] += 1

    def _put_aside(self, path: Path, folder: Path) -> None:
        names = (f"{path.stem}.{number}{path.suffix}" if number else path.name for number in itertools.count())
        _date(path)
        path.rename(next(folder / name for name in names if not os.path.lexists(folder / name)))


def _date(path: Path) -> None:
    """Dates a file now: from here on it is kept for its time."""
    with contextlib.suppress(PermissionError):
        os.utime(path, follow_symlinks=False)


def is_regular(path: Path) -> bool:
    """Whether it is a file of its own: a link may lead anywhere, a pipe may never end."""
    return path.is_file() and not path.is_symlink()


def _may_be_taken(path: Path, suffix: str) -> bool:
    if not is_regular(path):
        # One that was renamed or removed since it was listed will not be asked about again.
        return not os.path.lexists(path)
    return path.suffix == suffix or (path.suffix == ".tmp" and time.time() - path.stat().st_mtime < STALE_S)
