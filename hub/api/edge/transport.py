"""How the server speaks HTTP/2, with the reason of each figure, and where it listens: alone, or not at all."""

import grpc
import psutil

from hub.domain.errors import HubError
from hub.intake.batches import MESSAGE_BYTES

STREAMS_OF_A_CONNECTION = 100
METADATA_BYTES = 8 * 1024
CONNECTION_AGE_S = 3_600
CONNECTIONS_OF_ALL = 2_000
# Calls are counted by participant once the gate has seen them; this is for the moment before.
CALLS_OF_ALL = 16_000
UNREAD_BYTES_OF_A_STREAM = 256 * 1024
OPTIONS = (
    # A second process on the same address would take half of the connections without a word.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # Names and values of a call's metadata. Between two different limits gRPC refuses at random, so they are one.
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    # What a stream may send before it is read. Left to itself gRPC widens this to 4 MiB a stream, also for streams that nobody reads.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", UNREAD_BYTES_OF_A_STREAM),
    # The hub asks quiet connections whether they are still there; three minutes are usual until a NAT forgets one.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Pings are bounded with all that is no message (`hub.api.edge.control_bytes`). Left to itself gRPC closes a connection at the third
    # that comes soon; but while it writes an answer it only notes that, again for each ping, in an error that it copies each time.
    ("grpc.http2.max_ping_strikes", 0),
    # Who says nothing that is TLS, or nothing at all, is not waited for.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 30 * 60_000),
    # Connections end so that clients come to all edges and show their certificate again; streams end before (`hub.api.edge.open_streams`).
    ("grpc.max_connection_age_ms", CONNECTION_AGE_S * 1_000),
    ("grpc.max_connection_age_grace_ms", CONNECTION_AGE_S * 1_000),
    # Calls that have come and wait for the gate: beyond a thousand gRPC would cancel some at random, and one participant can send as many.
    ("grpc.server.max_pending_requests", CALLS_OF_ALL),
    ("grpc.server.max_pending_requests_hard_limit", CALLS_OF_ALL),
    ("grpc.max_allowed_incoming_connections", CONNECTIONS_OF_ALL),
    # The least that HTTP/2 recommends (RFC 9113, 6.5.2). What a client asks beyond them on one connection waits with the client.
    ("grpc.max_concurrent_streams", STREAMS_OF_A_CONNECTION),
    # Streams that were answered and are not yet put away. Left unset, one of them is enough to refuse a client that keeps to its 100
    # (RST_STREAM, REFUSED_STREAM); unlimited, cancelled calls would pile up.
    ("grpc.http2.max_deallocating_streams", 2 * STREAMS_OF_A_CONNECTION),
)


class AddressTaken(HubError):
    """Another process listens on this address; stop it, or listen on another (`hub serve --listen`)."""


def listen(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials) -> int:
    """Listens on host:port and returns the port; raises AddressTaken, naming the process if it can be seen."""
    try:
        return int(server.add_secure_port(address, credentials))
    except RuntimeError:
        if listener := _listener(int(address.rpartition(":")[2])):
            raise AddressTaken(f"{address}: {listener}") from None
        raise


def _listener(port: int) -> str:
    """Names the process that listens on a port, as far as it can be seen; "" if none does."""
    try:
        found = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port]
    except psutil.Error:
        return "a process of another user"
    if not found:
        return ""
    if found[0].pid is None:
        return "a process of another user"
    try:
        return f"process {found[0].pid}, {psutil.Process(found[0].pid).name()}"
    except psutil.Error:
        return f"process {found[0].pid}"
