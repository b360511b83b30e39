"""The archive of one version of the rules: what it consists of, how it is packed, and how a kept one is checked before it is run.

An archive carries what its version needs to run for ever: the sources and tables of `hub.domain`, the message classes of its time with
their descriptors, and `needs.json`, the versions of Python and of the packages it ran with. It refuses an archive whose contents are not
those of the digest that decisions carry.
"""

import hashlib
import io
import json
import platform
import zipfile
from importlib import metadata
from pathlib import Path

from chuanyu.exchange.v1 import event_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor

import hub
from hub.domain.acceptance import digest_of
from hub.domain.errors import RuleVersionDamaged

DOMAIN = "hub/domain"
NEEDS = "needs.json"
DESCRIPTORS = "descriptors.binpb"
# What the sources of the domain import besides the standard library.
PACKAGES = ("protobuf", "eventsourcing")
_STUBS = ("chuanyu", "buf")
# A zip file stores instants; one for all makes the archive depend on its contents alone.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack_version() -> bytes:
    """Packs the version at hand; the same bytes for the same sources and packages."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(_contents().items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def archive_digest(archive: bytes) -> bytes:
    """Returns the SM3 digest of an archive, as `rules_published` carries it."""
    return hashlib.new("sm3", archive).digest()


def unpack_version(archive: bytes, digest: bytes, published: bytes, directory: Path) -> dict[str, str]:
    """Unpacks an archive into an empty directory and returns what it needs: versions by name.

    *published* is the digest of the archive that was recorded when the version took effect, b"" where none was recorded. Raises
    RuleVersionDamaged if the archive is not the one recorded, or its sources are not those of *digest*.
    """
    if published and archive_digest(archive) != published:
        raise RuleVersionDamaged("the archive differs from the one that was published")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            packed.extractall(directory)
        is_whole = digest_of(directory / DOMAIN) == digest
        needs = json.loads((directory / NEEDS).read_bytes()) if (directory / NEEDS).exists() else {}
    except (OSError, ValueError, SyntaxError, zipfile.BadZipFile):
        raise RuleVersionDamaged("the archive cannot be read") from None
    if not is_whole:
        raise RuleVersionDamaged("its sources are not those of the digest")
    return {str(name): str(version) for name, version in needs.items()}


def needs_at_hand() -> dict[str, str]:
    """Returns the versions of Python and of the packages that the rules at hand run with."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


def _contents() -> dict[str, bytes]:
    root = Path(hub.__file__).parent.parent
    sources = [path for path in (root / DOMAIN).rglob("*") if path.suffix in (".py", ".csv")]
    contents = {path.relative_to(root).as_posix(): path.read_bytes() for path in sources}
    stubs = Path(event_pb2.__file__).parents[3]
    for package in _STUBS:
        contents |= {path.relative_to(stubs).as_posix(): path.read_bytes() for path in (stubs / package).rglob("*_pb2.py")}
    return contents | {"hub/__init__.py": b"", DESCRIPTORS: _descriptors(), NEEDS: json.dumps(needs_at_hand(), sort_keys=True).encode()}


def _descriptors() -> bytes:
    """Returns a FileDescriptorSet of the vocabulary, each file after those it imports, to make its classes without the stubs."""
    files: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        for imported in file.dependencies:
            add(imported)
        files.setdefault(file.name, file)

    add(event_pb2.DESCRIPTOR)
    described = descriptor_pb2.FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(described.file.add())
    return described.SerializeToString(deterministic=True)
