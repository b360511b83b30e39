"""Who sends a body slowly is answered so, and keeps nobody else from the witness."""

import asyncio
import contextlib
import socket
import threading
from pathlib import Path

import pytest
import uvicorn

from hub import web_server
from hub.web_server import Server
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


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\nX: ", b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 9\r\n\r\nold"]
)
def test_connections_that_are_only_held_keep_nobody_out(begun: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "REQUEST_S", 0.2)
    made = folder.make(tmp_path / "witness", "witness.example")
    listening = socket.create_server(("127.0.0.1", 0))
    served = Server(application(made, Cosigner(made), shows_mirror=False), limit_concurrency=3, timeout_graceful_shutdown=1)
    thread = threading.Thread(target=lambda: asyncio.run(served.serve([listening])))
    thread.start()
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(listening.getsockname(), timeout=30)) for _ in range(3)]
        for one in held:
            one.sendall(begun)
        for one in held:
            with contextlib.suppress(ConnectionResetError):
                while one.recv(1024):
                    pass
        with socket.create_connection(listening.getsockname(), timeout=30) as asking:
            asking.sendall(b"GET /0/checkpoint HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n")
            assert asking.recv(1024).startswith(b"HTTP/1.1 404 ")
    served.end()
    thread.join()
