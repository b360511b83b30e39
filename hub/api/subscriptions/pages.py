"""Pages of the journal as one reader may see them: filtered to what concerns it, with its own identifiers in clear from the vault.

One thread reads for those that have caught up, and another for those that read what was, by turns of their participants: a backlog of
years delays nobody that waits for the news. A page is read only when its subscription has taken the one before, so what is in memory is
bounded by the pages, whatever the readers do.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2, references_pb2
from chuanyu.exchange.v1 import subscription_service_pb2 as protos
from eventsourcing.persistence import PersistenceError

from hub.admin.agreement_names import agreement_of
from hub.api.edge.turns import Reads
from hub.domain.disclosure import Origin, Reader, concerns, identifier_of, is_readable
from hub.domain.errors import CursorAhead, CursorTooOld, HubError, JournalUnavailable
from hub.domain.participant import PREFIX, Participant
from hub.domain.pseudonym import references_of
from hub.domain.quarantine import QUARANTINE_FEED, told_in
from hub.domain.wellformed import drop_impossible_instants
from hub.domain.withholding import withhold_telltales
from hub.intake.compiled_rules import accepts
from hub.intake.request_rules import timestamp_of
from hub.journal.archived import all_segments
from hub.journal.reader import Recorded, first_position, head_position, read_page
from hub.journal.recorder import AggregateStore
from hub.journal.traces import link_back
from hub.journal.vault import VaultRowDamaged, open_identifiers
from hub.telemetry import names, span_export
from hub.telemetry.spans import Call, Kind, now_ns
from hub.trust.keyring import Keyring

log = logging.getLogger(__name__)

PAGE_POSITIONS = 500
# Where the filter leaves few events of many, a page may span more of the journal.
PAGE_POSITIONS_OF_KINDS = 5_000
_SETTINGS = {"default_transaction_read_only": "on", "jit": "off"}


class Page(NamedTuple):
    """What concerns the reader up to *through*, and where the journal ended."""

    delivered: list[protos.DeliveredEvent]
    through: int
    head: int


class _Named(NamedTuple):
    """A reference that the reader may see in clear, and its path."""

    path: str
    ref: Any


def is_backlog(after: int, head: int) -> bool:
    """Whether a subscription that is after a position reads what was."""
    return head - after >= PAGE_POSITIONS


class SubscriptionPages:
    """Reads pages in threads of its own; close it when done."""

    def __init__(self, dsn: str, keyring: Keyring, refused: Callable[[], HubError | None] = lambda: None) -> None:
        """*dsn* names a login that may SET ROLE hub_writer: the vault is open to that role alone. *refused* says why nothing is read."""
        self._keyring = keyring
        self._store = AggregateStore(dsn)
        self._live = Reads(dsn, "hub_writer", "hub-subscriptions", settings=_SETTINGS, refused=refused)
        self._backlog = Reads(dsn, "hub_writer", "hub-backlog", settings=_SETTINGS, refused=refused)
        self._origins: dict[int | str, Origin] = {}

    async def check_cursor(self, whose: str, after: int) -> int:
        """Returns the head; raises CursorAhead or CursorTooOld."""
        return int(await self._live.read(whose, _checked, after))

    async def read(self, after: int, kinds: Sequence[str], reader: Reader, head: int) -> Page:
        """Returns the next page after a position, in the turn of those that are near *head* or of the others; raises JournalUnavailable."""
        reads = self._backlog if is_backlog(after, head) else self._live
        page: Page = await reads.read(reader.urn, self._guarded, after, kinds, reader)
        return page

    def close(self) -> None:
        """Ends the threads and closes their connections."""
        self._live.close()
        self._backlog.close()
        self._store.close()

    def _guarded(self, connection: psycopg.Connection, after: int, kinds: Sequence[str], reader: Reader) -> Page:
        try:
            return self._read(connection, after, kinds, reader)
        except PersistenceError:
            raise JournalUnavailable from None
        except VaultRowDamaged as damage:
            # A fault of the hub's, not of the reader's.
            raise RuntimeError(str(damage)) from damage

    def _read(self, connection: psycopg.Connection, after: int, kinds: Sequence[str], reader: Reader) -> Page:
        head, began = head_position(connection), now_ns()
        through = min(after + (PAGE_POSITIONS_OF_KINDS if kinds else PAGE_POSITIONS), head)
        page = _page(connection, after, through, kinds) if through > after else []
        if kinds and len(page) > PAGE_POSITIONS:
            page = page[:PAGE_POSITIONS]
            through = page[-1].position
        mine = [event for event in page if concerns(event.event, event.kind, self._origin(connection, event), reader)]
        delivered = self._deliver(connection, mine, reader)
        if mine:
            _tell_delivered(connection, began, mine, reader)
        return Page(delivered, through, head)

    def _deliver(self, connection: psycopg.Connection, page: list[Recorded], reader: Reader) -> list[protos.DeliveredEvent]:
        delivered, readable = [], []
        for recorded in page:
            origin = self._origin(connection, recorded)
            item = protos.DeliveredEvent(position=recorded.position, recorded_at=timestamp_of(recorded.recorded_us), event=recorded.event)
            for message in (item.event, getattr(item.event, recorded.kind)):
                if not accepts(message.DESCRIPTOR)(message):
                    drop_impossible_instants(message)
            if recorded.kind.startswith("agreement_"):
                item.agreement.CopyFrom(agreement_of(connection, recorded))
            if origin.feed:
                item.recorded_as.CopyFrom(references_pb2.EventRef(feed=origin.feed, sequence=recorded.sequence))
            delivered.append(item)
            readable.append(_withhold(item.event, recorded.kind, origin, reader))
        keys = {named.ref.key for found in readable for named in found}
        opened = open_identifiers(connection, self._keyring, list(keys)) if keys else {}
        for item, found in zip(delivered, readable, strict=True):
            for path, ref in found:
                name = opened.get(ref.key)
                ref.ClearField("key")
                if name is None:
                    item.erased_paths.append(path)
                else:
                    ref.clear = identifier_of(ref, name)
        return delivered

    def _origin(self, connection: psycopg.Connection, recorded: Recorded) -> Origin:
        """Returns where an event was recorded; one that was released from quarantine is still its province's."""
        origin = self._stream(connection, _STREAM, recorded.stream_id)
        if origin.feed != QUARANTINE_FEED:
            return origin
        return self._stream(connection, _FEED, told_in(recorded.event))._replace(feed=QUARANTINE_FEED)

    def _stream(self, connection: psycopg.Connection, statement: str, name: int | str) -> Origin:
        found = self._origins.get(name)
        if found is None:
            row: Any = connection.execute(statement.encode(), (name,)).fetchone()
            if not row[2]:
                # There are many aggregates, and one is rarely read twice.
                return Origin("", row[1], "")
            owner = self._store.get(Participant, Participant.create_id(row[1]))
            found = self._origins[name] = Origin(row[0], row[1], owner.province if owner is not None else "")
        return found


