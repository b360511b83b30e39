"""An edge at a standby: it serves what only reads, and sends callers elsewhere with all that would be recorded."""

from collections.abc import AsyncIterator
from typing import Any, NoReturn

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Handler, Methods, service, streaming, unary
from hub.domain.errors import JournalUnavailable
from hub.domain.services import SERVICES


class EdgeReadsOnly(JournalUnavailable):
    """This edge is at a standby and records nothing; send to another edge."""


class StandbyAway(JournalUnavailable):
    """The synchronous standby of the database is away, and nothing is recorded without it; resend, nothing is lost."""


class StandbyLate(JournalUnavailable):
    """The standby that this edge reads is too far behind its primary; ask another edge, or come back."""


def refusing(gate: Gate) -> tuple[Methods, ...]:
    """Makes the tables that refuse whatever is not served by those before them, once the caller is known.

    What they refuse is recorded first, makes a sender forget what it has, or speaks of what was signed last: that is the primary's.
    """
    methods_of = ((name, one.methods) for name, one in SERVICES.items())
    return tuple(service(name, {method.name: _refusing(gate, method) for method in methods}) for name, methods in methods_of)


def _refusing(gate: Gate, method: MethodDescriptor) -> Handler:
    return streaming(gate, bytes, _refuse_all) if method.client_streaming else unary(gate, bytes, _refuse)


async def _refuse(_: bytes, __: Caller) -> NoReturn:
    raise EdgeReadsOnly


async def _refuse_all(_: AsyncIterator[Any], __: Caller) -> AsyncIterator[Message]:
    raise EdgeReadsOnly
    yield
