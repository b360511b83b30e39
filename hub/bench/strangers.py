"""A stranger's run: `verify.py` in a virtual environment that has `cryptography` as the project pins it and nothing else."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hub.audit import verify

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
_REQUIREMENTS = Path(__file__).parents[2] / "docker/requirements.txt"
_NAMES = ("cryptography", "cffi", "pycparser")


class Verified(NamedTuple):
    """A run of verify.py in a process of its own."""

    seconds: float
    cpu_seconds: float
    most_bytes: int


def measure(bundle: Path, policy: Path, report: Callable[[str], None]) -> dict[str, dict[str, object]]:
    """Returns for each version of Python how long verify.py takes on a bundle, the first time and once more; says which are not here."""
    found: dict[str, dict[str, object]] = {}
    for version in VERSIONS:
        if (python := interpreter(version)) is None:
            report(f"Python {version}: 此机没有，未测 not on this machine, so not tested")
            found[version] = {"tested": False}
            continue
        with tempfile.TemporaryDirectory(prefix="hub-stranger-") as folder:
            own = environment(python, Path(folder) / "venv")
            first, again = verified(own, bundle, policy), verified(own, bundle, policy)
        which = subprocess.run([python, "--version"], capture_output=True, text=True, encoding="utf-8", check=True).stdout.split()[1]
        found[version] = {"tested": True, "python": which, "first_s": round(first.seconds, 2), "again_s": round(again.seconds, 2)}
        report(f"Python {which}: 核验 verified, {first.seconds:.2f} s, 再次 again {again.seconds:.2f} s")
    return found


def interpreter(version: str) -> str | None:
    """Returns a Python of this version: the one that runs this, one on the path, or one of pyenv's; None where there is none."""
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}")))]
    return next((one for one in found if one and _is(one, version)), None)


def _is(python: str, version: str) -> bool:
    """Whether it runs and is of this version: a shim of pyenv may be neither."""
    ran = subprocess.run([python, "--version"], capture_output=True, text=True, encoding="utf-8", check=False)
    return ran.returncode == 0 and ran.stdout.startswith(f"Python {version}.")


def environment(python: str, folder: Path, *, with_cryptography: bool = True) -> str:
    """Makes a virtual environment, with `cryptography` and what it needs by their hashes or with nothing, and returns its Python."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    own = str(folder / "bin/python")
    if with_cryptography:
        pins = folder / "requirements.txt"
        pins.write_text(pinned(), encoding="utf-8")
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", own, "--require-hashes", "--requirements"]
        subprocess.run([*install, str(pins)], check=True)
    return own


def pinned() -> str:
    """Returns the project's requirements of `cryptography` and what it needs, with the hashes of all their files."""
    text = _REQUIREMENTS.read_text(encoding="utf-8")
    return "".join(found[0] for found in re.finditer(rf"^(?:{'|'.join(_NAMES)})==(?:.*\\\n)*.*\n", text, re.MULTILINE))


def verified(python: str, bundle: Path, policy: Path) -> Verified:
    """Runs verify.py on a bundle, and returns how long it took and how much memory; raises RuntimeError unless it verifies."""
    began = time.perf_counter()
    ran = subprocess.run([python, "-I", "-c", _RUN, verify.__file__, bundle, policy], capture_output=True, encoding="utf-8", check=False)
    seconds = time.perf_counter() - began
    if not ran.stdout:
        raise RuntimeError(f"verify.py: {ran.stderr}")
    code, cpu_s, most_kib = ran.stdout.split()[-3:]
    if int(code) != verify.VERIFIED:
        raise RuntimeError(f"verify.py: {ran.stdout}")
    return Verified(seconds, float(cpu_s), int(most_kib) * 1024)


# The kernel counts the most memory of a process from before it becomes another program; this is what it had since.
_RUN = """
import pathlib, runpy, sys, time
program, bundle, policy = sys.argv[1:]
code = runpy.run_path(program)["main"]([bundle, "--policy", policy])
print(code, time.process_time(), pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
