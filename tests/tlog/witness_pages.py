"""A witness whose pages are served over real HTTP from a thread of the test."""

import threading
from pathlib import Path

import uvicorn

from hub.tlog.sealer import signers
from hub.trust.log_keys import open_log_keys
from hub.witness import folder
from hub.witness.cosigning import Cosigner
from hub.witness.folder import Folder
from hub.witness.server import application
from tests.tlog.sealing import NAME

ORIGIN = f"{NAME}/1"


class Witness:
    """A witness's pages in a thread of this process, on a port of its own."""

    def __init__(self, path: Path, name: str, keys: Path) -> None:
        self.folder: Folder = folder.make(path, name)
        self.folder.add_log([key.verifier.text for key in signers(open_log_keys(keys), ORIGIN)], "")
        self.cosigner = Cosigner(self.folder)
        pages = application(self.folder, self.cosigner, shows_mirror=False)
        self._server = uvicorn.Server(uvicorn.Config(pages, port=0, log_level="warning", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            pass
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    @property
    def size(self) -> int:
        return self.folder.high(self.folder.log(ORIGIN)).size

    def lines(self, prefix: str) -> str:
        return "".join([f"witness {prefix}-{number} {key.verifier.text} {self.url}\n" for number, key in enumerate(self.folder.keys)])

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
