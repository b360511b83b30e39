"""All messages of a run, in the order they are sent, out of one seed and one start instant.

Traffic comes in portions. A portion has its exact number of events: whatever the other messages leave, the usage file
fills. So the number of events asked for is met to the event.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count, islice, pairwise
from random import Random
from typing import Final

from adapters.chongqing.usage_record import UsageRecord
from adapters.simulator.card_lives import Lives
from adapters.simulator.chongqing_traffic import ChongqingTraffic, loss_taker
from adapters.simulator.chongqing_uses import Records
from adapters.simulator.clock import clock
from adapters.simulator.faults import Faults
from adapters.simulator.joint_cases import JointCases
from adapters.simulator.messages import ChongqingFile, Message
from adapters.simulator.proportions import MIX
from adapters.simulator.registers import Registers
from adapters.simulator.sichuan_line import Line
from adapters.simulator.sichuan_traffic import ELIGIBLE, MAX_USES, SichuanTraffic
from adapters.simulator.sichuan_uses import Uses
from adapters.simulator.world import Card, World, cards_a_side, known_at_first

PORTIONS: Final = 10
LEAST_PORTION, MOST_PORTION = 100, 2_000
# A paced portion is short, for an even flow. But files have four digits a day, and a portion makes one.
PORTION_S, PORTION_WITHOUT_END_S = 2.0, 10.0
FILES: Final = 4_000
FUND_ROWS: Final = 60
SINGLES: Final = 100
BATCHES_A_PORTION: Final = 4
# Cases that Chongqing's windows take, a portion.
FILED_IN_CHONGQING: Final = 2
# A card of Sichuan's is registered by two events, one of Chongqing's by one.
EVENTS_A_PAIR: Final = 3
CONFIRMED_AFTER: Final = timedelta(seconds=20)


class Traffic:
    """First `registrations`, which must have arrived before what `portions` then yields.

    Without end most cards are registered by the first portions, and are used from the next one on.
    """

    def __init__(
        self,
        seed: int,
        start: datetime,
        event_count: int,
        rate: float = 0.0,
        next_file: Callable[[date], int] | None = None,
    ) -> None:
        """Makes the world; *start* is local time, *event_count* 0 means without end, *rate* is events a second."""
        rng = Random(f"{seed} {start.isoformat()}")  # noqa: S311 — made-up people need no strong randomness
        self._rng, self._start, self._event_count, self._rate = rng, start, event_count, rate
        self.world = World(rng, start, cards_a_side(event_count), known_at_first(event_count))
        self._clock = clock(start, event_count, rate)
        self._sichuan = SichuanTraffic(rng, seed)
        self._chongqing = ChongqingTraffic(rng, seed, next_file or counted_files())
        self._cases = JointCases(rng)
        self._lives, self._uses, self._records = Lives(self.world, rng), Uses(self.world, rng, self._cases), Records(self.world, rng)
        self._registers = Registers(rng, self.world, (self._sichuan, self._chongqing))
        makers = (self._sichuan, self._chongqing, self._uses, self._records)
        self._planting = Faults(rng, self.world, makers)
        # What the mix is due and has not got yet, in events.
        self._owed = dict.fromkeys(("lives", "funds", "quarantined", "sichuan", "chongqing", "faults"), 0.0)
        self._sent = 0

    def registrations(self) -> Iterator[Message]:
        """Yields a message for each card that is known at first, until the number of events is reached."""
        for pair in zip(self.world.cards["51"], self.world.cards["50"], strict=True):
            messages = self._registered(pair, self._start)
            events = sum(message.events for message in messages)
            if self._event_count and self._sent + events > self._event_count:
                return
            self._sent += events
            yield from messages

    def _registered(self, pair: tuple[Card, Card], at: datetime) -> tuple[Message, Message]:
        sichuan, chongqing = pair
        return self._sichuan.registration(sichuan), self._chongqing.registration(chongqing, at)

    def portions(self) -> Iterator[list[Message]]:
        """Yields what follows and ends with exactly the number of events asked for."""
        while size := self._next_size():
            is_last = bool(self._event_count) and self._sent + size >= self._event_count
            portion = self._portion(size, is_last)
            self._sent += sum(message.events for message in portion)
            yield portion

    def _next_size(self) -> int:
        if not self._event_count:
            return max(LEAST_PORTION, int(PORTION_WITHOUT_END_S * (self._rate or MOST_PORTION)))
        largest = min(MOST_PORTION, int(PORTION_S * self._rate)) if self._rate else MOST_PORTION
        size = max(LEAST_PORTION, min(largest, self._event_count // PORTIONS), self._event_count // FILES)
        left = self._event_count - self._sent
        # A rest too small to be a portion of its own goes into the last one.
        return left if left < size + LEAST_PORTION else size

    def _portion(self, size: int, is_last: bool) -> list[Message]:
        begins, ends = self._clock(self._sent), self._clock(self._sent + size)
        self._note_due(size)
        messages: list[Message] = [*self._planting.held_back]
        self._planting.held_back.clear()
        arriving = list(self._arriving(int(size * MIX.arrivals_without_end)))
        registered = [message for pair in arriving for message in self._registered(pair, begins)]
        messages += self._steps(begins, ends)
        messages += () if is_last else self._disbursement(ends)
        messages += self._registers.told(size, ends)
        messages += self._sichuan_uses(int(size * MIX.sichuan_uses), begins, ends)
        messages += self._chongqing_cases(int(size * MIX.chongqing_cases), ends)
        messages += self._chongqing_ledgers(int(size * MIX.chongqing_ledgers), ends)
        while self._owed["faults"] >= 1:
            self._owed["faults"] -= 1
            messages += self._planting.next_fault(self._between(begins, ends), messages)
        if is_last:
            messages += self._planting.held_back
        left = size - sum(message.events for message in (*messages, *registered))
        if left > 1:
            messages.append(self._file(left - 1, begins, ends))
        elif left:
            # A file is an event by itself, so one that is left over cannot be a line of one.
            messages += self._sichuan_uses(left, begins, ends)
        # After the uses, which do not wait for them; they are used from the next portion on.
        messages += registered
        for card in (one for pair in arriving for one in pair):
            self._lives.arrive(card)
        return messages

    def _arriving(self, most_events: int) -> Iterator[tuple[Card, Card]]:
        """Yields a pair of cards that are coming, one of each side, for every three events that there is room for."""
        pairs = zip(self.world.coming["51"], self.world.coming["50"], strict=True)
        return islice(pairs, most_events // EVENTS_A_PAIR)

    def _note_due(self, size: int) -> None:
        self._owed["lives"] += size * (MIX.lives if self._event_count else MIX.lives_without_end * self.world.known_share)
        self._owed["funds"] += size * MIX.funds
        # A short run has its faults closer together, so that it has some of most kinds.
        few = self._event_count // PORTIONS or MIX.events_a_fault
        self._owed["faults"] += size / min(MIX.events_a_fault, max(LEAST_PORTION, few))

    def _is_due(self, name: str, share: float) -> bool:
        """Says whether one more is due, being *share* of what is asked about."""
        self._owed[name] += share
        if self._owed[name] < 1:
            return False
        self._owed[name] -= 1
        return True

    def _between(self, begins: datetime, ends: datetime) -> datetime:
        return begins + (ends - begins) * self._rng.random()

    def _steps(self, begins: datetime, ends: datetime) -> Iterator[Message]:
        due = self._owed["lives"]
        while self._owed["lives"] >= 1:
            # In order of time: one card may be lost and found within a portion.
            at = begins + (ends - begins) * (1 - self._owed["lives"] / due)
            for message in self._step(at):
                self._owed["lives"] -= message.events
                yield message

    def _step(self, at: datetime) -> list[Message]:
        card, step, replaced = self._lives.next_step(at.date())
        is_sichuan = card.province == "51"
        if step != "loss_elsewhere":
            if is_sichuan:
                return [self._sichuan.step(card, step, replaced, at)]
            return [*self._chongqing.step(card, step, replaced, at)]
        # The other side's request, then the issuer's word on it. Chongqing's system also has users at Sichuan windows.
        if is_sichuan:
            request: Message = self._chongqing.loss_elsewhere(card, at, loss_taker(self._rng, card))
            return [request, self._sichuan.step(card, "temporary_loss", None, at + CONFIRMED_AFTER)]
        if self._rng.random() < 0.5:
            request = self._sichuan.loss_of_chongqing_card(card, at)
        else:
            request = self._chongqing.loss_elsewhere(card, at, loss_taker(self._rng, card))
        return [request, *self._chongqing.step(card, "temporary_loss", None, at + CONFIRMED_AFTER)]

    def _chongqing_cases(self, most: int, at: datetime) -> Iterator[Message]:
        """Yields the steps that Chongqing takes, after those of Sichuan before them, and what is filed there."""
        for _ in range(min(most, self._cases.waiting("50"))):
            yield self._chongqing.case_step(*self._cases.next_step("50"), at)
        for _ in range(min(most, FILED_IN_CHONGQING)):
            card = self.world.any_card("51" if self._rng.random() < 0.5 else "50")
            yield self._chongqing.case_step(*self._cases.filed("50", card, self._chongqing.case_number(at)), at)

    def _chongqing_ledgers(self, most: int, at: datetime) -> Iterator[Message]:
        """Yields filings and loans, in turn, of people with Chongqing's cards."""
        for number in range(most):
            card = self.world.any_card("50")
            yield self._chongqing.loan(card, at) if number % 2 else self._chongqing.filing(card, at)

    def _disbursement(self, at: datetime) -> Iterator[Message]:
        # Each row is sent and answered, and the batch has four steps.
        rows = (int(self._owed["funds"]) - 4) // 2
        if 2 * rows >= FUND_ROWS or (rows > 4 and self._event_count <= LEAST_PORTION * PORTIONS):
            for message in self._sichuan.disbursement(self.world, rows, at):
                # Who becomes eligible is said beside the batch.
                self._owed["funds"] -= message.events if message.trans_code != ELIGIBLE else 0
                yield message

    def _sichuan_uses(self, use_count: int, begins: datetime, ends: datetime) -> Iterator[Message]:
        step = (ends - begins) / max(1, use_count)
        lines = [self._use_line(begins + step * (number + self._rng.random())) for number in range(use_count)]
        singles = min(use_count, max(1, use_count // SINGLES))
        size = min(MAX_USES, max(2, -(-(use_count - singles) // BATCHES_A_PORTION)))
        cuts = [*range(singles), *range(singles, use_count, size), use_count] if use_count else []
        for first, end in pairwise(cuts):
            part = lines[first:end]
            message = self._sichuan.batch([line for line, _ in part], ends)
            self._planting.remember_lines(message, part)
            yield replace(message, quarantined=sum(is_spoiled for _, is_spoiled in part))

    def _use_line(self, at: datetime) -> tuple[Line, bool]:
        """Returns the next line and whether it is one for the hub's quarantine."""
        is_change = self._is_due("sichuan", MIX.sichuan_changes / MIX.sichuan_uses)
        if is_change and (changed := self._planting.changed_line(at)):
            return changed, False
        if self._is_due("quarantined", MIX.quarantined / MIX.sichuan_uses):
            return self._planting.spoil(self._uses.line(at, may_be_case=False)), True
        return self._uses.line(at), False

    def _file(self, line_count: int, begins: datetime, ends: datetime) -> ChongqingFile:
        step = (ends - begins) / line_count
        records = [self._record(begins + step * (number + self._rng.random())) for number in range(line_count)]
        self._planting.remember_trips(records)
        return self._chongqing.file(records, ends)

    def _record(self, at: datetime) -> UsageRecord:
        is_change = self._is_due("chongqing", MIX.chongqing_changes / MIX.chongqing_uses)
        if is_change and (changed := self._planting.changed_trip(at)):
            return changed
        return self._records.record(at)


def counted_files() -> Callable[[date], int]:
    """Returns a numbering of files that begins again with every business day."""
    numbers: dict[date, count[int]] = {}
    return lambda day: next(numbers.setdefault(day, count(1)))
