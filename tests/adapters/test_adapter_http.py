"""The HTTP side of the adapters: what anyone may send before a secret is checked is bounded in size and time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.chongqing.errors import MalformedCall
from adapters.chongqing.pseudo_xml import MAX_REFERENCES, MAX_TAGS, parse_call
from adapters.kit.serving import BOUNDS, PatientProtocol, bounded_body

PATIENCE_S = 0.4


class Impatient(PatientProtocol):
    """The same, with a patience that a test can wait for."""

    head_s = PATIENCE_S


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[int]:
    """A real server on loopback whose patience is short."""

    async def take(http: Request) -> Response:
        body = await bounded_body(http, 1_000, PATIENCE_S)
        return body if isinstance(body, Response) else Response(f"{len(body)} bytes")

    app = Starlette(routes=[Route("/", take, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, http=Impatient, **BOUNDS))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def answer_to(port: int, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """What comes back until the server closes the connection; *parts* are sent with a pause between them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
    # A server without patience never closes it.
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    return answer


def sent(*parts: bytes, pause_s: float = 0.0) -> bytes:
    async def play() -> bytes:
        async with served() as port:
            return await answer_to(port, *parts, pause_s=pause_s)

    return asyncio.run(play())


HEAD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 900\r\n\r\n"


def test_a_body_that_takes_too_long_is_ended() -> None:
    assert sent(HEAD, b"x", b"x", pause_s=0.1).startswith(b"HTTP/1.1 408")


def test_a_head_that_takes_too_long_is_ended() -> None:
    assert sent(b"POST / HTTP/1.1\r\n", b"host: a\r\n", b"a: b\r\n", pause_s=0.3) == b""


def test_a_second_head_on_the_same_connection_is_ended_too() -> None:
    whole = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok"
    answer = sent(whole, b"POST / HTTP/1.1\r\n", b"host: a\r\n", pause_s=0.3)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_body_that_is_too_large_is_ended_before_it_is_whole() -> None:
    assert sent(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n" + b"x" * 2_000).startswith(b"HTTP/1.1 413")


def envelope(text: str) -> bytes:
    return f"<in>{text}</in>".encode("gb18030")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (envelope("".join(f"&lt;t{n}&gt;v&lt;/t{n}&gt;" for n in range(MAX_TAGS + 1))), "标签超过64个"),
        (envelope("&#20013;" * (MAX_REFERENCES + 1)), "字符引用过多"),
    ],
)
def test_tags_and_references_of_a_call_are_bounded(body: bytes, said: str) -> None:
    began = time.process_time()
    with pytest.raises(MalformedCall, match=said):
        parse_call(body, b"secret")
    assert time.process_time() - began < 1


def test_a_hundred_thousand_tags_are_not_read_through() -> None:
    body = envelope("<a>b</a>" + "".join(f"<t{n}>v</t{n}>" for n in range(110_000)))
    began = time.process_time()
    with pytest.raises(MalformedCall):
        parse_call(body, b"secret")
    assert time.process_time() - began < 1
