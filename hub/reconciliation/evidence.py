"""What the record shows of cells that differ: which uses, as which events, and what their contents come to."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import reconciliation_pb2 as protos
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.instants import epoch_day_of, midnight_us
from hub.domain.netting import Counted, counts_alone, net
from hub.domain.reconciliation.books import NOTHING, Cell, Compared, Figure, hash_total
from hub.domain.reconciliation.differences import MOST_EVIDENCE, Known, Refs
from hub.domain.tellings import Number, Telling
from hub.domain.usage import COUNTED_KINDS, business_day
from hub.journal.reader import events_at
from hub.projections.views.quarantine import Wanted, listed
from hub.projections.views.usage_facts import Fact, decode
from hub.projections.views.usage_facts import Known as Counts
from hub.reconciliation.reading import Stream
from hub.reconciliation.witnesses import reports_of

PAGE_ROWS = 10_000
# Of what scenarios uses are, by the first word of their kinds; others are of any.
_GROUPS = {"transit": "TRA", "medical": "MED", "library": "CUL"}


class _Cell:
    """What the uses of a cell show, collected one by one."""

    def __init__(self) -> None:
        self.lists: dict[str, list[references.EventRef]] = defaultdict(list)
        self.own: list[tuple[str, int, int]] = []
        self.again = NOTHING
        self.reversals = 0
        self.is_whole = True

    def add(self, name: str, ref: references.EventRef) -> None:
        if len(self.lists[name]) < MOST_EVIDENCE:
            self.lists[name].append(ref)


class Asked(NamedTuple):
    """With which side a day is compared, up to which positions, all feeds, the side's own, and which events were released from quarantine.

    *position_of* finds a number of a feed. What was released has the hub's own number; it is known by the one that its province gave it.
    """

    side: str
    day: date
    reach: int
    position: int
    streams: Mapping[int, Stream]
    own: frozenset[str]
    released: Mapping[int, Number]
    position_of: Callable[[str, int], int | None]

    def number(self, telling: Telling) -> tuple[str, int]:
        """Returns the feed and the number under which a report came first, also of one that was corrected since."""
        if telling.first:
            feed, _, sequence = telling.first.rpartition("#")
            return feed, int(sequence)
        stream_id, sequence_there = self.released.get(telling.position, telling.number)
        return self.streams[stream_id].name, sequence_there

    def came_at(self, telling: Telling) -> int:
        """Returns the position at which a report came first."""
        is_first = not telling.first and telling.position not in self.released
        return telling.position if is_first else self.position_of(*self.number(telling)) or telling.position

    def ref(self, telling: Telling) -> references.EventRef:
        """Returns the event of a report."""
        feed, sequence = self.number(telling)
        return references.EventRef(feed=feed, sequence=sequence)

    def is_own(self, telling: Telling) -> bool:
        """Whether the side itself reported it."""
        return self.number(telling)[0] in self.own


def known(
    connection: psycopg.Connection, asked: Asked, cells: Iterable[Compared], totals: Iterable[protos.ControlTotal]
) -> dict[Cell, Known]:
    """Returns what the record shows of the cells that differ, and of those whose contents their side has added up."""
    added = {Cell(one.issuer_province, one.service_region, one.scenario): one for one in totals if _has_content(one)}
    wanted = {one.cell: one for one in cells if not one.is_alike or one.cell in added}
    if not wanted:
        return {}
    collected = {cell: _Cell() for cell in wanted}
    for fact in _facts(connection, asked.day):
        _collect(fact, asked, collected)
    quarantined = list(_quarantined(connection, asked)) if any(one.then.uses < one.theirs.uses for one in wanted.values()) else []
    return {cell: _known(collected[cell], _may_be_of(cell, quarantined), one, added.get(cell)) for cell, one in wanted.items()}


def _has_content(total: protos.ControlTotal) -> bool:
    return total.HasField("hash_total") or total.HasField("reversals")


def _known(found: _Cell, quarantined: Refs, compared: Compared, total: protos.ControlTotal | None) -> Known:
    lists = {name: tuple(refs) for name, refs in found.lists.items()}
    content = ""
    if total is not None and compared.then == compared.theirs:
        if total.HasField("hash_total") and found.is_whole and total.hash_total != hash_total(found.own):
            content = "CONTENT_DIFFERS"
        elif total.HasField("reversals") and total.reversals != found.reversals:
            content = "REVERSALS_DIFFER"
    return Known(**lists, quarantined=quarantined, counted_again=found.again, content=content)


def _collect(fact: Fact, asked: Asked, collected: Mapping[Cell, _Cell]) -> None:
    """Adds one fact to the cells that it counted in."""
    then, now = at(fact.history, asked.reach), at(fact.history, asked.position)
    by_now = [one for one in fact.tellings if one.position <= asked.position]
    told = [one for one in by_now if one.position <= asked.reach]
    for cell in _cells_of(fact.history, asked.day) & collected.keys():
        found = collected[cell]
        mine = _in(then, cell, asked.day)
        if mine != _in(now, cell, asked.day) and by_now:
            found.add("later", asked.ref(max(by_now, key=lambda one: one.position)))
        if mine:
            _count(found, asked, told or by_now, mine)
        elif not then and any(_in(one.counted, cell, asked.day) for one in fact.history if one.position <= asked.reach):
            found.reversals += 1


def _count(found: _Cell, asked: Asked, told: Sequence[Telling], mine: Sequence[Counted]) -> None:
    """Adds a use that counted in a cell at the reach, and who reported it. One that is taken back since is known by no report any more."""
    if not told:
        found.is_whole = False
        return
    uses = sorted(one for one in told if counts_alone(one))
    if not uses:
        found.is_whole = False
        return
    found.add("counted" if any(map(asked.is_own, uses)) else "other_side_alone", asked.ref(uses[0]))
    if (paired := reports_of(told, uses, mine)) is None:
        found.is_whole = False
    else:
        own = [([one for one in reports if asked.is_own(one)], fen) for reports, fen in paired]
        found.own += [(*asked.number(min(reports, key=asked.came_at)), fen) for reports, fen in own if reports]
    by_position = {one.position: one for one in told}
    for twice in net(told).findings if len(told) > 1 else ():
        report, against = by_position[twice.position], by_position[twice.against_position]
        if twice.code == "USE_TOLD_DIFFERENTLY":
            found.add("differently", asked.ref(report))
        elif asked.is_own(report) and asked.is_own(against):
            found.add("again", asked.ref(report))
            found.again = found.again.plus(Figure(1, mine[0].fen))


def at(history: Iterable[Counts], position: int) -> tuple[Counted, ...]:
    """Returns what a fact counted at a position."""
    counted: tuple[Counted, ...] = ()
    for one in history:
        if one.position <= position:
            counted = one.counted
    return counted


def _in(counted: Iterable[Counted], cell: Cell, day: date) -> list[Counted]:
    return [one for one in counted if one.cell == (day.isoformat(), *cell)]


def _cells_of(history: Iterable[Counts], day: date) -> set[Cell]:
    return {Cell(*one.cell[1:]) for counts in history for one in counts.counted if one.cell.day == day.isoformat()}


def _facts(connection: psycopg.Connection, day: date) -> Iterator[Fact]:
    """Yields the facts of which a report names the day, or that counted on it."""
    with connection.transaction(), connection.cursor("facts_of_a_day") as cursor:
        cursor.itersize = PAGE_ROWS
        cursor.execute(_FACTS, {"day": f"%{day.isoformat()}%"})
        for row in cursor:
            yield decode(row)


def _may_be_of(cell: Cell, quarantined: Iterable[tuple[str, references.EventRef]]) -> Refs:
    """Returns of uses in quarantine those that may be of a cell by their kind: more of a cell is not known of them."""
    group = cell.scenario.partition(".")[0]
    return tuple(ref for kind, ref in quarantined if _GROUPS.get(kind.partition("_")[0], group) == group)


def _quarantined(connection: psycopg.Connection, asked: Asked) -> Iterator[tuple[str, references.EventRef]]:
    """Yields the side's uses in quarantine at the reach, with their kind, whose instant is of the day or is not known."""
    since = midnight_us(epoch_day_of(asked.day))
    entries = listed(connection, Wanted(since_us=since, only_unsettled=True, known=asked.reach))
    found = {one.position: one for one in entries if one.feed in asked.own and one.entry.declared_kind in COUNTED_KINDS}
    for recorded in events_at(connection, sorted(found)):
        one = found[recorded.position]
        kind, at_us = one.entry.declared_kind, recorded.occurred_us
        if not at_us or business_day(kind, asked.side, at_us) == asked.day.isoformat():
            yield kind, references.EventRef(feed=one.feed, sequence=one.entry.sequence)


def released(connection: psycopg.Connection) -> dict[int, Number]:
    """Returns the numbers of events that were released from quarantine, by the positions that they have now."""
    rows = connection.execute("SELECT settled_position, stream_id, sequence FROM views.quarantine WHERE state = 'RELEASED'").fetchall()
    return {position: (stream_id, sequence) for position, stream_id, sequence in rows}


_FACTS = """
    SELECT card, above, tellings, counted, finding_count FROM views.daily_usage_facts
    WHERE changed_position > 0 AND (tellings LIKE %(day)s OR counted LIKE %(day)s) ORDER BY changed_position"""
