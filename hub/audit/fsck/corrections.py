"""What corrects or reverses what: the links beside the journal against what the events themselves say."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from chuanyu.exchange.v1 import references_pb2 as references

from hub.audit.fsck.differences import Difference
from hub.audit.fsck.scene import Scene
from hub.domain.quarantine import QUARANTINE_FEED
from hub.journal.reader import Recorded

_REEVALUATED = "quarantine_reevaluated"


def examine_corrections(scene: Scene) -> Iterator[Difference]:
    """Compares the links of each page with those that follow from its events."""
    feeds: dict[str, tuple[int, str]] = {name: (stream, owner) for stream, name, owner in scene.rows(_FEEDS)}
    names = {stream: name for name, (stream, _) in feeds.items()}
    wanted = _those_that_may_correct(feeds)
    for after, through in scene.pages("corrections"):
        derived = {(position, *link) for position, link in _derived(scene, feeds, wanted, after, through)}
        kept = set(scene.rows(_LINKS, after=after, through=through))
        for code, differing in (("correction-missing", derived - kept), ("correction-added", kept - derived)):
            for position, stream, sequence in sorted(differing):
                yield Difference(code, position=position, feed=names.get(stream, stream), sequence=sequence)


def _derived(
    scene: Scene, feeds: dict[str, tuple[int, str]], wanted: str, after: int, through: int
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yields (position, (stream, sequence)) of what the events of a page correct or reverse."""
    rows = scene.rows(_CANDIDATES.format(wanted=wanted), after=after, through=through)
    for recorded in scene.readable(Recorded(position, 0, 0, 0, "", data) for position, data in rows):
        yield from ((recorded.position, link) for link in _links(feeds, _named_by(recorded.event)))
    if QUARANTINE_FEED in feeds:
        yield from _released(scene, feeds, after, through)


def _released(scene: Scene, feeds: dict[str, tuple[int, str]], after: int, through: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """An event that was released is a correction of the number it was quarantined under, too, which the event before it names."""
    own = feeds[QUARANTINE_FEED][0]
    evaluated = [recorded for recorded in scene.events(after - 1, through, (_REEVALUATED,)) if recorded.stream_id == own]
    accepted = {recorded.position + 1: recorded.event.quarantine_reevaluated for recorded in evaluated}
    positions = [position for position, one in accepted.items() if one.accepted and after < position <= through]
    for recorded in scene.events(after, through, (), positions) if positions else ():
        named = [*_named_by(recorded.event), accepted[recorded.position].event]
        yield from ((recorded.position, link) for link in _links(feeds, named))


def _named_by(event: Any) -> list[references.EventRef]:
    return [getattr(event, field) for field in ("corrects", "reverses") if event.HasField(field)][:1]


def _links(feeds: dict[str, tuple[int, str]], named: list[references.EventRef]) -> set[tuple[int, int]]:
    return {(feeds[one.feed][0], one.sequence) for one in named if one.feed in feeds}


def _those_that_may_correct(feeds: dict[str, tuple[int, str]]) -> str:
    """Returns a condition that is true of each event that names a feed of its own owner: most name none, and need not be parsed."""
    of_owner: dict[str, list[str]] = defaultdict(list)
    for name, (_, owner) in feeds.items():
        of_owner[owner].append(f"position('\\x0a{len(name):02x}{name.encode().hex()}'::bytea IN data) > 0")
    conditions = [
        f"stream_id = {stream:d} AND ({' OR '.join(sorted(of_owner[owner]))})"
        for name, (stream, owner) in feeds.items()
        if name != QUARANTINE_FEED
    ]
    return " OR ".join(conditions) or "false"


_FEEDS = "SELECT stream_id, name, owner FROM journal.stream WHERE is_feed ORDER BY stream_id"
_CANDIDATES = """
    SELECT position, data FROM journal.history
    WHERE position > %(after)s AND position <= %(through)s AND kind <> 'event_quarantined' AND ({wanted})"""
_LINKS = "SELECT position, stream_id, sequence FROM journal.correction WHERE position > %(after)s AND position <= %(through)s"
