"""Messages that cost more than their bytes: too many events, too many items, too much behind a compression, too deep."""

import gzip

import grpc
from chuanyu.exchange.v1 import feed_service_pb2

from hub.bench.hostile.scene import APPEND, FEED, Scene
from hub.bench.hostile.wire import DATA, END_HEADERS, END_STREAM, HEADERS, Wire, call_headers, frame, literal, message
from hub.bench.load import usage_event

_HEAD = feed_service_pb2.AppendEventsRequest(feed=FEED, first_sequence=1).SerializeToString()
_MOST = 1_000_000


def _events(*sent: bytes) -> bytes:
    return _HEAD + b"".join(b"\x1a" + _length(len(one)) + one for one in sent)


def _length(size: int) -> bytes:
    return bytes((size & 127 | 128, size >> 7 & 127 | 128, size >> 14))


def _nested(levels: int) -> bytes:
    """An event in the event of another, which is the only message that may have itself within; as deep as an event may be large."""
    found = b""
    for _ in range(levels):
        within = b"\x22" + _length(len(found)) + found
        found = b"\x9a\x21" + _length(len(within)) + within
    return found


_BATCH_BOMB = _HEAD + b"\x1a\0" * (_MOST // 2)
_ALIAS_BOMB = _events(usage_event(1).SerializeToString() + b"\x2a\0" * (_MOST // 2))
_ALIASES = _events(*(usage_event(number).SerializeToString() + b"\x2a\0" * 8_000 for number in range(60)))
_DEEP = _events(_nested(1_800))


async def _send(scene: Scene, at_once: int, data: bytes) -> None:
    async def call(channel: grpc.aio.Channel, _: int) -> object:
        return await channel.unary_unary(f"/{APPEND}")(data, timeout=10)

    await scene.calling(at_once, min(at_once, 8), call)


async def batch_bomb(scene: Scene) -> None:
    """Half a million empty events, one batch at a time."""
    await _send(scene, 1, _BATCH_BOMB)


async def batch_bombs(scene: Scene) -> None:
    """The same, eight at a time."""
    await _send(scene, 8, _BATCH_BOMB)


async def many_batches(scene: Scene) -> None:
    """The same, as many at a time as a participant may have calls."""
    await _send(scene, 250, _BATCH_BOMB)


async def alias_bomb(scene: Scene) -> None:
    """One event with half a million aliases."""
    await _send(scene, 8, _ALIAS_BOMB)


async def alias_batches(scene: Scene) -> None:
    """Sixty events as large as an event may be, all aliases."""
    await _send(scene, 8, _ALIASES)


async def deep_nesting(scene: Scene) -> None:
    """Messages in messages."""
    await _send(scene, 8, _DEEP)


async def gzip_bomb(scene: Scene) -> None:
    """A gigabyte of zeros in a megabyte."""
    packed = gzip.compress(bytes(1 << 30))[:_MOST]
    headers = call_headers(APPEND, literal(b"grpc-encoding", b"gzip"))
    pieces = message(packed, compressed=True)

    async def turn(wire: Wire) -> bool:
        for stream in range(1, 200, 2):
            sent = frame(HEADERS, END_HEADERS, stream, headers)
            for start in range(0, len(pieces), 16_384):
                sent += frame(DATA, END_STREAM if start + 16_384 >= len(pieces) else 0, stream, pieces[start : start + 16_384])
            if scene.is_over or not await wire.send(sent):
                return False
        return False

    await scene.on_wires(4, turn)
