"""The `eventsourcing` recorder over our journal, and the store of aggregates built on it.

Aggregates and feeds share the one order: an aggregate is a stream whose row enforces its versions. The recorder passes the
library's own recorder tests. Table creation, its insert function and its retry are not used: see the traps in docs/decisions.md.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from chuanyu.exchange.v1 import event_pb2
from eventsourcing.application import AggregateNotFoundError, Repository
from eventsourcing.persistence import (
    EventStore,
    IntegrityError,
    JSONTranscoder,
    Mapper,
    Notification,
    OperationalError,
    PersistenceError,
    StoredEvent,
)
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from hub.domain.aggregate import DecidedEvent, HubAggregate
from hub.journal.batch import Appended, Batch, pack_tail
from hub.journal.group import commit_group
from hub.journal.joins import EVENTS_OF, FIRST_EVENT
from hub.journal.primary import towards
from hub.journal.sessions import CONNECT_WITHIN_S, begin_there, in_turn
from hub.journal.statements import ConnectionLost
from hub.journal.writer_connection import SESSION

Aggregate = TypeVar("Aggregate", bound=HubAggregate)


class HubDatastore(PostgresDatastore):
    """The library's connection pool with the writer's role and time-outs."""

    def __init__(self, dsn: str, *, pool_size: int = 1, max_overflow: int = 4, patience_s: float = 5.0) -> None:
        """*dsn* names a login that may SET ROLE hub_writer; *patience_s* is how long to wait for a database that is away.

        Raises the library's OperationalError if it stays away.
        """
        # A connection that broke while it was idle is noticed and replaced before it is used (pre_ping), not by the caller.
        super().__init__("", "", "", "", "", pool_size=pool_size, max_overflow=max_overflow, connect_timeout=patience_s, pre_ping=True)
        # The library takes five parts of a conninfo; this keeps them all, such as sslmode.
        # Its name is there from the first moment on: a writer without it could not be ended when it stalls.
        self._dsn = dsn
        own = {"row_factory": dict_row, "application_name": "hub-writer"}
        self.pool.kwargs = lambda: {"connect_timeout": CONNECT_WITHIN_S, **conninfo_to_dict(towards(dsn)), **own}
        # Who asks a pool that is still connecting has it connect a second time.
        try:
            self.pool.open(wait=True, timeout=patience_s)
        except psycopg.OperationalError as away:
            raise OperationalError(str(away)) from away

    def register_type_adapters(self) -> None:
        """Does nothing, since our schema has none of the library's types; to look for them takes longer than to connect."""

    def after_connect_func(self) -> Callable[[psycopg.Connection[Any]], None]:
        """Sets each new connection up."""
        configure = super().after_connect_func()

        def after_connect(connection: psycopg.Connection[Any]) -> None:
            configure(connection)
            connection.execute(SESSION.encode())
            begin_there(connection, self._dsn, confirms=True)

        return after_connect


