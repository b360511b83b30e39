"""What the edge does below gRPC: a barred connection is silenced, one that has just been closed is passed over, metadata are bounded."""

import os
import socket
from types import SimpleNamespace

import pytest

from hub.api.edge import sockets
from hub.api.edge.bars import Bars
from hub.api.edge.client_certificate import Peer
from hub.api.edge.connections import Connections
from hub.api.edge.control_bytes import Brought, ControlBytes
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


MB = 1024 * 1024


def too_many(*seconds: tuple[Brought, int]) -> list[bool]:
    """Whether what is brought in each second, and explained by messages so far, is too much."""
    control = ControlBytes(at_s=0.0)
    return [control.are_too_many(brought, explained, float(now)) for now, (brought, explained) in enumerate(seconds, 1)]


def test_frames_without_messages_are_too_many_after_some_megabytes_and_a_trickle_never_is() -> None:
    assert too_many(*[(Brought(3 * MB, 0, 0, 0), 0)] * 2) == [False, True]
    assert not any(too_many(*[(Brought(200 * 1024, 0, 0, 0), 0)] * 600))


def test_what_messages_calls_and_answers_explain_is_not_counted() -> None:
    assert not any(too_many(*[(Brought(20 * MB, 0, 0, 0), 20 * MB)] * 60))
    assert not any(too_many(*[(Brought(8 * MB, 0, 1_000, 0), 0)] * 60))
    assert not any(too_many(*[(Brought(MB, 20 * MB, 0, 0), 0)] * 60))


def test_messages_that_wait_unread_are_allowed_for_while_their_calls_are_open() -> None:
    assert too_many((Brought(30 * MB, 0, 0, 200), 0), (Brought(0, 0, 0, 0), 30 * MB)) == [False, False]
    assert too_many((Brought(80 * MB, 0, 0, 3_000), 0)) == [True]


def test_the_kernel_counts_what_a_connection_brought_and_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            client.sendall(bytes(5_000))
            accepted.sendall(bytes(700))
            assert accepted.recv(5_000, socket.MSG_WAITALL) + client.recv(700, socket.MSG_WAITALL) == bytes(5_700)
            assert sockets.counted(accepted)[0] == 5_000
            assert sockets.counted(client)[0] == 700
