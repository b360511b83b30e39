"""The proxy of the deployment before the edges of a measurement: HAProxy, with the very configuration that ships."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from hub.child import Child
from hub.domain.errors import HubError

CONFIGURATION = Path(__file__).parents[3] / "docker/haproxy/haproxy.cfg"
START_S = 10.0


class ProxyMissing(HubError):
    """HAProxy is not installed; `make system-deps` installs it."""


def haproxy() -> str:
    """Returns where the program is; raises ProxyMissing. Debian puts it where only root looks."""
    if found := shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin"):
        return found
    raise ProxyMissing


@contextlib.contextmanager
def proxy(edges: Sequence[str]) -> Iterator[str]:
    """Runs it before edges of this machine, which are named one by one where the deployment has one name for all; yields its address."""
    program = haproxy()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    servers = "".join(f"    server edge{number} {edge} check\n" for number, edge in enumerate(edges))
    text = re.sub(r"^    server-template .*\n", servers, CONFIGURATION.read_text(encoding="utf-8"), flags=re.MULTILINE)
    with tempfile.NamedTemporaryFile("w", suffix=".cfg", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        environment = {**os.environ, "HUB_PROXY_LISTEN": address}
        with Child([program, "-db", "-f", file.name], environment, stdout=subprocess.DEVNULL) as process:
            try:
                _wait_for(address)
                yield address
            finally:
                process.terminate()


def _wait_for(address: str) -> None:
    host, _, port = address.rpartition(":")
    until = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
