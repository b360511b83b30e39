"""What the hub said no with, read once: a failed call and a refused batch both carry one google.rpc.Status."""

from dataclasses import dataclass, field

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


@dataclass(eq=False)  # an exception is itself, and the interpreter writes into it
class Refusal(Exception):
    """A call or a batch that the hub did not take; the reason is one of ErrorReason, without its prefix."""

    code: grpc.StatusCode
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None
    # What gRPC said of a call that met no hub: addresses and TLS, nothing of what was sent.
    transport: str = ""

    @property
    def is_denial(self) -> bool:
        """Whether the hub does not let this participant in, which no retry changes and only people do."""
        return self.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)

    def __str__(self) -> str:
        """Returns what an operator reads in the state of a feed; never the hub's free text."""
        return f"{self.code.name} {self.reason}".rstrip()


def from_status(status: status_pb2.Status) -> Refusal:
    """Reads a refused batch in a stream that stays open."""
    code = next((code for code in grpc.StatusCode if code.value[0] == status.code), grpc.StatusCode.UNKNOWN)
    reason, metadata, retry_after_s = "", {}, None
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
    return Refusal(code, reason, metadata, retry_after_s)


def from_call(error: grpc.aio.AioRpcError) -> Refusal:
    """Reads a failed call; one that never reached a hub has a code and no reason."""
    status = rpc_status.from_call(error)
    return from_status(status) if status is not None else Refusal(error.code(), transport=error.details() or "")
