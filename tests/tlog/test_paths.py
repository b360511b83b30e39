"""Paths and entry bundles of C2SP tlog-tiles."""

import pytest

from hub.tlog import paths
from hub.tlog.paths import BundleRefused, PathRefused, TilePath


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("tile/0/000", TilePath(0, 0, 256)),
        ("tile/2/x001/x234/067", TilePath(2, 1_234_067, 256)),
        ("tile/63/999.p/255", TilePath(63, 999, 255)),
        ("tile/entries/x001/000.p/7", TilePath(None, 1_000, 7)),
    ],
)
def test_a_path_is_written_and_read(path: str, read: TilePath) -> None:
    written = paths.entries(read.number, read.width) if read.level is None else paths.tile(read.level, read.number, read.width)
    assert (written, paths.parse(path)) == (path, read)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/00/000",
        "tile/64/000",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/../000",
        "tile/0/000\n",
        "tile/-1/000",
        "tile/0/٠٠٠",
        "/tile/0/000",
    ],
)
def test_another_path_is_refused(path: str) -> None:
    with pytest.raises(PathRefused):
        paths.parse(path)


def test_a_bundle_is_written_and_read() -> None:
    entries = [b"", b"one", bytes(65_535)]
    assert paths.decode_bundle(paths.encode_bundle(entries), 3) == entries


@pytest.mark.parametrize(("bundle", "width"), [(b"\0\1", 1), (b"\0", 1), (b"\0\1a", 2), (b"\0\1a\0\1b", 1), (b"", 1), (b"\0\1a\0", 1)])
def test_a_bundle_of_another_length_is_refused(bundle: bytes, width: int) -> None:
    with pytest.raises(BundleRefused):
        paths.decode_bundle(bundle, width)