def _tell_delivered(connection: psycopg.Connection, began: int, page: list[Recorded], reader: Reader) -> None:
    """Counts what is delivered, and keeps a span that links to the appends it came from if one of those is kept."""
    call = Call(names.DELIVER_SPAN, kind=Kind.PRODUCER, participant=reader.urn.removeprefix(PREFIX))
    names.SUBSCRIPTION_DELIVERED.add(call.participant, count=len(page))
    if span_export.is_on():
        call.began = began
        link_back(connection, call, page[0].position - 1, page[-1].position, "send")
        call.attributes[names.MESSAGING_COUNT] = len(page)
        span_export.ended(call)


def _page(connection: psycopg.Connection, after: int, through: int, kinds: Sequence[str]) -> list[Recorded]:
    """Returns the events of a page; raises CursorTooOld where they are archived and their segments cannot be read here."""
    try:
        return read_page(connection, after, through, kinds or None)
    except HubError:
        log.warning("subscriptions: archived events cannot be read", exc_info=True)
        if away := all_segments(connection):
            raise CursorTooOld(first_position=away[-1].last + 1) from None
        # They came back meanwhile.
        return read_page(connection, after, through, kinds or None)


def _checked(connection: psycopg.Connection, after: int) -> int:
    head, first = head_position(connection), first_position(connection)
    if after > head:
        raise CursorAhead(head_position=head)
    if after < first - 1:
        raise CursorTooOld(first_position=first)
    return head


def _withhold(event: event_pb2.Event, kind: str, origin: Origin, reader: Reader) -> list[_Named]:
    """Takes the value from every reference that the reader may not see, and returns the others, which still hold keys."""
    readable = []
    for prefix, message in (("", event), (f"{kind}.", getattr(event, kind))):
        for place, ref in references_of(message):
            if is_readable(ref, event, origin, reader):
                readable.append(_Named(f"{prefix}{'.'.join(place.path)}", ref))
            else:
                ref.ClearField("key")
    is_own = reader.urn in (origin.owner, event.decision_made.participant)
    withhold_telltales(event, kind, is_card_readable=is_readable(event.card, event, origin, reader), is_own=is_own)
    return readable


_STREAM = "SELECT name, owner, is_feed FROM journal.stream WHERE stream_id = %s"
_FEED = "SELECT name, owner, is_feed FROM journal.stream WHERE name = %s"
