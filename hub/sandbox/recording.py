"""What went over the wire: each call with who made it, its messages both ways, and how it ended."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from hub.domain.services import SERVICES


@cache
def described(path: str) -> MethodDescriptor | None:
    """Returns what the contract says of a method, named by its path; None for one of the standard services."""
    _, service, method = path.split("/")
    found = SERVICES.get(service)
    return None if found is None else found.methods_by_name.get(method)


def info_of(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    """Returns the ErrorInfo of a refusal, an empty one where it has none."""
    info = error_details_pb2.ErrorInfo()
    any(detail.Unpack(info) for detail in status.details)
    return info


@dataclass(slots=True)
class Passed:
    """A message as it went by; *made_by* names the fault where the front made it itself or kept it from its receiver."""

    at_s: float
    is_request: bool
    body: bytes
    made_by: str = ""


# Messages of one call that are kept.
MOST_PASSED = 400


@dataclass(slots=True)
class Exchange:
    """A call, from its first byte to its end; *door* is which of the front's addresses it came by."""

    path: str
    participant: str
    fingerprint: str
    door: int = 0
    most: int = MOST_PASSED
    began_s: float = field(default_factory=time.monotonic)
    # By the clock on the wall, for people.
    at_s: float = field(default_factory=time.time)
    passed: list[Passed] = field(default_factory=list)
    # How it ended: a gRPC code's name, "" while it goes on; its google.rpc.Status, empty where it has none; which fault ended it.
    code: str = ""
    status: status_pb2.Status = field(default_factory=status_pb2.Status)
    ended_by: str = ""
    ended_s: float = 0.0

    @property
    def method(self) -> str:
        """The method's name."""
        return self.path.rpartition("/")[2]

    def note(self, body: bytes, *, is_request: bool, made_by: str = "") -> Passed:
        """Notes a message."""
        passed = Passed(time.monotonic(), is_request, body, made_by)
        self.passed.append(passed)
        if len(self.passed) > self.most:
            # Of a stream that goes on and on, the newer part.
            del self.passed[: self.most // 2]
        return passed

    @property
    def reason(self) -> str:
        """The reason of its ErrorInfo, "" where it has none."""
        return str(info_of(self.status).reason)

    def end(self, code: str, status: status_pb2.Status | None = None, ended_by: str = "") -> None:
        """Notes how it ended; what came first counts."""
        if not self.code:
            self.code, self.status, self.ended_by = code, status or status_pb2.Status(), ended_by
            self.ended_s = time.monotonic()

    def read(self, passed: Passed) -> Message | None:
        """Reads a message of this call; None where its bytes are none, or the service is no service of the contract."""
        method = described(self.path)
        if method is None:
            return None
        kind = GetMessageClass(method.input_type if passed.is_request else method.output_type)
        try:
            return kind.FromString(passed.body)
        except DecodeError:
            return None

    def messages(self, *, is_request: bool) -> Iterator[tuple[Passed, Any]]:
        """Gives what went one way and can be read."""
        for passed in list(self.passed):
            if passed.is_request == is_request and (message := self.read(passed)) is not None:
                yield passed, message


class Recording:
    """The newest calls; noted by the front's loop, read by others."""

    def __init__(self, most: int = 1_000) -> None:
        """Keeps *most* calls."""
        self._lock, self._most = threading.Lock(), most
        self._exchanges: list[Exchange] = []
        # Grows with each call begun, for who waits for news.
        self.version = 0

    def begin(self, exchange: Exchange) -> None:
        """Notes that a call began."""
        with self._lock:
            self.version += 1
            self._exchanges.append(exchange)
            del self._exchanges[: -self._most]

    def exchanges(self, participant: str = "") -> list[Exchange]:
        """Returns the calls of a participant, or all, in order."""
        with self._lock:
            return [one for one in self._exchanges if participant in ("", one.participant)]

    def clear(self) -> None:
        """Forgets all that has come."""
        with self._lock:
            self._exchanges.clear()
