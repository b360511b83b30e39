"""Watches the directory into which the transit centre drops its usage files, and takes them one by one.

    <inbox>/CQTK_USE_….dat     dropped as .tmp and renamed, so that a file with this name is whole
    <inbox>/processing/        claimed by a rename, so that nobody replaces what is being read; looked at first on start
    <inbox>/done/              taken, the version in the name
    <inbox>/rejected/          refused whole, or not a usage file by its name

A file moves on only after its events are in the outbox and its acknowledgement is written; a crash before that takes
it again, which changes nothing.
"""

import asyncio
import itertools
import logging
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from adapters.chongqing.errors import AckCode
from adapters.chongqing.usage_file import is_usage_file_name
from adapters.chongqing.usage_intake import UsageIntake
from adapters.kit import UNTRACED, Traces
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

LOOK_AGAIN_S: Final = 1.0
# What cannot be read or written now (a full disk) is not cured by trying every second.
AFTER_FAILURE_S: Final = 30.0

log = logging.getLogger(__name__)


class Inbox:
    """The inbox directory and what became of the files in it."""

    def __init__(self, directory: Path, intake: UsageIntake, traces: Traces = UNTRACED) -> None:
        """Makes the directories."""
        self._directory, self._intake, self._traces = directory, intake, traces
        self._processing, self._done, self._rejected = (directory / name for name in ("processing", "done", "rejected"))
        for folder in (self._processing, self._done, self._rejected):
            folder.mkdir(parents=True, exist_ok=True)
        self.counters = Counter(taken=0, rejected=0, failed=0, new_events=0, refused_lines=0)

    async def run(self) -> None:
        """Takes files until cancelled."""
        while True:
            failed_before = self.counters["failed"]
            await asyncio.to_thread(self.take_all)
            await asyncio.sleep(LOOK_AGAIN_S if self.counters["failed"] == failed_before else AFTER_FAILURE_S)

    def take_all(self) -> None:
        """Takes every file that is there now, by name, left-overs of an earlier run first."""
        for path in sorted(self._directory.glob("*.dat")):
            if path.is_file() and not path.is_symlink() and not (self._processing / path.name).exists():
                path.rename(self._processing / path.name)
        for path in sorted(self._processing.glob("*.dat")):
            with self._traces.file() as trace:
                try:
                    self._take(path, trace)
                except Exception as error:
                    # The edge of the adapter: one file that cannot be processed must not keep the others.
                    self.counters["failed"] += 1
                    trace.root.error = type(error).__name__
                    log.exception("file %s could not be processed and stays", path.name)

    def status(self) -> dict[str, int]:
        """Returns how many files wait, and what became of the others since the start."""
        waiting = sum(1 for folder in (self._directory, self._processing) for _ in folder.glob("*.dat"))
        return {"waiting": waiting, **self.counters}

    def _take(self, path: Path, trace: Trace) -> None:
        if not is_usage_file_name(path.name):
            log.warning("a file whose name is not that of a usage file was put aside")
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
            NATIVE_CODE: AckCode.ACCEPTED.value,
            FILE_VERSION: outcome.version,
            NEW_EVENTS: outcome.new_events,
            REFUSED_LINES: outcome.refused_lines,
        }
        path.replace(self._done / f"{path.stem}_{outcome.version}.dat")
        self.counters["taken"] += 1
        self.counters["new_events"] += outcome.new_events
        self.counters["refused_lines"] += outcome.refused_lines

    def _reject(self, path: Path) -> None:
        """Puts a refused file aside, keeping those of the same name that were refused before."""
        names = (f"{path.stem}.{number}.dat" if number else path.name for number in itertools.count())
        path.rename(next(self._rejected / name for name in names if not (self._rejected / name).exists()))
        self.counters["rejected"] += 1
