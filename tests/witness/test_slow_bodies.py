"""Who sends a body slowly is answered so, and keeps nobody else from the witness."""

import socket
import threading
from pathlib import Path

import pytest
import uvicorn

from hub.witness import folder, server
from hub.witness.cosigning import Cosigner
from hub.witness.server import application
from tests.witness.signed_log import SignedLog


def test_a_body_that_does_not_come_in_time_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BODY_S", 0.2)
    made = folder.make(tmp_path / "witness", "witness.example")
    made.add_log(SignedLog().key_lines, "")
    listening = socket.create_server(("127.0.0.1", 0))
    pages = application(made, Cosigner(made), shows_mirror=False)
    served = uvicorn.Server(uvicorn.Config(pages, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=served.run, args=([listening],))
    thread.start()
    with socket.create_connection(listening.getsockname(), timeout=30) as slow:
        slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 100\r\n\r\nold")
        assert slow.recv(1024).startswith(b"HTTP/1.1 408 ")
    served.should_exit = True
    thread.join()
