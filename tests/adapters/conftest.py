"""The packages that provinces build on, each as it is packed and installed once, and what runs a program with it."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.clients import build

MODULES = Path(__file__).parents[1] / "node" / "node_modules"
Run = Callable[..., subprocess.CompletedProcess[str]]
DEBIAN = Path("/usr/share/java")
# netty-all is empty in Debian.
JARS = ("grpc-*", "guava*", "netty-*", "opencensus-api*", "perfmark-api*", "geronimo-annotation-1.3-spec*", "protobuf*")
# Under Java 17 its Netty has TLS by the native library alone, and looks for it under another name than Debian's.
NATIVE = Path("/usr/lib/x86_64-linux-gnu/jni/libnetty-tcnative.so")
JAVA = (
    "libgrpc-java libnetty-java libnetty-tcnative-java libnetty-tcnative-jni libprotobuf-java libperfmark-java "
    "libgeronimo-annotation-1.3-spec-java protobuf-compiler protobuf-compiler-grpc-java-plugin"
)


def ran(command: list[str], cwd: Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, cwd=cwd, capture_output=True, text=True, timeout=600, env=environment)


@pytest.fixture(scope="package")
def python_client(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs Python with the wheel and the packages it names, and nothing of this repository."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(build.pack_python(folder)) as wheel:
        wheel.extractall(folder / "installed")  # noqa: S202 (packed just now)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    # Without `site` no .pth is read, such as the one that puts the repository on the path.
    environment = {**os.environ, "PYTHONPATH": f"{folder / 'installed'}{os.pathsep}{packages}", "GRPC_VERBOSITY": "NONE"}

    def run(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return ran([sys.executable, "-S", *arguments], cwd, environment)

    return run


@pytest.fixture(scope="package")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs Node with the package as it is packed; what it needs is that of tests/node, which is installed once."""
    if shutil.which("node") is None or not (MODULES / "protobufjs").exists():
        pytest.skip("Node.js or the packages of tests/node are missing: tests/api/test_node_client.py installs them")
    folder = tmp_path_factory.mktemp("npm")
    with tarfile.open(build.pack_node(folder)) as package:
        package.extractall(folder, filter="data")
    installed = folder / "node_modules"
    (installed / "@grpc").mkdir(parents=True)
    (folder / "package").rename(installed / "chuanyu-exchange-client")
    for name in ("@grpc/grpc-js", "protobufjs"):
        (installed / name).symlink_to(MODULES / name)

    def run(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        (cwd / "node_modules").exists() or (cwd / "node_modules").symlink_to(installed)
        return ran(["node", *arguments], cwd)

    return run


@pytest.fixture(scope="package")
def java_command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Compiles the sources as they are packed with Debian's gRPC for Java, without Maven; what runs a class of them."""
    if not all(map(shutil.which, ("javac", "protoc", "grpc_java_plugin"))) or not NATIVE.exists():
        pytest.skip(f"Debian's packages {JAVA} are missing, or a JDK")
    folder = tmp_path_factory.mktemp("java")
    with zipfile.ZipFile(build.pack_java(folder)) as archive:
        archive.extractall(folder)  # noqa: S202 (packed just now)
    source = folder / "chuanyu-exchange-client" / "src" / "main"
    protos = [str(path.relative_to(source / "proto")) for path in (source / "proto").rglob("*.proto")]
    own = [name for name in protos if not name.startswith("google/protobuf")]
    plugin = f"--plugin=protoc-gen-grpc-java={shutil.which('grpc_java_plugin')}"
    command = ["protoc", plugin, f"--java_out={source / 'java'}", f"--grpc-java_out={source / 'java'}", *own]
    done = ran(command, source / "proto")
    assert done.returncode == 0, done.stderr
    jars = os.pathsep.join([str(folder / "classes"), *(str(jar) for name in JARS for jar in DEBIAN.glob(f"{name}.jar"))])
    shutil.copy(NATIVE, folder / "libnetty_tcnative.so")
    # Of the stubs only what the client uses.
    sources = [str(path) for path in (source / "java" / "chuanyu" / "client").glob("*.java")]
    options = ["-nowarn", "-proc:none", "-implicit:class", "-sourcepath", str(source / "java"), "-d", str(folder / "classes"), "-cp", jars]
    done = ran(["javac", *options, *sources], folder)
    assert done.returncode == 0, done.stderr[-3000:]

    return ["java", "-XX:TieredStopAtLevel=1", f"-Djava.library.path={folder}", "-cp", jars]


@pytest.fixture(scope="package")
def java_client(java_command: list[str]) -> Run:
    """Runs a class of the Java client."""
    return lambda cwd, *arguments: ran([*java_command, *arguments], cwd)
