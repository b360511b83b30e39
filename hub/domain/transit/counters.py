"""The counter of a purse over time: it orders taps where clocks do not, wraps after 65,535, and begins again on a new card.

A span of the counter without a break is an epoch. Where a counter is left out within one, a tap was lost, or its file has not come.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from hub.domain.business_keys import PURSE_COUNTERS
from hub.domain.instants import DAY_US

_HALF = PURSE_COUNTERS // 2


class Counter(NamedTuple):
    """A counter that a tap had: when, where it is recorded, and what the purse said."""

    occurred_us: int
    position: int
    counter: int


class Place(NamedTuple):
    """Where a counter is: in which epoch, and how far since the purse began to count; *run* is which card of the number it was."""

    run: int
    epoch: int
    value: int


class Gap(NamedTuple):
    """Counters that no report has: how many, in the epoch of the tap after them, between which counters, and where that tap is recorded."""

    epoch: int
    after: int
    before: int
    missing: int
    position: int
    occurred_us: int


def places_of(counters: Iterable[Counter]) -> dict[int, Place]:
    """Returns where each counter of one purse is, by position.

    A fall by more than half is a wrap. Any other fall is a clock that disagrees, or, more than a day later, a card that began again.
    """
    found: dict[int, Place] = {}
    run, epoch, base, last, last_us = 1, 1, 0, -1, 0
    for occurred_us, position, counter in sorted(counters):
        fall, is_near = last - counter, occurred_us - last_us < DAY_US
        if last >= 0 and fall <= -_HALF and is_near and epoch > 1:
            # From before the wrap, by a clock that runs fast.
            found[position] = Place(run, epoch - 1, base - PURSE_COUNTERS + counter)
            continue
        if fall >= _HALF:
            epoch, base, last = epoch + 1, base + PURSE_COUNTERS, -1
        elif last >= 0 and fall >= 0 and not is_near:
            run, epoch, base, last = run + 1, epoch + 1, 0, -1
        if counter >= last:
            last, last_us = counter, occurred_us
        found[position] = Place(run, epoch, base + counter)
    return found


def gaps_in(counters: Iterable[Counter], places: dict[int, Place]) -> list[Gap]:
    """Returns which counters of one purse are left out."""
    ordered = sorted(counters, key=lambda one: (places[one.position].run, places[one.position].value, one.occurred_us, one.position))
    found = []
    for before, one in pairwise(ordered):
        was, now = places[before.position], places[one.position]
        missing = now.value - was.value - 1
        if was.run == now.run and missing > 0:
            found.append(Gap(now.epoch, before.counter, one.counter, missing, one.position, one.occurred_us))
    return found
