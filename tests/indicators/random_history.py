"""Histories by chance: events that come late, twice, corrected, corrected again, reversed, and before what they name.

Of each event only the rule of corrections says whether it is in force (`hub.domain.corrections`); what it counts is for the test to say.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2
from hypothesis import strategies as st

from hub.domain.corrections import Member, standing
from hub.projections.engine import advance
from hub.projections.projection import View
from tests.recording import Recording, correcting, journey, reversing

FEEDS = ("cq.usage", "cq.card-center", "sc.usage", "sc.card-center")
# How an event changes another: by which of the two, and how far before or after the end of its feed that one is.
Change = tuple[Callable[[event_pb2.Event, int, str], event_pb2.Event], int] | None
# What makes an event of an example, by its number; its feed; what it changes; how often it comes.
Step = tuple[Callable[[int], event_pb2.Event], str, Change, int]
CHANGES = st.none() | st.none() | st.tuples(st.sampled_from([correcting, reversing]), st.integers(-6, 2))


class One(NamedTuple):
    """An event as it was recorded: where, under which number, and what it says."""

    position: int
    name: tuple[str, int]
    event: event_pb2.Event

    @property
    def kind(self) -> str:
        return self.event.WhichOneof("kind") or ""

    @property
    def at_s(self) -> int:
        return self.event.occurred_at.seconds

    @property
    def day(self) -> date:
        return (datetime.fromtimestamp(self.at_s, UTC) + timedelta(hours=8)).date()


class History:
    """All that was recorded in a journal, by every example that went on in it."""

    def __init__(self, journal: Recording) -> None:
        self._journal, self.told, self._example = journal, list[One](), 0

    def record(self, steps: Iterable[Step]) -> None:
        self._example += 1
        for make, feed, change, times in steps:
            event = make(self._example)
            if change is not None:
                how, offset = change
                how(event, max(1, self._journal.next_sequence(feed) + offset), feed)
            for _ in range(times):
                number = self._journal.next_sequence(feed)
                [position] = self._journal.append(event, feed=feed)
                self.told.append(One(position, (feed, number), event))

    def pass_over(self) -> None:
        """Records events that nothing counts, for the changes to meet that came before what they name."""
        self.record((lambda _: journey("PASSED"), feed, None, 3) for feed in FEEDS)

    def in_force(self, position: int) -> list[One]:
        """What was in force at a position, in order."""
        known = [one for one in self.told if one.position <= position]
        stands = standing(_member(one) for one in known)
        return [one for one in known if one.position in stands]


def _member(one: One) -> Member:
    event = one.event
    named = event.reverses if event.HasField("reverses") else event.corrects if event.HasField("corrects") else None
    own = None if named is None else (named.feed, named.sequence)
    return Member(one.position, one.name, () if own is None else (own,), own, event.HasField("reverses"))


def fold(connection: psycopg.Connection, views: Sequence[View], page_events: int) -> None:
    """Brings views up to the head, in pages of so many events."""
    for view in views:
        while advance(connection, view, page_events=page_events):
            pass
