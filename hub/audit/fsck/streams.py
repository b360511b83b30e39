"""The streams: each feed belongs to the participant that registered it, and each aggregate has the name that its first event gives."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from hub.audit.fsck.differences import Difference
from hub.audit.fsck.scene import Scene
from hub.domain.agreement import Agreement
from hub.domain.agreement_history import TABLE_OFFICER
from hub.domain.archiving import Archiving
from hub.domain.audit_request import AuditRequest
from hub.domain.erasure import Erasure
from hub.domain.hotlist import Hotlist
from hub.domain.instants import day_of, epoch_day, microseconds
from hub.domain.joint_services.book import CatalogueBook
from hub.domain.log_book import LogBook
from hub.domain.loss import Loss
from hub.domain.participant import DECISIONS_FEED, HUB, Participant
from hub.domain.quarantine import QUARANTINE_FEED
from hub.domain.receipt_book import ReceiptBook
from hub.domain.rule_book import RuleBook
from hub.journal.clock import FEED as CLOCK_FEED
from hub.journal.envelope import BLIND
from hub.journal.own_events import INDEX_FEED, SNAPSHOT_FEED
from hub.journal.reader import Recorded

# What is appended to these as an answer has a request that leads to it.
ANSWERING = (DECISIONS_FEED, CLOCK_FEED, INDEX_FEED, SNAPSHOT_FEED)
HUB_FEEDS = dict.fromkeys((*ANSWERING, QUARANTINE_FEED), HUB)
_PAGE_STREAMS = 10_000
# A feed gets its row right after its registration.
_SETTLED = "1 minute"


def examine_feeds(scene: Scene) -> Iterator[Difference]:
    """Compares names and owners of feeds with what was registered."""
    # The rows are read first: a feed gets its row after its registration is recorded.
    rows: dict[str, str] = dict(scene.rows("SELECT name, owner FROM journal.stream WHERE is_feed"))
    [(now, settled)] = scene.rows(_NOW)
    events = scene.decided["participant_registered"] + scene.decided["participant_feed_added"]
    events += scene.events(scene.head, now, ("participant_registered", "participant_feed_added"))
    registered = HUB_FEEDS | _registered(events)
    absent = [feed for feed in _registered([event for event in events if event.position <= settled]) if feed not in rows]
    for feed, owner in rows.items():
        if feed not in registered:
            yield Difference("feed-unregistered", feed=feed, owner=owner, absent=", ".join(absent) or "-")
        elif owner != registered[feed]:
            yield Difference("feed-owner", feed=feed, owner=owner, registered=registered[feed])
    for feed in absent:
        yield Difference("feed-missing", feed=feed, owner=registered[feed])


def examine_aggregates(scene: Scene) -> Iterator[Difference]:
    """Compares names of aggregates with the ids that follow from their first events; one that has no event yet has no name to compare."""
    [(last,)] = scene.rows("SELECT COALESCE(max(stream_id), 0) FROM journal.stream")
    for after in range(0, last, _PAGE_STREAMS):
        for name, owner, *event in scene.rows(_AGGREGATES, after=after, through=after + _PAGE_STREAMS):
            for recorded in scene.readable([Recorded(*event)]):
                if owner != name or name not in _names_of(scene, recorded, name):
                    yield Difference("aggregate-name", feed=name, position=recorded.position, sequence=recorded.sequence)


def _names_of(scene: Scene, recorded: Recorded, name: str) -> set[str]:
    """Returns the names that follow from the first event: a loss has the one with its request's blind, or the one from before."""
    if recorded.kind != "loss_opened":
        return {_name_of(recorded, name)}
    opened = recorded.event.loss_opened
    with scene.recalling([(opened.request_position, opened.request_position)]):
        blinds = [bytes(row[0]) for row in scene.rows(BLIND, position=opened.request_position)]
    about = opened.card.key, opened.loss_type, microseconds(opened.requested_at)
    return {str(Loss.create_id(*about, blind)) for blind in (b"", *blinds)}


def _name_of(recorded: Recorded, name: str) -> str:
    """Returns the name that follows from the first event, "" where none can; an event of another kind gives none."""
    if (name_of := _NAMES.get(recorded.kind)) is None:
        return name
    try:
        return str(name_of(getattr(recorded.event, recorded.kind)))
    except (ValueError, OverflowError):
        return ""


def _registered(events: list[Recorded]) -> dict[str, str]:
    """Returns the owners of feeds; who registered a feed first has it."""
    owners: dict[str, str] = {}
    for recorded in events:
        message: Any = getattr(recorded.event, recorded.kind)
        for feed in message.feeds if recorded.kind == "participant_registered" else (message.feed,):
            owners.setdefault(feed, message.participant)
    return owners


def _agreement_id(drafted: Any) -> UUID:
    """A row of the reference table is named without its version, and by its first day; what operators draft, by its code alone."""
    if drafted.officer != TABLE_OFFICER:
        return Agreement.create_drafted_id(drafted.agreement_code)
    return Agreement.create_id(drafted.agreement_code.rpartition("/")[0], day_of(epoch_day(microseconds(drafted.terms.valid_from))))


_NAMES: Mapping[str, Callable[[Any], UUID]] = {
    "participant_registered": lambda message: Participant.create_id(message.participant),
    "log_keys_taken_up": lambda _: LogBook.create_id(),
    "receipt_key_taken_up": lambda _: ReceiptBook.create_id(),
    "rules_published": lambda _: RuleBook.create_id(),
    "hotlist_published": lambda _: Hotlist.ID,
    "service_item_drafted": lambda _: CatalogueBook.create_id(),
    "archiving_requested": lambda message: Archiving.create_id(message.first_position),
    "erasure_requested": lambda message: Erasure.create_id(message.erasure_code),
    "audit_requested": lambda message: AuditRequest.create_id(message.audit_code),
    "agreement_drafted": _agreement_id,
}
_NOW = f"""
    SELECT h.position, COALESCE((SELECT max(b.first_position + b.last_sequence - b.first_sequence) FROM journal.batch b
                                 WHERE b.recorded_at < clock_timestamp() - interval '{_SETTLED}'), 0) FROM journal.head h"""  # noqa: S608
_AGGREGATES = """
    SELECT s.name, s.owner, e.position, (extract(epoch FROM e.recorded_at) * 1000000)::bigint, e.stream_id, e.sequence, e.kind, e.data
    FROM journal.stream s
    JOIN LATERAL (SELECT * FROM journal.batch b WHERE b.stream_id = s.stream_id ORDER BY b.first_sequence LIMIT 1) b ON true
    JOIN journal.event e ON e.position = b.first_position
    WHERE s.stream_id > %(after)s AND s.stream_id <= %(through)s AND s.is_feed IS NOT TRUE"""