class HubRecorder(PostgresApplicationRecorder):
    """Keeps aggregate events in the journal: contiguous notification ids are its positions."""

    def create_table(self) -> None:
        """Does nothing: the schema is `migrations/`."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Appends all or nothing; raises the library's IntegrityError if a version is taken.

        A commit whose answer was lost is looked up: if the events are there, they were ours.
        """
        if not stored_events:
            return []
        for _ in range(5):
            try:
                with self.datastore.get_connection() as connection:
                    return self._append(connection, stored_events)
            except ConnectionLost:
                if (positions := self._positions_if_recorded(stored_events)) is not None:
                    return positions
        raise OperationalError("the journal cannot be reached")

    def _append(self, connection: psycopg.Connection[Any], stored_events: Sequence[StoredEvent]) -> Sequence[int]:
        runs: dict[str, list[StoredEvent]] = {}
        for event in stored_events:
            runs.setdefault(str(event.originator_id), []).append(event)
        streams = _stream_ids(connection, {name: events[0].originator_version for name, events in runs.items()})
        # Of what the hub decides nothing was sent, so there is no digest; random bytes keep its content from being guessed from its leaf.
        batches = [
            Batch(
                streams[name],
                name,
                events[0].originator_version,
                [pack_tail(None, e.topic.encode(), os.urandom(32), e.state) for e in events],
            )
            for name, events in runs.items()
        ]
        outcomes = commit_group(connection.pgconn, batches, all_or_nothing=True)
        if any(not isinstance(outcome, Appended) or outcome.duplicates for outcome in outcomes):
            raise IntegrityError("the version of the aggregate is taken")
        positions = {name: iter(outcome.positions) for name, outcome in zip(runs, outcomes, strict=True) if isinstance(outcome, Appended)}
        return [next(positions[str(event.originator_id)]) for event in stored_events]

    def _positions_if_recorded(self, stored_events: Sequence[StoredEvent]) -> Sequence[int] | None:
        positions = []
        for event in stored_events:
            version = event.originator_version
            rows = self._select(str(event.originator_id), version - 1, version)
            if not rows or (rows[0]["kind"], bytes(rows[0]["data"])) != (event.topic, event.state):
                return None
            positions.append(int(rows[0]["position"]))
        return positions

    def select_events(
        self, originator_id: UUID | str, *, gt: int | None = None, lte: int | None = None, desc: bool = False, limit: int | None = None
    ) -> Sequence[StoredEvent]:
        """Returns an aggregate's events in order of version."""
        rows = self._select(str(originator_id), -1 if gt is None else gt, 2**62 if lte is None else lte)
        rows = (rows[::-1] if desc else rows)[:limit]
        return [StoredEvent(originator_id, row["sequence"], row["kind"], bytes(row["data"])) for row in rows]

    def _select(self, name: str, gt: int, lte: int) -> list[dict[str, Any]]:
        with self.datastore.get_connection() as connection:
            return connection.execute(SELECT_STREAM, {"name": name, "gt": gt, "lte": lte}).fetchall()

    def select_notifications(
        self, start: int | None, limit: int, stop: int | None = None, topics: Sequence[str] = (), *, inclusive_of_start: bool = True
    ) -> Sequence[Notification]:
        """Returns aggregate events in order of position; events of feeds are not among them."""
        parameters = {
            "after": -1 if start is None else start - inclusive_of_start,
            "stop": 2**62 if stop is None else stop,
            "topics": list(topics) or None,
            "limit": limit,
        }
        with self.datastore.get_connection() as connection:
            rows = connection.execute(_SELECT_NOTIFICATIONS, parameters).fetchall()
        return [Notification(UUID(row["name"]), row["sequence"], row["kind"], bytes(row["data"]), id=row["position"]) for row in rows]

    def max_notification_id(self) -> int | None:
        """Returns the head's position, None for an empty journal."""
        with self.datastore.get_connection() as connection:
            row = connection.execute("SELECT NULLIF(position, 0) AS position FROM journal.head").fetchone()
        assert row is not None
        return None if row["position"] is None else int(row["position"])


SELECT_STREAM = f"""
    SELECT e.position, e.sequence, e.kind, e.data
    FROM journal.stream s {EVENTS_OF}
    WHERE s.name = %(name)s AND b.last_sequence > %(gt)s AND b.first_sequence <= %(lte)s
      AND e.sequence > %(gt)s AND e.sequence <= %(lte)s
    ORDER BY e.sequence"""  # noqa: S608 (our own text)
_SELECT_BEGUN_WITH = f"""
    SELECT s.name
    FROM journal.stream s
    JOIN journal.batch b ON b.stream_id = s.stream_id AND b.first_sequence = 1
    {FIRST_EVENT}
    WHERE NOT s.is_feed AND e.kind = %(kind)s
    ORDER BY e.position"""  # noqa: S608 (our own text)
_SELECT_NOTIFICATIONS = """
    SELECT e.position, s.name, e.sequence, e.kind, e.data
    FROM journal.event e JOIN journal.stream s USING (stream_id)
    WHERE e.position > %(after)s AND e.position <= %(stop)s AND NOT s.is_feed
      AND (%(topics)s::text[] IS NULL OR e.kind = ANY (%(topics)s))
    ORDER BY e.position LIMIT %(limit)s"""


