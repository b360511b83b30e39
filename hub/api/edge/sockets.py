"""The sockets under gRPC's connections, which it neither shows nor closes on demand: found by their local port, silenced, shut down."""

import contextlib
import ctypes
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

Address = tuple[str, int]

# Of Linux (asm-generic/socket.h); Python has no names for them.
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
# A filter of one statement (struct sock_filter): return 0, which is how much of a packet is kept.
_NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
_KEEP_NOTHING = struct.pack("HP", 1, ctypes.addressof(_NOTHING))
# Where struct tcp_info (linux/tcp.h) has what the other side acknowledged and what came from it, each of 64 bits.
_COUNTED = struct.Struct("=120xQQ")


def own_sockets(port: int) -> Iterable[socket.socket]:
    """Yields each connected socket of the process on a local port, as a handle of its own: what it shows stays true until it is closed."""
    for shown in Path("/proc/self/fd").iterdir():
        try:
            if not shown.is_socket():
                continue
            handle = socket.socket(fileno=os.dup(int(shown.name)))
        except OSError:
            continue
        try:
            is_ours = handle.family in (socket.AF_INET, socket.AF_INET6) and handle.getsockname()[1] == port and handle.getpeername()
        except OSError:
            is_ours = False
        if is_ours:
            yield handle
        else:
            handle.close()


def silence(shown: socket.socket) -> bool:
    """Has the kernel drop whatever comes in: the other side waits for its acknowledgement, and costs nothing meanwhile.

    Returns whether it does: some kernels let only root filter a socket. Then gRPC refuses what comes in until the connection is ended.
    """
    try:
        shown.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _KEEP_NOTHING)
    except OSError:
        return False
    return True


def counted(shown: socket.socket) -> tuple[int, int]:
    """How many bytes came from the other side, and how many it acknowledged, TLS included; none where the kernel does not count."""
    try:
        acknowledged, received = _COUNTED.unpack(shown.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _COUNTED.size))
    except (OSError, struct.error):
        return 0, 0
    return received, acknowledged


def end(shown: socket.socket) -> None:
    """Shuts a connection down under gRPC, which takes it as the client's going away; the client sees it, also where it was silenced."""
    with contextlib.suppress(OSError):
        shown.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
    with contextlib.suppress(OSError):
        shown.shutdown(socket.SHUT_RDWR)


def address(peer: tuple[object, ...]) -> Address:
    """The address of a socket's other side."""
    return plain(ipaddress.ip_address(str(peer[0]))), int(str(peer[1]))


def plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An address as it is written, an IPv4 one also where it came to an IPv6 socket."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
