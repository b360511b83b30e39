"""A file beside a segment, with further columns of its rows: row group by row group as the segment has them.

What the columns are is said by who writes them, in a *version*; a file of another version, or of another segment, is none.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hub import durable
from hub.export.manifest import ExportDamaged, Segment
from hub.export.segments import COMPRESSION

_ABOUT = b"chuanyu.columns"


def path_of(directory: Path, segment: Segment) -> Path:
    """Returns where the further columns of a segment are."""
    return (directory / segment.path).with_suffix(".columns")


def write_beside(directory: Path, segment: Segment, version: str, groups: Iterable[pa.Table]) -> int:
    """Writes the further columns of a segment, a table a row group, and returns how many bytes that took; raises OSError."""
    about = json.dumps([version, segment.digest]).encode()
    writer = None
    with durable.whole(path_of(directory, segment)) as file:
        for group in groups:
            if writer is None:
                writer = pq.ParquetWriter(file, group.schema.with_metadata({_ABOUT: about}), **COMPRESSION)
            writer.write_table(group.cast(writer.schema), row_group_size=len(group))
        if writer is not None:
            writer.close()
    return file.size


def open_beside(directory: Path, segment: Segment, version: str, footer: pq.FileMetaData | None = None) -> pq.ParquetFile | None:
    """Opens the further columns of a segment, None where there are none of that version; raises ExportDamaged.

    *footer* is what the file's end says, if it was read before.
    """
    path = path_of(directory, segment)
    try:
        file = pq.ParquetFile(path, metadata=footer)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException):
        raise ExportDamaged(path.name) from None
    said = (file.schema_arrow.metadata or {}).get(_ABOUT, b"null")
    if json.loads(said) == [version, segment.digest]:
        return file
    file.close()
    return None
