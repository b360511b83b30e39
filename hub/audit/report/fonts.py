"""The fonts of a PDF report: two files of Debian's package fonts-noto-cjk, named and hashed in each report.

Other fonts give other bytes, and a check of a report says so by name.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import typst

from hub.domain.errors import HubError

FOLDER = Path("/usr/share/fonts/opentype/noto")
NAMES = ("NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc")


class FontsMissing(HubError):
    """缺少中文字体：请安装 fonts-noto-cjk，或用 --html the fonts of reports are missing; install Debian's fonts-noto-cjk, or use --html."""


class Font(NamedTuple):
    """A font by the name of its file and its SHA-256."""

    name: str
    sha256: str


def found(folder: Path = FOLDER) -> list[Font]:
    """Returns the fonts that are here; raises FontsMissing."""
    try:
        return [Font(name, _digest(folder / name, (folder / name).stat().st_mtime_ns)) for name in NAMES]
    except OSError:
        raise FontsMissing from None


@contextmanager
def opened(folder: Path = FOLDER) -> Iterator[typst.Fonts]:
    """Yields these fonts and no other, so that no glyph comes from one that is only on this machine."""
    with tempfile.TemporaryDirectory(prefix="hub-fonts-") as alone:
        for name in NAMES:
            (Path(alone) / name).symlink_to(folder / name)
        yield typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[alone])


@cache
def _digest(path: Path, changed_ns: int) -> str:
    # A file that changed is read again.
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
