"""Parses a request no larger than it may be."""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from hub.domain.errors import RequestMalformed, RequestTooLarge

# Any request but a batch: the largest that keeps every rule is a tenth of that.
REQUEST_BYTES = 16 * 1024

Request = TypeVar("Request", bound=Message)


def reader(kind: type[Request], most_bytes: int = REQUEST_BYTES) -> Callable[[bytes], Request]:
    """Returns what parses messages of a type; it raises RequestMalformed, or RequestTooLarge before anything is parsed."""

    def read(data: bytes) -> Request:
        if len(data) > most_bytes:
            raise RequestTooLarge(f"It has {len(data):,} bytes.", bytes=len(data), limit_bytes=most_bytes)
        try:
            return kind.FromString(data)
        except DecodeError:
            raise RequestMalformed from None

    return read
