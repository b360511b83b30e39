"""Findings: a simulated month with planted abuse; precision and recall by rule, findings in 10,000 ordinary uses, and the rate.

The traffic is the simulator's. It draws cards at random, so that one is in two cities at once, and may be used while it is lost. What no
person could have done is left out, unless it is planted: uses by chip in another city within six hours, uses of a card from its loss until
it is found, a ride begun while the one before was not over by all clocks. Some clocks are wrong, by up to eight minutes.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from random import Random
from typing import Any

import psycopg
from chuanyu.exchange.v1 import event_pb2

from adapters.simulator.events import Translation, local_start
from adapters.simulator.traffic import Traffic
from hub.bench.filling import FEEDS, PORTION_EVENTS, SEED, Filling, Report
from hub.bench.planted_abuse import Plant, Planting, subject_of
from hub.bench.repeated import record
from hub.bench.setup import ground
from hub.config import Config
from hub.domain.findings import USE_KINDS
from hub.domain.instants import SECOND_US, microseconds, microseconds_of, set_timestamp
from hub.domain.pseudonym import card_name, hmac_sm3, person_name
from hub.domain.unusual_use.rule_book import rules
from hub.domain.unusual_use.steps import PHYSICAL, RIDES
from hub.findings.process import FindingProcess, present
from hub.journal.decisions import Decision
from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from hub.projections import runner
from hub.projections.views.raised_findings import Wanted, listed
from hub.trust.keyring import open_keyring

DAYS, APART_S, CLOCKS_OFF_S, OFF_IN = 30, 6 * 3_600, 480, 100
RIDES_APART_S = 2 * CLOCKS_OFF_S + 60
ASKED_IN_10_000 = 1.0
MOST = 1_000_000
_LOSSES = frozenset({"temporary_loss_reported", "formal_loss_reported", "loss_request_submitted", "card_cancelled"})
# It is found, or gives way to another.
_FOUND = frozenset({"loss_released", "card_registered"})


def measure(config: Config, events: int, each: int, report: Report, seed: int = SEED) -> dict[str, Any]:
    """Returns what the rules found of a month of so many events, with so much planted for each rule."""
    dice = Random(seed)  # noqa: S311 (made-up abuse needs no strong randomness)
    start = datetime.now(UTC) - timedelta(days=DAYS + 1)
    plants = list(Planting(dice, microseconds_of(start), DAYS).plants(each))
    with ground(config, list(FEEDS)) as place:
        keyring = open_keyring(place.data_dir / "keys")
        filling = Filling(place)
        uses = _fill(filling, _month(start, events, dice, seed), plants, report)
        _answer(place.dsn, plants, keyring.pseudonym)
        filling.close()
        with runner.connect(place.dsn) as projector, closing(AggregateStore(place.dsn)) as store:
            runner.catch_up(projector)
            head = head_position(projector)
            seconds = _find(FindingProcess(projector, store), projector)
            raised = {(one.rule_code, one.subject) for one in listed(projector, Wanted(most=MOST))}
    names = {plant.card.clear: card_name(plant.card) for plant in plants if plant.card is not None}
    names |= {plant.person.clear: person_name(plant.person) for plant in plants if plant.person is not None}
    keys = {clear: hmac_sm3(keyring.pseudonym, name.encode()) for clear, name in names.items()}
    return _result(
        plants, keys, raised, {"events": head, "ordinary_uses": uses, "planted_each": each, "events_per_s": round(head / seconds)}
    )


def _result(plants: list[Plant], keys: dict[str, bytes], raised: set[tuple[str, bytes]], figures: dict[str, Any]) -> dict[str, Any]:
    planted = {(plant.rule, subject_of(plant, keys)) for plant in plants if plant.rule}
    found, wrong = Counter(rule for rule, _ in planted & raised), Counter(rule for rule, _ in raised - planted)
    there = Counter(rule for rule, _ in planted)
    by_rule = {
        code: {
            "planted": there[code], "found": found[code], "wrong": wrong[code], "recall": round(found[code] / max(there[code], 1), 3),
            "precision": round(found[code] / max(found[code] + wrong[code], 1), 3),
        }
        for code in rules()
    }  # fmt: skip
    in_10_000 = 10_000 * sum(wrong.values()) / figures["ordinary_uses"]
    return {
        "bench": "findings", **figures, "rules": by_rule, "wrong_in_10_000_ordinary_uses": round(in_10_000, 3),
        "asked_in_10_000": ASKED_IN_10_000, "is_as_asked": in_10_000 < ASKED_IN_10_000,
    }  # fmt: skip


class Lost:
    """When a card was lost: from each loss until it was found, or for good."""

    def __init__(self) -> None:
        """It was not lost yet."""
        self._times: list[tuple[int, int | None]] = []

    def begin(self, at_s: int) -> None:
        """It is lost; a loss may be reported again."""
        self._times.append((at_s, None))

    def end(self, at_s: int) -> None:
        """It is found."""
        self._times = [(begin, at_s if end is None else end) for begin, end in self._times]

    def has(self, at_s: int) -> bool:
        """Whether it is lost at a second, by clocks that are wrong."""
        return any(begin <= at_s + CLOCKS_OFF_S and (end is None or at_s < end + CLOCKS_OFF_S) for begin, end in self._times)


def _month(start: datetime, events: int, dice: Random, seed: int) -> Iterator[tuple[str, event_pb2.Event]]:
    """Yields the simulator's events at an even pace over a month, without what no person could have done."""
    traffic, translation = Traffic(seed, local_start(start), 0, events / (DAYS * 86_400)), Translation()
    known: dict[str, str] = {}
    last: dict[str, tuple[str, int]] = {}
    portions = chain([traffic.registrations()], traffic.portions())
    pairs = (pair for portion in portions for message in portion for pair in translation.events(message))
    lost: dict[str, Lost] = {}
    rode: dict[str, int] = {}
    for feed, event in islice(pairs, events):
        card, at_s, kind = _card(event, known), event.occurred_at.seconds, event.WhichOneof("kind")
        if kind in _LOSSES:
            # The simulator has it lost among its uses of the same portion: it is lost after them.
            event.occurred_at.seconds = max(at_s, last.get(card, ("", 0))[1] + CLOCKS_OFF_S)
            lost.setdefault(card, Lost()).begin(event.occurred_at.seconds)
        elif kind in _FOUND and card in lost:
            lost[card].end(at_s)
        elif (kind in USE_KINDS and card in lost and lost[card].has(at_s)) or (
            kind in RIDES and abs(at_s - rode.get(card, 0)) < RIDES_APART_S
        ):
            continue
        elif event.medium in PHYSICAL and event.service_region:
            region = event.service_region
            city = region[:2] if region.startswith("50") else region[:4]
            before = last.get(card, (city, at_s))
            if before[0] != city and abs(at_s - before[1]) < APART_S:
                continue
            last[card] = city, max(at_s, before[1])
            if not dice.randrange(OFF_IN):
                set_timestamp(event.occurred_at, microseconds(event.occurred_at) + dice.randrange(-CLOCKS_OFF_S, CLOCKS_OFF_S) * SECOND_US)
        if kind in RIDES:
            rode[card] = at_s
        yield feed, event


