"""What the edge does below gRPC: a barred connection is silenced, one that has just been closed is passed over, metadata are bounded."""

import os
import socket
from types import SimpleNamespace

import pytest

from hub.api.edge import sockets
from hub.api.edge.bars import Bars
from hub.api.edge.client_certificate import Peer
from hub.api.edge.connections import Connections
from hub.api.edge.handlers import Methods, bounded
from tests.clients import DEADLINE_S


def test_what_comes_on_a_silenced_connection_is_dropped_until_it_is_ended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        clients = [socket.create_connection(listener.getsockname()) for _ in range(2)]
        accepted = dict(reversed(listener.accept()) for _ in clients)
        silenced, other = (accepted[client.getsockname()] for client in clients)
        is_silenced = sockets.silence(silenced)
        for client in clients:
            client.sendall(b"call")
        assert other.recv(4) == b"call"
        if is_silenced:
            with pytest.raises(BlockingIOError):
                silenced.recv(4, socket.MSG_DONTWAIT)
        else:
            # Some kernels let only root filter a socket; then it is as it was.
            assert os.geteuid() != 0
            assert silenced.recv(4) == b"call"
        silenced.sendall(b"refused")
        assert clients[0].recv(7) == b"refused"
        sockets.end(silenced)
        clients[0].settimeout(DEADLINE_S)
        assert clients[0].recv(1) == b""
        for one in (*clients, *accepted.values()):
            one.close()


def test_a_connection_that_is_closed_while_the_connections_are_looked_at_is_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async def admit(_: Peer) -> int:
        return 1

    # No connection has had this number.
    monkeypatch.setattr("hub.api.edge.connections._sockets", lambda: [1 << 40])
    watched = Connections(1, lambda _: None, admit, Bars())
    watched._look()
    assert watched.of_participants() == {}


def test_metadata_beyond_the_limit_are_not_kept() -> None:
    fields = [("x-filling", "f" * 1_000)]
    assert bounded(fields) == (fields, 1_009)
    assert bounded(fields * 3_000) == ((), 3_027_000)
    assert bounded(None) == ((), 0)


def test_of_two_that_serve_a_method_the_first_counts() -> None:
    calls = [SimpleNamespace(method=path, invocation_metadata=()) for path in ("/S/Read", "/S/Write", "/S/None")]
    served, refused = Methods({"/S/Read": lambda _: "served"}), Methods(dict.fromkeys(("/S/Read", "/S/Write"), lambda _: "refused"))
    assert [Methods.of(served, refused).service(call) for call in calls] == ["served", "refused", None]
