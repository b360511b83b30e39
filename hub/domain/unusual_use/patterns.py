"""What each rule finds among the steps of one subject: pure functions of steps in order of time, and of the rule's parameters.

A match names the local day on which it came about, the positions it rests on, and what was measured. What matches on a day is one finding.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from hub.domain.instants import SECOND_US, day_text, epoch_day
from hub.domain.unusual_use.places import apart_km
from hub.domain.unusual_use.rule_book import Version
from hub.domain.unusual_use.steps import DECISION, PAYMENTS, PHARMACY, PHYSICAL, PIN, RIDES, Step

# Steps that are not events: what the views find of uses after a loss, a cancellation or a death, and of codes shown again. Their
# *place* is the position of the fact that they contradict, their *detail* when that was.
AFTER_LOSS, AFTER_DEATH, SHOWN_AGAIN = "USE_AFTER_LOSS", "USE_AFTER_DEATH", "QR_REPLAY"
MOST_EVIDENCE = 64
_PAID = frozenset({"fund_row_paid", "fund_row_repaid"})
Values = Mapping[str, int]


class Match(NamedTuple):
    """What matches a rule."""

    day: str
    positions: tuple[int, ...]
    measured: int


class Found(NamedTuple):
    """A finding as the record has it now: all matches of a subject and a day together."""

    day: str
    positions: tuple[int, ...]
    measured: int
    provinces: tuple[str, ...]


def found_by(version: Version, steps: Sequence[Step]) -> list[Found]:
    """Returns what a rule finds among all steps of one subject."""
    ordered = sorted(steps, key=lambda step: (step.occurred_us, step.position))
    by_day: dict[str, list[Match]] = defaultdict(list)
    for match in _PATTERNS[version.rule.code](ordered, version.parameters):
        by_day[match.day].append(match)
    by_position = {step.position: step for step in ordered}
    return [_found(day, matches, by_position) for day, matches in sorted(by_day.items())]


def _found(day: str, matches: list[Match], steps: Mapping[int, Step]) -> Found:
    positions = tuple(sorted({at for match in matches for at in match.positions}))[:MOST_EVIDENCE]
    told = [steps[at] for at in positions if at in steps]
    provinces = {province for step in told for province in (step.issuer, step.region[:2]) if province in ("50", "51")}
    return Found(day, positions, max(match.measured for match in matches), tuple(sorted(provinces)))


def _day(at_us: int) -> str:
    return day_text(epoch_day(at_us))


def _travel(steps: Sequence[Step], values: Values) -> Iterator[Match]:
    """Two uses of the chip after each other, too far apart for the time between them, with both clocks as wrong as they may be."""
    before: Step | None = None
    for step in steps:
        if step.medium not in PHYSICAL or not step.region or step.kind in PAYMENTS:
            continue
        if before is not None and before.region != step.region:
            km = apart_km(before.region, step.region) or 0.0
            hours = (step.occurred_us - before.occurred_us + values["clock_s"] * SECOND_US) / (3_600 * SECOND_US)
            if km >= max(values["least_km"], 1) and km > values["speed_kmh"] * hours:
                # Without any tolerance both may be at the same instant: nobody went faster than light.
                measured = round(km / max(hours, 1 / 3_600))
                yield Match(_day(step.occurred_us), (before.position, step.position), measured)
        before = step


def _after(kind: str) -> Callable[[Sequence[Step], Values], Iterator[Match]]:
    def pattern(steps: Sequence[Step], values: Values) -> Iterator[Match]:
        for step in steps:
            late_s = (step.occurred_us - int(step.detail)) // SECOND_US if step.kind == kind else -1
            if late_s > values["clock_s"]:
                against = (int(step.place),) if int(step.place) else ()
                yield Match(_day(step.occurred_us), (*against, step.position), late_s)

    return pattern


def _replayed(steps: Sequence[Step], values: Values) -> Iterator[Match]:
    for day, shown in _by_day(step for step in steps if step.kind == SHOWN_AGAIN).items():
        if len(shown) >= values["times"]:
            positions = {at for step in shown for at in (int(step.place), step.position) if at}
            yield Match(day, tuple(sorted(positions)), len(shown))


def _by_day(steps: Iterable[Step]) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        found[_day(step.occurred_us)].append(step)
    return found


class _Row(NamedTuple):
    """A row of a batch that is paid and was not taken back."""

    occurred_us: int
    position: int
    fen: int


def _duplicates(steps: Sequence[Step], values: Values) -> Iterator[Match]:
    """One project and period, paid by both provinces; a payment that came back, or was recovered, is none."""
    rows: dict[tuple[str, str], Step | None] = {}
    for step in steps:
        if step.kind in PAYMENTS:
            row = step.place, step.detail.split("\t")[0]
            rows[row] = step if step.kind in _PAID else None
    paid: dict[str, dict[str, list[_Row]]] = defaultdict(lambda: defaultdict(list))
    for step in filter(None, rows.values()):
        _, _, paid_for = step.detail.partition("\t")
        if paid_for.strip("\t"):
            paid[paid_for][step.place].append(_Row(step.occurred_us, step.position, step.amount_fen))
    for by in paid.values():
        if len(by) > 1:
            less = min(sum(row.fen for row in of_one) for of_one in by.values())
            if less >= values["least_fen"]:
                since_us = max(min(row.occurred_us for row in of_one) for of_one in by.values())
                yield Match(_day(since_us), tuple(sorted(row.position for of_one in by.values() for row in of_one)), less)


def _concession(steps: Sequence[Step], values: Values) -> Iterator[Match]:
    rides: dict[tuple[str, str], Step] = {}
    for step in steps:
        # A ride of a day has one counter, however often it is reported.
        if step.kind in RIDES and step.detail:
            rides.setdefault((step.detail, _day(step.occurred_us)), step)
    for day, taken in _by_day(rides.values()).items():
        if len(taken) > values["rides_a_day"]:
            yield Match(day, tuple(step.position for step in taken), len(taken))
    by_mode: dict[str, Step] = {}
    for step in rides.values():
        mode = step.detail.split()[0]
        before = by_mode.get(mode)
        if before is not None and step.occurred_us - before.occurred_us <= values["gates_s"] * SECOND_US:
            yield Match(_day(step.occurred_us), (before.position, step.position), 2)
        by_mode[mode] = step


def _burst(steps: Iterable[Step], within_s: int, least: int, what: Callable[[Step], object]) -> Iterator[Match]:
    """Windows in which so many different things were done; each step is the end of one."""
    window: list[Step] = []
    for step in steps:
        window = [one for one in window if step.occurred_us - one.occurred_us <= within_s * SECOND_US]
        window.append(step)
        different = len({what(one) for one in window})
        if different >= least:
            yield Match(_day(step.occurred_us), tuple(one.position for one in window), different)


def _pharmacies(steps: Sequence[Step], values: Values) -> Iterator[Match]:
    bought = (step for step in steps if step.detail == PHARMACY)
    return _burst(bought, values["within_s"], values["pharmacies"], lambda step: step.place)


def _pins(steps: Sequence[Step], values: Values) -> Iterator[Match]:
    wrong = (step for step in steps if step.kind == PIN)
    return _burst(wrong, values["within_s"], values["failures"], lambda step: step.position)


def _enumeration(steps: Sequence[Step], values: Values) -> Iterator[Match]:
    asked = (step for step in steps if step.kind == DECISION)
    return _burst(asked, values["within_s"], values["cards"], lambda step: step.detail)


_PATTERNS: dict[str, Callable[[Sequence[Step], Values], Iterator[Match]]] = {
    "IMPOSSIBLE_TRAVEL": _travel,
    "USE_AFTER_LOSS": _after(AFTER_LOSS),
    "DECEASED_HOLDER": _after(AFTER_DEATH),
    "TOKEN_REPLAY": _replayed,
    "DUPLICATE_BENEFIT": _duplicates,
    "CONCESSION_ABUSE": _concession,
    "PHARMACY_BURST": _pharmacies,
    "PIN_BURST": _pins,
    "CARD_ENUMERATION": _enumeration,
}
# The kinds that a rule looks at, where it does not look at all uses.
KINDS_OF: dict[str, frozenset[str]] = {
    "DUPLICATE_BENEFIT": PAYMENTS,
    "CONCESSION_ABUSE": frozenset(RIDES),
    "PHARMACY_BURST": frozenset({"medical_settlement_completed"}),
    "PIN_BURST": frozenset({PIN}),
    "CARD_ENUMERATION": frozenset({DECISION}),
}
# What each rule needs beside the day that it looks at: nothing is longer than a day, but payments and what the views find have no window.
WITHOUT_A_WINDOW = frozenset({"USE_AFTER_LOSS", "DECEASED_HOLDER", "TOKEN_REPLAY", "DUPLICATE_BENEFIT"})