def _stream_ids(connection: psycopg.Connection[Any], first_versions: dict[str, int]) -> dict[str, int]:
    """Returns the ids of aggregates' streams, made on first sight; the library numbers from 1 (its own tests also from 0)."""
    names = list(first_versions)
    connection.execute(
        """INSERT INTO journal.stream (name, owner, is_feed, next_sequence)
           SELECT name, name, false, first FROM unnest(%s::text[], %s::bigint[]) n (name, first) WHERE first <= 1
             AND NOT EXISTS (SELECT FROM journal.stream s WHERE s.name = n.name)
           ON CONFLICT (name) DO NOTHING""",
        (names, list(first_versions.values())),
    )
    rows = connection.execute("SELECT name, stream_id FROM journal.stream WHERE name = ANY (%s)", (names,)).fetchall()
    found = {row["name"]: row["stream_id"] for row in rows}
    if len(found) < len(names):
        raise IntegrityError("the aggregate does not exist")
    return found


class EventMapper(Mapper[UUID]):
    """Maps a decided event to a stored one: the topic is the kind, the state the bytes of the Event message."""

    def __init__(self) -> None:
        """Needs no transcoder: Protobuf is the storage format."""
        super().__init__(JSONTranscoder())

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Serialises a DecidedEvent."""
        event = event_pb2.Event(card=domain_event.card, service_region=domain_event.service_region)
        event.occurred_at.FromDatetime(domain_event.timestamp)
        getattr(event, domain_event.kind).CopyFrom(domain_event.message)
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, domain_event.kind, event.SerializeToString())

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Parses a DecidedEvent."""
        event = event_pb2.Event.FromString(stored_event.state)
        assert isinstance(stored_event.originator_id, UUID)
        return DecidedEvent(
            stored_event.originator_id,
            stored_event.originator_version,
            stored_event.topic,
            getattr(event, stored_event.topic),
            event.occurred_at.ToDatetime(),
        )


class AggregateStore:
    """Loads and saves aggregates; close it when done."""

    def __init__(self, dsn: str, patience_s: float = 5.0) -> None:
        """*dsn* names a login that may SET ROLE hub_writer; *patience_s* is how long to wait for a database that is away."""
        self._datastore = HubDatastore(dsn, patience_s=patience_s)
        try:
            self.recorder = HubRecorder(self._datastore)
        except PersistenceError:
            self._datastore.close()
            raise
        self._store: EventStore[UUID] = EventStore(EventMapper(), self.recorder)
        self._repository: Repository[UUID] = Repository(self._store)

    def get(self, kind: type[Aggregate], aggregate_id: UUID) -> Aggregate | None:
        """Rebuilds an aggregate, None if there is none."""
        try:
            return self._repository.get(aggregate_id, projector_func=kind.project)
        except AggregateNotFoundError:
            return None

    def all_begun_with(self, event_kind: str, kind: type[Aggregate]) -> list[Aggregate]:
        """Rebuilds all aggregates whose first event is of a kind, in the order in which they began."""
        with self._datastore.get_connection() as connection:
            rows = connection.execute(_SELECT_BEGUN_WITH, {"kind": event_kind}).fetchall()
        found = (self.get(kind, UUID(row["name"])) for row in rows)
        return [aggregate for aggregate in found if aggregate is not None]

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Holds the one lock of a name: for rules between aggregates, which the versions of each cannot keep."""
        with self._datastore.get_connection() as connection, in_turn(connection, what):
            yield

    def save(self, *aggregates: HubAggregate) -> Sequence[int]:
        """Appends the pending events of aggregates, all or nothing, and returns their positions."""
        pending = [event for aggregate in aggregates for event in aggregate.collect_events()]
        return [recording.notification.id for recording in self._store.put(pending)]

    def feed_owners(self, feeds: Sequence[str]) -> dict[str, str]:
        """Returns the owners of those of the feeds that exist."""
        with self._datastore.get_connection() as connection:
            rows = connection.execute("SELECT name, owner FROM journal.stream WHERE name = ANY (%s)", (list(feeds),)).fetchall()
        return {row["name"]: row["owner"] for row in rows}

    def ensure_feeds(self, feeds: Iterable[tuple[str, str]]) -> None:
        """Makes the rows of (feed, owner) that do not exist yet."""
        with self._datastore.get_connection() as connection:
            for feed, owner in feeds:
                connection.execute(
                    """INSERT INTO journal.stream (name, owner, is_feed, next_sequence) VALUES (%s, %s, true, 1)
                       ON CONFLICT (name) DO NOTHING""",
                    (feed, owner),
                )

    def close(self) -> None:
        """Closes the connections."""
        self._datastore.close()
