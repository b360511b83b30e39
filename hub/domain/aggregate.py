"""What the hub itself decides is an aggregate whose events are messages of the one vocabulary, never Python paths.

Ids and instants are passed in, never taken inside. `eventsourcing`'s event store and repository keep and rebuild them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

from chuanyu.exchange.v1 import references_pb2 as references
from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class DecidedEvent:
    """One event of an aggregate: *kind* is the field of the message in Event's oneof; *card* and *service_region* what it is about."""

    originator_id: UUID
    originator_version: int
    kind: str
    message: Message
    timestamp: datetime
    card: references.CardRef | None = None
    service_region: str = ""


class HubAggregate:
    """Keeps identity, version and the events not yet saved; a subclass folds with `apply`, and says which card it is about, if one."""

    id: UUID
    version: int
    card: references.CardRef | None = None
    service_region: str = ""
    _pending: list[DecidedEvent]

    def __init__(self, created: Any) -> None:
        """Starts from the message of the first event."""
        raise NotImplementedError

    @classmethod
    def begin(cls, kind: str, message: Message, aggregate_id: UUID, at: datetime) -> Self:
        """Makes a new aggregate whose first event is *message*."""
        aggregate = cls(message)
        aggregate.id, aggregate.version = aggregate_id, 1
        aggregate._pending = [DecidedEvent(aggregate_id, 1, kind, message, at, aggregate.card, aggregate.service_region)]
        return aggregate

    @classmethod
    def project(cls, aggregate: Self | None, events: Iterable[DecidedEvent]) -> Self | None:
        """Rebuilds an aggregate from its events (the library's projector function)."""
        for event in events:
            if aggregate is None:
                aggregate = cls(event.message)
                aggregate.id, aggregate._pending = event.originator_id, []
            else:
                aggregate.apply(event.kind, event.message)
            aggregate.version = event.originator_version
        return aggregate

    def record(self, kind: str, message: Message, at: datetime) -> None:
        """Adds the next event and folds it."""
        self.version += 1
        self._pending.append(DecidedEvent(self.id, self.version, kind, message, at, self.card, self.service_region))
        self.apply(kind, message)

    def apply(self, kind: str, message: Any) -> None:
        """Folds one event after the first."""
        raise NotImplementedError

    def collect_events(self) -> Sequence[DecidedEvent]:
        """Hands over what is not yet saved."""
        pending, self._pending = self._pending, []
        return pending


class Step(NamedTuple):
    """One event of an aggregate as it is shown: its kind, when it was, and its message."""

    kind: str
    at: datetime
    message: Any


class SteppedAggregate(HubAggregate):
    """Keeps what was done with it and when, for those who read it."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def project(cls, aggregate: Self | None, events: Iterable[DecidedEvent]) -> Self | None:
        """Rebuilds it, and keeps when each step was."""
        further = list(events)
        found = super().project(aggregate, further)
        if found is not None:
            found.steps += tuple(Step(one.kind, one.timestamp.replace(tzinfo=UTC), one.message) for one in further)
        return found
