"""The hub from outside: a participant's stubs, a feed of one's own, a refusal taken apart, and the journal's rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
import psycopg
from chuanyu.exchange.v1 import card_service_pb2_grpc, errors_pb2, event_pb2, feed_service_pb2, feed_service_pb2_grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from hub.admin.registry import register_participant
from hub.domain.participant import OPERATOR, OPERATOR_METADATA
from hub.domain.roles import every_role
from hub.journal.reader import Recorded, head_position, read_page
from tests.hub_process import FEEDS, RunningHub

REASONS = frozenset(name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys())  # noqa: SIM118
DEADLINE_S = 30.0


def add_feed(hub: RunningHub, urn: str, feed: str) -> str:
    """Gives a participant a feed that no other test writes to, and returns its name."""
    register_participant(hub.store, urn, FEEDS[urn][0], urn, [feed], datetime.now(UTC), every_role())
    return feed


class Province:
    """One participant's way to a hub: *channel*, *feeds*, *cards*."""

    def __init__(self, hub: RunningHub, urn: str, edge: int = 0) -> None:
        self.channel = hub.channel(urn, edge)
        self.feeds = feed_service_pb2_grpc.FeedServiceStub(self.channel)
        self.cards = card_service_pb2_grpc.CardServiceStub(self.channel)

    def append(self, feed: str, first_sequence: int, *events: event_pb2.Event) -> feed_service_pb2.AppendEventsResponse:
        """Appends a batch."""
        request = feed_service_pb2.AppendEventsRequest(feed=feed, first_sequence=first_sequence, events=events)
        return self.feeds.AppendEvents(request, timeout=DEADLINE_S)

    def tell(self, feed: str, *events: event_pb2.Event) -> int:
        """Appends events where the feed ends, and returns the position of the last."""
        return int(self.append(feed, self.next_sequence(feed), *events).positions[-1])

    def next_sequence(self, feed: str) -> int:
        """Asks where a feed is."""
        request = feed_service_pb2.GetFeedRequest(feed=feed)
        return int(self.feeds.GetFeed(request, timeout=DEADLINE_S).next_sequence)


class _AsOperator(grpc.UnaryUnaryClientInterceptor):
    """Names the operator with each call."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(client_call_details._replace(metadata=((OPERATOR_METADATA, "tests"),)), request)


class Operators(Province):
    """The operators' way to a hub; they may ask for any place and instant."""

    def __init__(self, hub: RunningHub) -> None:
        super().__init__(hub, OPERATOR)
        self.cards = card_service_pb2_grpc.CardServiceStub(grpc.intercept_channel(self.channel, _AsOperator()))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused call; *reason* is "" and *status* empty where gRPC itself refused."""

    code: grpc.StatusCode
    text: str
    status: status_pb2.Status

    @property
    def reason(self) -> str:
        """The reason of its ErrorInfo."""
        infos = self.details(error_details_pb2.ErrorInfo)
        assert len(infos) <= 1
        assert {info.reason for info in infos} <= REASONS
        return infos[0].reason if infos else ""

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of its ErrorInfo."""
        return dict(self.details(error_details_pb2.ErrorInfo)[0].metadata)

    @property
    def violations(self) -> list[tuple[str, str]]:
        """(field path, rule) of its BadRequest; the words are for people."""
        found = self.details(error_details_pb2.BadRequest)
        return [(violation.field, violation.reason) for violation in found[0].field_violations]

    def details(self, kind: type[Message]) -> list[Any]:
        """Its details of one kind."""
        return [kind.FromString(detail.value) for detail in self.status.details if detail.Is(kind.DESCRIPTOR)]


def refused(call: Callable[[], object]) -> Refusal:
    """Makes a call that must be refused and takes the refusal apart."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return refusal_of(error)
    raise AssertionError(f"not refused: {answer}")


def refusal_of(error: grpc.RpcError) -> Refusal:
    """Takes apart how a call was refused."""
    assert isinstance(error, grpc.Call)
    return Refusal(error.code(), error.details(), rpc_status.from_call(error) or status_pb2.Status())


def refused_in_stream(status: status_pb2.Status) -> Refusal:
    """Takes apart a refusal that was answered in a stream."""
    codes = {code.value[0]: code for code in grpc.StatusCode}
    return Refusal(codes[status.code], status.message, status)


def journal(dsn: str) -> Iterator[Recorded]:
    """Every recorded event."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield from read_page(connection, 0, head_position(connection))


def recorded_at(dsn: str, position: int) -> Recorded:
    """The event at a position."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return read_page(connection, position - 1, position)[0]


def of_feed(dsn: str, feed: str) -> list[Recorded]:
    """The events of a feed, in order."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("SELECT stream_id FROM journal.stream WHERE name = %s", (feed,)).fetchone()
        assert row is not None
        return [event for event in read_page(connection, 0, head_position(connection)) if event.stream_id == row[0]]
