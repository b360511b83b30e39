"""Settlement: statements over many simulated uses, cut in several windows, against a sum that PostgreSQL makes of what was simulated.

What is simulated is written down beside in a plain table: a use inserts a row, a correction updates it, a reversal deletes it, and what is
reported again changes nothing. So the sum knows nothing of the hub's counts, its journal or its statements.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, references_pb2
from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from hub.bench.filling import FEEDS, PORTION_EVENTS, Filling, Report
from hub.bench.setup import ground
from hub.config import Config
from hub.domain.instants import LOCAL
from hub.journal.recorder import AggregateStore
from hub.projections import runner
from hub.projections.engine import advance
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.settlement import reading
from hub.settlement.desk import SettlementDesk
from hub.settlement.issuing import stated_again

WINDOWS, CARDS = 5, 10_000
SCHEMES = {"QR": "TRA.QR", "TRANSIT": "TRA.MET"}
_FIRST = date(2025, 9, 1)
_PLACES = {"50": ("510100", "510300", "510700", "500103"), "51": ("500103", "500112", "510100")}
_FEED = "cq.usage"
# Of a hundred events: so many corrections, reversals and repeats; the others are uses.
_CORRECTED, _REVERSED, _REPEATED = 3, 2, 3
# So many uses may be changed yet: of all windows, and no more than memory is to hold.
_MOST_KNOWN = 50_000


class _Use(NamedTuple):
    """One simulated use, by the number of its report in the feed."""

    number: int
    day: date
    issuer: str
    region: str
    scenario: str
    fen: int
    card: int

    def event(self) -> event_pb2.Event:
        """Returns its report."""
        event = event_pb2.Event(service_region=self.region, scenario=self.scenario, medium=acceptance_pb2.MEDIUM_CONTACTLESS)
        noon = datetime(self.day.year, self.day.month, self.day.day, 12, tzinfo=LOCAL)
        event.occurred_at.FromDatetime(noon + timedelta(seconds=self.number % 3_600))
        event.source.system = "bench"
        event.card.issuing_province, event.card.kind = self.issuer, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
        event.card.clear = f"{'A' if self.issuer == '50' else 'B'}{self.card:08d}"
        journey = event.transit_journey_completed
        journey.fare_full_fen, journey.fare_paid_fen = 2_000, self.fen
        journey.tap.mode, journey.tap.psam = transit.TRANSIT_MODE_METRO, "651000012345"
        journey.tap.purse_counter, journey.tap.psam_sequence = self.number % 60_000 + 1, self.number
        return event


@dataclass(slots=True)
class _Simulated:
    """What has been reported and may be changed yet, and what of it is to be written down; both are bounded, however many there are."""

    dice: random.Random
    known: list[_Use] = field(default_factory=list)
    next_number: int = 1
    added: list[tuple[int, str, str, str, str, int]] = field(default_factory=list)
    corrected: list[tuple[int, int]] = field(default_factory=list)
    reversed: list[tuple[int]] = field(default_factory=list)

    def event(self) -> event_pb2.Event:
        """Returns the next event of the feed."""
        what = self.dice.randrange(100) if self.known else 100
        number, self.next_number = self.next_number, self.next_number + 1
        if what >= _CORRECTED + _REVERSED + _REPEATED:
            return self._use(number)
        use = self._taken()
        event = use.event()
        if what < _CORRECTED:
            fen = self.dice.randrange(1, 2_000)
            event.transit_journey_completed.fare_paid_fen = fen
            event.corrects.feed, event.corrects.sequence = _FEED, use.number
            self.corrected.append((fen, use.number))
        elif what < _CORRECTED + _REVERSED:
            event.reverses.feed, event.reverses.sequence = _FEED, use.number
            self.reversed.append((use.number,))
        return event

    def _taken(self) -> _Use:
        """Takes a use by chance: each is changed once, since what two changes come to is not for this sum to say."""
        at = self.dice.randrange(len(self.known))
        self.known[at], self.known[-1] = self.known[-1], self.known[at]
        return self.known.pop()

    def _use(self, number: int) -> event_pb2.Event:
        issuer = self.dice.choice(("50", "51"))
        region, scenario = self.dice.choice(_PLACES[issuer]), self.dice.choice(tuple(SCHEMES.values()))
        day, fen = _FIRST + timedelta(days=self.dice.randrange(WINDOWS)), self.dice.randrange(1, 2_000)
        use = _Use(number, day, issuer, region, scenario, fen, self.dice.randrange(CARDS))
        if len(self.known) == _MOST_KNOWN:
            self._taken()
        self.known.append(use)
        self.added.append((number, day.isoformat(), issuer, region, scenario, fen))
        return use.event()


def measure(config: Config, events: int, seed: int, report: Report) -> dict[str, Any]:
    """Returns whether the statements are what was simulated, to the fen, how long they took, and how many lines they have."""
    simulated, taken = _Simulated(random.Random(seed)), []  # noqa: S311 (a plan that can be repeated, not a secret)
    with (
        ground(config, list(FEEDS)) as place,
        runner.connect(place.dsn) as connection,
        psycopg.connect(place.dsn, autocommit=True) as plain,
    ):
        plain.execute(_TABLE)
        filling, store = Filling(place), AggregateStore(place.dsn)
        desk, today = SettlementDesk(connection, store), datetime.now(LOCAL).date()
        for window in range(WINDOWS):
            for portion in _portions(simulated, events // WINDOWS):
                filling.append([(_FEED, event) for event in portion])
                _write_down(plain, simulated)
            while advance(connection, DAILY_USAGE):
                pass
            started = time.perf_counter()
            for scheme in SCHEMES:
                list(desk.issue(scheme, today - timedelta(days=WINDOWS - 1 - window), datetime.now(UTC), early=True))
            taken.append(time.perf_counter() - started)
            report(f"{window + 1}/{WINDOWS}: {simulated.next_number - 1:,} events, stated in {taken[-1]:.2f} s")
        made = list(reading.listed(connection))
        verified = all(stated_again(connection, one).digest == one.issued.digest for one in made)
        differences = sorted(_stated(made) ^ _summed(plain))
        filling.close()
        store.close()
    return {
        "bench": "settle", "seed": seed, "events": simulated.next_number - 1, "statements": len(made),
        "lines": sum(len(one.issued.lines) for one in made), "stating_s": round(sum(taken), 2), "equal": not differences,
        "differences": [" ".join(map(str, one)) for one in differences[:20]], "verified": verified,
    }  # fmt: skip


def _portions(simulated: _Simulated, events: int) -> Iterator[list[event_pb2.Event]]:
    for begin in range(0, events, PORTION_EVENTS):
        yield [simulated.event() for _ in range(min(PORTION_EVENTS, events - begin))]


def _write_down(plain: psycopg.Connection, simulated: _Simulated) -> None:
    """Writes what was simulated into the plain table, in the order in which it was."""
    with plain.cursor() as cursor:
        with cursor.copy("COPY pg_temp.simulated_use FROM STDIN") as copy:
            for row in simulated.added:
                copy.write_row(row)
        cursor.executemany("UPDATE pg_temp.simulated_use SET fen = %s WHERE number = %s", simulated.corrected)
        cursor.executemany("DELETE FROM pg_temp.simulated_use WHERE number = %s", simulated.reversed)
    for one in (simulated.added, simulated.corrected, simulated.reversed):
        one.clear()


_Sum = tuple[str, str, str, int, int]


def _stated(made: list[Any]) -> set[_Sum]:
    """Returns what all statements come to: scheme, business day, issuing province, uses, money."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for one in made:
        for line in one.issued.lines:
            found = sums.setdefault((one.issued.scheme, line.business_day, line.issuer_province), [0, 0])
            found[0] += line.uses
            found[1] += line.amount_fen
    return {(*cell, uses, fen) for cell, (uses, fen) in sums.items() if (uses, fen) != (0, 0)}


def _summed(plain: psycopg.Connection) -> set[_Sum]:
    """Returns the same as PostgreSQL adds it up of what was simulated."""
    named = {scenario: scheme for scheme, scenario in SCHEMES.items()}
    return {(named[scenario], day, issuer, uses, int(fen)) for scenario, day, issuer, uses, fen in plain.execute(_SUMS).fetchall()}


_TABLE = """
    CREATE TEMPORARY TABLE simulated_use
    (number integer PRIMARY KEY, day text, issuer text, region text, scenario text, fen bigint)"""
_SUMS = """
    SELECT scenario, day, issuer, count(*), sum(fen) FROM pg_temp.simulated_use
    WHERE issuer <> left(region, 2) GROUP BY scenario, day, issuer"""