def _card(event: event_pb2.Event, known: dict[str, str]) -> str:
    """Returns what a card is called here, whichever of its identifiers an event names."""
    names = [one.clear for one in (event.card, *event.card_aliases) if one.clear]
    card = next((known[name] for name in names if name in known), names[0] if names else "")
    known.update(dict.fromkeys(names, card))
    return card


def _fill(filling: Filling, month: Iterator[tuple[str, event_pb2.Event]], plants: list[Plant], report: Report) -> int:
    """Appends the month and, among it, what is planted; returns how many ordinary uses there are."""
    uses, done, waiting = 0, 0, [plant.told for plant in plants if plant.told]
    while portion := list(islice(month, PORTION_EVENTS)):
        uses += sum(event.WhichOneof("kind") in USE_KINDS for _, event in portion)
        # Some of it with each portion: most of it comes late.
        filling.append([*portion, *chain.from_iterable(waiting[:20])])
        del waiting[:20]
        done += len(portion)
        report(f"filling 填充: {done:,}")
    for told in waiting:
        filling.append(told)
    return uses


def _answer(dsn: str, plants: list[Plant], pseudonym: bytes) -> None:
    """Records the answers of the hub that are planted."""
    number, lots = 0, []
    for plant in plants:
        lot = []
        for event in plant.asked:
            number += 1
            event.card.key = hmac_sm3(pseudonym, card_name(event.card).encode())
            lot.append(Decision(number.to_bytes(32, "big"), microseconds(event.occurred_at), event.SerializeToString()))
        lots.append(lot)
    record(dsn, lots)


def _find(process: FindingProcess, projector: psycopg.Connection) -> float:
    """Has the process handle all there is, and returns the seconds it took without the folds between."""
    took, moved = 0.0, 1
    while moved:
        began = time.perf_counter()
        moved = process.advance(present())
        took += time.perf_counter() - began
        runner.catch_up(projector)
    return took
