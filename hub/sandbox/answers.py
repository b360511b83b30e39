"""What the front answers in an edge's place: how a call ends, a batch refused in its stream, a receipt that is not the hub's."""

from typing import Any, NamedTuple

import grpc
from chuanyu.exchange.v1 import feed_service_pb2
from google.rpc import status_pb2

from hub.sandbox.faults import Fault
from hub.sandbox.recording import Exchange, Passed

DETAILS = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Ended(NamedTuple):
    """How a call ends for its client; *fault* names what ended it, "" for the edge."""

    code: grpc.StatusCode
    details: str = ""
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    fault: str = ""


def ended_by(fault: Fault) -> Ended:
    """Returns how a fault ends a call."""
    if fault.kind == "stream-end":
        return Ended(grpc.StatusCode.OK, fault=fault.kind)
    status = fault.status
    details = () if not status.details else ((DETAILS, status.SerializeToString()),)
    return Ended(_CODES[status.code], status.message, details, fault.kind)


def status_of(ended: Ended) -> status_pb2.Status:
    """Returns the status that a call ends with; one that gRPC itself made has no more than a message."""
    found = next((value for key, value in ended.metadata if key == DETAILS and isinstance(value, bytes)), b"")
    return status_pb2.Status.FromString(found) if found else status_pb2.Status(code=ended.code.value[0], message=ended.details)


def refused_batch(passed: Passed, status: status_pb2.Status) -> bytes:
    """Returns the answer that refuses a batch of a stream."""
    request = feed_service_pb2.StreamEventsRequest.FromString(passed.body)
    answer = feed_service_pb2.StreamEventsResponse(feed=request.feed, first_sequence=request.first_sequence, refused=status)
    return answer.SerializeToString()


def spoiled(exchange: Exchange, body: bytes) -> bytes:
    """Returns an answer whose receipt has another signature; one without a receipt as it is."""
    answer: Any = exchange.read(Passed(0.0, False, body))
    if exchange.method == "StreamEvents" and not answer.HasField("appended"):
        return body
    receipt = answer.appended.receipt if exchange.method == "StreamEvents" else answer.receipt
    receipt.signature = bytes(byte ^ 0xFF for byte in receipt.signature)
    return bytes(answer.SerializeToString())
