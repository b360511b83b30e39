"""What an examination works on: a session that only reads, in bounded pages up to the head that was read first, and what was found."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import psycopg
from google.protobuf.message import DecodeError
from psycopg.pq import TransactionStatus

from hub.audit.fsck.differences import Difference
from hub.journal.archived import HISTORY, Run, recalled
from hub.journal.reader import Recorded, read_page
from hub.projections.projection import View
from hub.tlog.note import Note
from hub.tlog.policy import Policy
from hub.trust.keyring import Keyring
from hub.trust.log_keys import LogKeys

PAGE_POSITIONS = 200_000
# What a page is compared with ends so far behind it.
_LONGEST_BATCH = 4_000
# Of one code so many are kept; the others are counted.
MOST = 100
# What the hub decides about itself and keeps beside the journal too: few events, read once.
_DECIDED = (
    "participant_registered",
    "participant_feed_added",
    "rules_published",
    "hotlist_published",
    "identifier_erased",
    "index_published",
)

Report = Callable[[str, int, int], None]


@dataclass(slots=True)
class Checked:
    """What was checked and what is wrong; *holes* counts missing positions and missing sequences, *codes* every difference by its code.

    *sealed* is the size of the log that was checked; *left_out* says what could not be checked here, and why.
    """

    head: int = 0
    events: int = 0
    holes: int = 0
    clear_identifiers: int = 0
    views: dict[str, bool] = field(default_factory=dict)
    parked: int = 0
    sealed: int = 0
    differences: list[Difference] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list, compare=False)

    @property
    def problems(self) -> list[str]:
        """What is wrong, in English."""
        return [difference.english for difference in self.differences]

    @property
    def is_clean(self) -> bool:
        """Whether everything holds."""
        return not self.codes

    def add(self, difference: Difference) -> None:
        """Notes what is wrong."""
        count = self.codes[difference.code] = self.codes.get(difference.code, 0) + 1
        if count <= MOST:
            self.differences.append(difference)


@dataclass
class Scene:
    """A session as hub_projector, the head that was read first, the keys if they are at hand, the views to compare, and what was found."""

    connection: psycopg.Connection
    checked: Checked
    keyring: Keyring | None
    report: Report
    views: Sequence[View] = ()
    # The log's keys if they are here, whose signatures count by a policy that was given, and checkpoints that others kept.
    log_keys: LogKeys | None = None
    given_policy: Policy | None = None
    policy: Policy | None = None
    others: Sequence[Note] = ()
    _history: str = HISTORY

    @property
    def head(self) -> int:
        """The position up to which everything is checked: what comes later is for the next time."""
        return self.checked.head

    def pages(self, what: str, size: int = PAGE_POSITIONS) -> Iterator[tuple[int, int]]:
        """Yields (after, through) of each page up to the head, and reports each that is done."""
        for after in range(0, self.head, size):
            through = min(after + size, self.head)
            with self.recalling([(after, through + _LONGEST_BATCH)]):
                yield after, through
            self.report(what, through, self.head)

    @contextmanager
    def recalling(self, runs: Sequence[Run]) -> Iterator[None]:
        """Has `rows` read archived events of some runs, too; raises what `archived.recalled` does."""
        before = self._history
        try:
            with recalled(self.connection, runs) as self._history:
                yield
        finally:
            self._history = before

    @cached_property
    def decided(self) -> dict[str, list[Recorded]]:
        """The events of the hub's own that other tables follow, by kind and in order."""
        found: dict[str, list[Recorded]] = {kind: [] for kind in _DECIDED}
        for after, through in self.pages("decided"):
            for recorded in self.events(after, through, _DECIDED):
                found[recorded.kind].append(recorded)
        return found

    def events(self, after: int, through: int, kinds: Iterable[str], also: Collection[int] = ()) -> Iterator[Recorded]:
        """Yields the events of some kinds of a page, and those at the positions *also*; what cannot be parsed is a difference."""
        return self.readable(read_page(self.connection, after, through, kinds, also=also))

    def readable(self, events: Iterable[Recorded]) -> Iterator[Recorded]:
        """Yields the events that can be parsed, and notes the others."""
        for recorded in events:
            try:
                assert recorded.event is not None
            except DecodeError:
                self.checked.add(Difference("event-unreadable", position=recorded.position))
            else:
                yield recorded

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Returns the rows of a query; what it reads as HISTORY has what is recalled."""
        return self.connection.execute(statement.replace(HISTORY, self._history).encode(), values).fetchall()

    def as_writer(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Returns the rows of a query of what the role of a projector may not read: the vault, and the hotlist."""
        self.connection.execute("SET ROLE hub_writer")
        try:
            return self.rows(statement, **values)
        finally:
            # In a transaction that has failed the role is taken back with it.
            if self.connection.info.transaction_status is not TransactionStatus.INERROR:
                self.connection.execute("SET ROLE hub_projector")
