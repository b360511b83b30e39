"""The files of a backup: written so that each is whole or not there, and checked before they are believed.

A file is rows of one table in PostgreSQL's binary format, compressed with gzip, or a page of JSON. It is written beside its name and
takes the name once it is on disk.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hub import durable
from hub.backup.manifest import (
    FORMAT,
    BackupDamaged,
    BackupNewer,
    BackupUnderWay,
    BackupUnwritable,
    File,
    Manifest,
    Progress,
)

MANIFEST, PROGRESS = "manifest.json", "progress.json"
BLOCK_BYTES = 1 << 20
# Level 1: see docs/backup.md for what it was measured against.
_LEVEL, _GZIP = 1, 31


Model = TypeVar("Model", bound=BaseModel)


def holding(directory: Path, *, to_write: bool) -> AbstractContextManager[None]:
    """Keeps others from writing the backup, and with *to_write* from reading it too; raises BackupUnderWay."""
    return durable.holding(directory, BackupUnderWay(), to_write=to_write)


def write(directory: Path, path: str, blocks: Iterable[bytes]) -> tuple[int, str]:
    """Writes a file durably under its name and returns its size and SM3; raises BackupUnwritable and leaves nothing."""
    try:
        with durable.whole(directory / path) as file:
            for block in blocks:
                file.write(block)
    except OSError as error:
        raise BackupUnwritable(f"{path}: {error.strerror}") from None
    return file.size, file.sm3


def compressed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the blocks as one gzip stream."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for block in blocks:
        yield packer.compress(block)
    yield packer.flush()


def decompressed(path: Path) -> Iterator[bytes]:
    """Yields what a file of rows holds, in blocks of bounded size."""
    unpacker = zlib.decompressobj(_GZIP)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            while block:
                yield unpacker.decompress(block, BLOCK_BYTES)
                block = unpacker.unconsumed_tail
    yield unpacker.flush()


def write_json(directory: Path, path: str, model: BaseModel) -> tuple[int, str]:
    """Writes a model durably under its name, in place of an earlier one, and returns size and SM3."""
    return write(directory, path, [model.model_dump_json(indent=1).encode()])


def read_json(path: Path, kind: type[Model]) -> Model:
    """Reads a model; raises BackupDamaged, or BackupNewer for a later format. A file that is not there raises FileNotFoundError."""
    try:
        said: Any = json.loads(path.read_bytes())
        if isinstance(said, dict) and isinstance(said.get("format"), int) and said["format"] > FORMAT:
            raise BackupNewer(path.name)
        return kind.model_validate(said)
    except (ValueError, ValidationError):
        raise BackupDamaged(path.name) from None


def find_manifest(directory: Path) -> Manifest | None:
    """Returns what the finished backup in a directory says, None if there is none; raises BackupDamaged or BackupNewer."""
    try:
        manifest = read_json(directory / MANIFEST, Manifest)
    except FileNotFoundError:
        return None
    if not manifest.is_whole:
        raise BackupDamaged(MANIFEST)
    return manifest


def find_progress(directory: Path, run: int) -> Progress | None:
    """Returns what an unfinished run has finished so far, None if there is none of that number."""
    try:
        progress = read_json(directory / PROGRESS, Progress)
    except FileNotFoundError:
        return None
    return progress if progress.run == run else None


def folder(run: int) -> str:
    """Names the folder of what a run wrote."""
    return f"run-{run:06d}"


def clean(directory: Path, manifest: Manifest) -> None:
    """Removes what the manifest does not name from the folders of runs."""
    (directory / PROGRESS).unlink(missing_ok=True)
    named = {directory / file.path for file in (*manifest.files, manifest.erasures)}
    for path in directory.glob("run-*/*"):
        if path not in named:
            path.unlink()
    for path in directory.glob("run-*"):
        if not any(path.iterdir()):
            path.rmdir()


def has_size(directory: Path, file: File) -> bool:
    """Whether a file is there and as long as it was written."""
    path = directory / file.path
    return path.is_file() and path.stat().st_size == file.size_bytes


def verify(directory: Path, file: File) -> None:
    """Raises BackupDamaged, naming the file, unless it is there as it was written."""
    if not has_size(directory, file):
        raise BackupDamaged(f"{file.path}: missing or of another length")
    if durable.sm3_of(directory / file.path) != file.sm3:
        raise BackupDamaged(f"{file.path}: its content was changed")
