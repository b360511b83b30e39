"""`make clients`: packs the clients of each language into a folder, with the contract as it is now."""

import gzip
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
CONTRACT = REPOSITORY / "protos" / "gen" / "contract"
VERSION = "0.1.0"
# What is made beside the sources by using them is not packed.
_LEFT_OUT = {"node_modules", "package-lock.json", "target", "__pycache__", "dist"}


def files_of(language: str, protos: str) -> Iterator[tuple[str, bytes]]:
    """Yields the files of a client by their names in its package: its own, the licence, and the .proto files below *protos*."""
    folder = HERE / language
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not _LEFT_OUT & set(file.relative_to(folder).parts):
            yield file.relative_to(folder).as_posix(), file.read_bytes()
    yield "LICENSE", (REPOSITORY / "LICENSE").read_bytes()
    for file in sorted(CONTRACT.rglob("*.proto")):
        yield f"{protos}/{file.relative_to(CONTRACT).as_posix()}", file.read_bytes()


def pack_node(out: Path) -> Path:
    """Packs the npm package; the same bytes for the same sources."""
    path = out / f"chuanyu-exchange-client-{VERSION}.tgz"
    with gzip.GzipFile(path, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files_of("node", "protos"):
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def pack_java(out: Path) -> Path:
    """Packs the sources of the Java client, with the .proto files where its build file looks for them."""
    path = out / f"chuanyu-exchange-client-java-{VERSION}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files_of("java", "src/main/proto"):
            archive.writestr(zipfile.ZipInfo(f"chuanyu-exchange-client/{name}", (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return path


def pack_python(out: Path) -> Path:
    """Builds the wheel."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out.resolve())]
    subprocess.run(command, check=True, cwd=HERE / "python", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return out / f"chuanyu_exchange_client-{VERSION}-py3-none-any.whl"


def main() -> None:
    """Packs all of them into the folder named."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for pack in (pack_python, pack_node, pack_java):
        print(pack(out))
    # A wheel has no place for an example; the other packages have theirs in them.
    print(shutil.copy(HERE / "python" / "first_event.py", out))


if __name__ == "__main__":
    main()
