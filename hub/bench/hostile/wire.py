"""HTTP/2 by hand (RFC 9113), over mutual TLS: as much of it as a client needs that keeps to none of the customs."""

import asyncio
import contextlib
import ssl
import struct
from dataclasses import dataclass

from hub.trust.authority import CertificateFiles

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CANCEL = struct.pack(">I", 8)
ENHANCE_YOUR_CALM = 11
# gRPC leaves a client's farewell of TLS unanswered; asyncio would wait half a minute for it.
FAREWELL_S = 0.1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes, value: bytes, *, indexed: bool = False) -> bytes:
    """One header field of HPACK (RFC 7541), without Huffman; *indexed* has the other side remember it."""
    return (b"\x40" if indexed else b"\0") + _length(len(name)) + name + _length(len(value)) + value


def _length(size: int) -> bytes:
    if size < 127:
        return bytes((size,))
    rest, found = size - 127, bytearray((127,))
    while rest > 127:
        found.append(rest & 127 | 128)
        rest >>= 7
    return bytes((*found, rest))


def call_headers(method: str, *further: bytes) -> bytes:
    """The header block of a gRPC call."""
    fields = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", f"/{method}".encode()), (b":authority", b"localhost")]
    fields += [(b"te", b"trailers"), (b"content-type", b"application/grpc")]
    return b"".join(literal(*one) for one in fields) + b"".join(further)


def message(data: bytes, *, compressed: bool = False) -> bytes:
    """A gRPC message with its prefix."""
    return struct.pack(">BI", compressed, len(data)) + data


def client_context(files: CertificateFiles) -> ssl.SSLContext:
    """TLS of a client with a certificate."""
    context = ssl.create_default_context(cafile=str(files.authority))
    context.load_cert_chain(files.certificate, files.key)
    context.set_alpn_protocols(["h2"])
    return context


@dataclass(slots=True)
class Wire:
    """One connection: what is written is sent as it is; of what comes, the frames are counted by kind and the reason of GOAWAY is kept."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: dict[int, int]
    goaway: int | None = None
    draining: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, target: str, context: ssl.SSLContext, first: bytes = b"") -> "Wire":
        """Connects, says the preface and then what is *first*, before settings are agreed; raises OSError, also where TLS refuses."""
        host, _, port = target.rpartition(":")
        reader, writer = await asyncio.open_connection(
            host, int(port), ssl=context, server_hostname="localhost", ssl_shutdown_timeout=FAREWELL_S
        )
        wire = cls(reader, writer, {})
        writer.write(PREFACE + frame(SETTINGS, 0, 0) + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)) + first)
        wire.draining = asyncio.create_task(wire._drain())
        await writer.drain()
        return wire

    @property
    def is_closed(self) -> bool:
        """Whether the other side has ended it."""
        return self.draining is None or self.draining.done()

    async def send(self, data: bytes) -> bool:
        """Sends bytes as they are; whether the connection was still there."""
        if self.is_closed or self.writer.is_closing():
            return False
        with contextlib.suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()
            return True
        return False

    async def _drain(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await self.reader.readexactly(9)
                kind = head[3]
                self.received[kind] = self.received.get(kind, 0) + 1
                payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
                if kind == GOAWAY:
                    self.goaway = int.from_bytes(payload[4:8], "big")
                if kind == SETTINGS and not head[4] & ACK:
                    self.writer.write(frame(SETTINGS, ACK, 0))

    async def close(self) -> None:
        """Ends it."""
        if self.draining is not None:
            self.draining.cancel()
        self.writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(self.writer.wait_closed(), 1)
