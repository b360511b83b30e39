"""The machine: Python, packages, the data directory, its disk."""

import os
import platform
import re
import sys
import tomllib
from pathlib import Path

from hub.commands.examinations import Examined, Scene, examination, fault, ok, warning
from hub.monitoring.vitals import disk_free

_GIB = 1024**3
SCARCE_GIB, NONE_GIB = 5, 1
_PINS = Path(__file__).parents[3] / "pyproject.toml"


@examination("Python 版本 Python version")
def python_version(_: Scene) -> Examined:
    """The hub needs 3.11 or newer, and does not run on an older one at all."""
    return ok(platform.python_version())


@examination("依赖版本 package versions")
def package_versions(_: Scene) -> Examined:
    """The installed packages are those the project was tested with."""
    if not _PINS.exists():
        return ok("无源码，不比对 no source tree to compare with")
    pins = dict(pin.split("==") for pin in tomllib.loads(_PINS.read_text(encoding="utf-8"))["tool"]["uv"]["constraint-dependencies"])
    installed = _installed()
    others = [f"{name} {installed[name]} ≠ {pin}" for name, pin in pins.items() if installed.get(name, pin) != pin]
    if others:
        return warning(", ".join(others), "make setup")
    return ok(f"{sum(name in installed for name in pins)} 个与锁定版本一致 as pinned")


def _installed() -> dict[str, str]:
    """Returns the version of each installed package, as its directory names it: to read the metadata of all takes a tenth of a second."""
    found: dict[str, str] = {}
    # What comes first on the path is what is imported.
    for entry in reversed(sys.path):
        for info in Path(entry or ".").glob("*.dist-info"):
            name, _, version = info.stem.rpartition("-")
            found[re.sub("[-_.]+", "-", name).lower()] = version
    return found


@examination("数据目录 data directory")
def data_directory(scene: Scene) -> Examined:
    """It is there and can be written to."""
    directory = scene.config.data_dir
    if not directory.exists():
        return warning(
            f"{directory} 不存在 does not exist", "首次启动会建立；或检查 HUB_DATA_DIR。The first start makes it; or see HUB_DATA_DIR"
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        return fault(f"{directory} 不可写 cannot be written to", f"改属主 chown it to the hub's user: {directory}")
    return ok(str(directory.resolve()))


@examination("磁盘空间 free disk")
def free_disk(scene: Scene) -> Examined:
    """There is room for the journal to grow."""
    free = disk_free(scene.config.data_dir / "postgres")
    if free is None:
        return warning("无法得知 unknown", f"df {scene.config.data_dir}")
    text = f"{free / _GIB:.1f} GiB"
    advice = "清理或扩容；磁盘满时停止确认，腾出后自行恢复。Make room; a full disk stops acknowledgements until there is some"
    if free < NONE_GIB * _GIB:
        return fault(text, advice)
    return warning(text, advice) if free < SCARCE_GIB * _GIB else ok(text)


@examination("链路库 traces store")
def traces_store(scene: Scene) -> Examined:
    """Where kept traces go can be written to."""
    return _writable(scene.config.data_dir / "traces")


@examination("日志目录 log directory")
def log_directory(scene: Scene) -> Examined:
    """Where access and security logs go can be written to."""
    return _writable(scene.config.logs_dir)


def _writable(directory: Path) -> Examined:
    if not directory.exists():
        return ok(f"{directory} 尚未建立 is not made yet")
    blocked = [path for path in (directory, *directory.iterdir()) if not os.access(path, os.W_OK)]
    if blocked:
        return fault(f"{blocked[0]} 不可写 cannot be written to", f"改属主 chown it to the hub's user: {directory}")
    return ok(str(directory))
