"""What a backup says of itself: its files with size and SM3, the positions they cover, and of which journal and schema they are."""

import hashlib
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from hub.domain.errors import HubError

FORMAT = 1


class BackupIncomplete(HubError):
    """The directory holds no finished backup; let `hub backup` finish one there."""


class BackupDamaged(HubError):
    """A file of the backup is missing, or is not what was written; restore another backup, and run `hub backup` into a new directory."""


class BackupNewer(HubError):
    """The backup was made by a newer release; restore it with that release, or a later one."""


class BackupUnderWay(HubError):
    """Another process is at work on this backup; wait for it."""


class BackupUnwritable(HubError):
    """The backup cannot be written; the one finished before is untouched. Mend the cause and run it again, it goes on where it ended."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class File(_Part):
    """One file: where it is below the directory, which table's rows it has and how many, its size and its SM3."""

    path: str
    table: str
    rows: int
    size_bytes: int
    sm3: str


class Segment(_Part):
    """The positions first … last and all that belongs to them; *recorded_at* is of the last event, None if there is none."""

    first: int
    last: int
    recorded_at: datetime | None
    files: tuple[File, ...]


class Progress(_Part):
    """What a run has finished so far, and of which journal that is."""

    format: int = FORMAT
    run: int
    migrations: dict[str, str]
    fingerprints: dict[str, str]
    columns: dict[str, tuple[str, ...]]
    segments: tuple[Segment, ...] = ()

    @property
    def reached(self) -> int:
        """The last position that is in a finished segment, 0 if there is none."""
        return self.segments[-1].last if self.segments else 0


class Manifest(Progress):
    """A finished backup: the journal up to *position*, and in *state* what has no position, taken again in each run."""

    created_at: datetime
    position: int
    recorded_at: datetime
    partition_size: int
    state: tuple[File, ...]
    erasures: File
    sm3: str = ""

    @property
    def files(self) -> tuple[File, ...]:
        """Every file of rows, in the order in which they are loaded."""
        return (*self.state, *(file for segment in self.segments for file in segment.files))

    @property
    def is_whole(self) -> bool:
        """Whether the segments follow each other from the first position to the last, and nothing of the text was changed."""
        firsts = [segment.first for segment in self.segments]
        lasts = [0, *(segment.last for segment in self.segments)]
        follows = firsts == [last + 1 for last in lasts[:-1]] and lasts[-1] == self.position
        return follows and self.sm3 == self.digest()

    def digest(self) -> str:
        """Returns the SM3 of everything else it says."""
        return hashlib.new("sm3", self.model_dump_json(exclude={"sm3"}).encode()).hexdigest()


class Erasures(_Part):
    """What was erased from the vault up to *position*: identifiers by key, originals by feed and number."""

    format: int = FORMAT
    position: int
    fingerprints: dict[str, str]
    identifiers: tuple[tuple[str, int, datetime], ...]
    originals: tuple[tuple[str, int, datetime], ...]
