"""What an export says of itself: its segments with positions, rows, digests and file, and of which journal they are."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub import durable
from hub.domain.errors import HubError
from hub.export.lanes import LANES

MANIFEST = "manifest.json"
# A segment of another version has other columns, lanes or digests.
SCHEMA_VERSION = 1


class ExportMissing(HubError):
    """There is no export in the directory; let `hub export` make one there."""


class ExportDamaged(HubError):
    """A file of the export is missing, torn, or not what was written; export into a new directory."""


class SegmentForeign(HubError):
    """A file of the export is another segment than the manifest names; put the right one back, or export into a new directory."""


class SegmentSchemaUnknown(HubError):
    """The export has another schema version; read it with the release that wrote it, or export again into a new directory."""


class ExportOfAnotherHub(HubError):
    """The directory has an export of another journal, or of one that went on otherwise; take another directory."""


class ExportUnwritable(HubError):
    """The export cannot be written; what was finished before is untouched. Mend the cause and run it again, it goes on where it ended."""


class ExportUnderWay(HubError):
    """Another process is at work on this export; wait for it."""


class ExportInterrupted(HubError):
    """The database left during the export; run it again, it goes on where it ended."""


class ExportBeyondHead(HubError):
    """The journal does not reach the position that the export is to end with; take one up to its head."""


class ExportTooShort(HubError):
    """The export ends before the position that is asked for; let `hub export` bring it up to date."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Segment(_Part):
    """The positions first … last in one file, a row group a lane; *digest* is over its rows, *sm3* over the bytes of the file.

    *last_row* is the SM3 of the last row, by which an export knows its journal again.
    """

    first: int
    last: int
    # A name, so that no manifest leads out of its directory.
    path: str = Field(pattern=r"^[0-9]+-[0-9]+\.parquet$")
    size_bytes: int
    sm3: str
    digest: str
    last_row: str

    @property
    def rows(self) -> int:
        """How many events it has: one a position."""
        return self.last - self.first + 1


class Manifest(_Part):
    """An export of the positions 1 … *position*; *origin* is the SM3 of the first row, *feeds* are the names of the streams of feeds."""

    schema_version: int = SCHEMA_VERSION
    lanes: int = LANES
    origin: str
    feeds: dict[int, str]
    segments: tuple[Segment, ...] = ()
    sm3: str = ""

    @property
    def position(self) -> int:
        """The last position that is in it, 0 if there is none."""
        return self.segments[-1].last if self.segments else 0

    @property
    def is_whole(self) -> bool:
        """Whether the segments follow each other from position 1 on, and nothing of the text was changed."""
        lasts = [0, *(segment.last for segment in self.segments)]
        return [segment.first for segment in self.segments] == [last + 1 for last in lasts[:-1]] and self.sm3 == self.digest()

    def digest(self) -> str:
        """Returns the SM3 of everything else it says."""
        return hashlib.new("sm3", self.model_dump_json(exclude={"sm3"}).encode()).hexdigest()


def find_manifest(directory: Path) -> Manifest | None:
    """Returns what the export in a directory says, None if there is none; raises ExportDamaged or SegmentSchemaUnknown."""
    try:
        said: Any = json.loads((directory / MANIFEST).read_bytes())
        if isinstance(said, dict) and said.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
            raise SegmentSchemaUnknown(MANIFEST)
        manifest = Manifest.model_validate(said)
    except FileNotFoundError:
        return None
    except (ValueError, ValidationError):
        raise ExportDamaged(MANIFEST) from None
    if not manifest.is_whole:
        raise ExportDamaged(MANIFEST)
    return manifest


def write_manifest(directory: Path, manifest: Manifest) -> Manifest:
    """Writes a manifest in place of the one before, and returns it with its digest; raises OSError."""
    manifest = manifest.model_copy(update={"sm3": manifest.digest()})
    with durable.whole(directory / MANIFEST) as file:
        file.write(manifest.model_dump_json(indent=1).encode())
    return manifest
