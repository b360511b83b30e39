"""A log that is kept: one file a UTC day, one JSON object a line; finished days are compressed, and deleted when their time is up.

Who logs only appends to a queue in memory; a thread writes. Several processes append to the same files: each write is one call on a
file opened for appending, so no two lines mix. A full disk costs lines, which are counted, and never a call: the next write tries again.
"""

import gzip
import json
import logging
import os
import re
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from hub.file_lock import locks
from hub.telemetry import names

log = logging.getLogger(__name__)

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
WAITING_LINES = 50_000
# A writer that was stopped for a while may still append to the day before.
FINISHED_AFTER_S = 600.0
_DAY = re.compile(r"[a-z]+-(\d{4}-\d{2}-\d{2})\.jsonl(\.gz)?")


class DailyLog:
    """The files of one log and the lines that wait to be written."""

    def __init__(self, name: str, directory: Path, keep_days: int, max_bytes: int, render: Callable[[Any], str]) -> None:
        """Keeps *keep_days* finished days, but of all files together no more than *max_bytes*; *render* makes JSON of what is added."""
        self.name, self.directory = name, directory
        self._render = render
        self._keep_days, self._max_bytes = keep_days, max_bytes
        self._waiting: deque[Any] = deque()
        self._writing = threading.Lock()
        self._is_losing = self._is_line_open = False

    def add(self, line: Any) -> None:
        """Queues a line, or counts it as dropped where too many wait."""
        if len(self._waiting) < WAITING_LINES:
            self._waiting.append(line)
        else:
            names.LOG_LINES_DROPPED.add(self.name)

    def write(self) -> None:
        """Appends what waits to today's file in one call; what the disk does not take is dropped and counted."""
        with self._writing:
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not lines:
                return
            data = "".join(f"{self._render(line)}\n" for line in lines).encode(errors="backslashreplace")
            lost = _lines_lost(data, self._append(data))
            if lost:
                names.LOG_LINES_DROPPED.add(self.name, count=lost)
            if bool(lost) != self._is_losing:
                self._is_losing = bool(lost)
                log.warning(
                    "logs: lines of the %s log are %s", self.name, "lost: is the disk full, or the log?" if lost else "written again"
                )

    def _append(self, data: bytes) -> int:
        """Returns how many bytes were taken. A write that was cut short leaves a line open, which the next one ends first."""
        file = self.directory / f"{self.name}-{datetime.now(UTC).date()}.jsonl"
        opened = b"\n" if self._is_line_open else b""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return 0
        try:
            if os.fstat(descriptor).st_size > self._max_bytes:
                return 0
            taken = os.write(descriptor, opened + data)
            if taken:
                self._is_line_open = (opened + data)[taken - 1] != ord("\n")
            return max(0, taken - len(opened))
        except OSError:
            return 0
        finally:
            os.close(descriptor)

    def tidy(self) -> None:
        """Compresses finished days and deletes what is too old or too much; one process at a time does it, the others leave it."""
        if not self.directory.exists():
            return
        try:
            with _alone(self.directory / f"{self.name}.lock") as is_alone:
                if is_alone:
                    self._delete_old()
                    self._compress()
                    self._bound()
        except OSError as error:
            log.warning("logs: the %s log cannot be tidied", self.name, extra={"error": type(error).__name__})

    def files(self) -> list[tuple[date, Path]]:
        """Returns the days that are kept with their files, oldest first; compressed lines of a day come before its plain ones."""
        found = [(date.fromisoformat(day[1]), path) for path in self.directory.glob(f"{self.name}-*") if (day := _DAY.fullmatch(path.name))]
        return sorted(found, key=lambda entry: (entry[0], entry[1].suffix != ".gz"))

    def lines(self, since: datetime) -> Iterator[dict[str, Any]]:
        """Yields the lines from *since* on, in the order they were written; a line that a full disk cut short is left out."""
        for day, path in self.files():
            if day < since.date():
                continue
            with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
                for text in file:
                    try:
                        line = json.loads(text)
                    except json.JSONDecodeError:
                        continue
                    if line["time"] >= since.strftime(TIME_FORMAT):
                        yield line

    def _delete_old(self) -> None:
        oldest = datetime.now(UTC).date() - timedelta(days=self._keep_days)
        for day, path in self.files():
            if day < oldest:
                path.unlink()

    def _compress(self) -> None:
        today = datetime.now(UTC).date()
        for day, path in self.files():
            if day < today and path.suffix != ".gz" and time.time() - path.stat().st_mtime > FINISHED_AFTER_S:
                _compress(path)

    def _bound(self) -> None:
        files = [path for _, path in self.files()]
        too_much = sum(path.stat().st_size for path in files) - self._max_bytes
        for path in files[:-1]:
            if too_much <= 0:
                break
            too_much -= path.stat().st_size
            path.unlink()
            log.warning("logs: %s was deleted before its time: the %s log is larger than allowed", path.name, self.name)


def time_of(time_ns: int) -> str:
    """Returns the UTC time that a line bears, with microseconds."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


@lru_cache(64)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _lines_lost(data: bytes, taken: int) -> int:
    return data.count(b"\n", taken) if taken < len(data) else 0


def _compress(path: Path) -> None:
    """Puts a finished day in its compressed file; lines that came later are added to it. A crash may double lines, never lose them."""
    packed, new = path.with_name(path.name + ".gz"), path.with_name(path.name + ".new")
    with new.open("wb") as target:
        new.chmod(0o600)
        if packed.exists():
            with packed.open("rb") as earlier:
                shutil.copyfileobj(earlier, target)
        with path.open("rb") as source, gzip.GzipFile(path.name, "wb", 6, target) as members:
            shutil.copyfileobj(source, members)
        target.flush()
        os.fsync(target.fileno())
    new.rename(packed)
    path.unlink()


@contextmanager
def _alone(lock_file: Path) -> Iterator[bool]:
    descriptor = os.open(lock_file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield locks(descriptor)
    finally:
        os.close(descriptor)
