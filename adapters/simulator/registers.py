"""What both provinces say beside uses and cards: outlets, and priority groups with what was given to their members."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count, islice
from random import Random
from typing import Final

from adapters.simulator import places
from adapters.simulator.chongqing_traffic import ChongqingTraffic
from adapters.simulator.messages import Message
from adapters.simulator.sichuan_traffic import SichuanTraffic
from adapters.simulator.world import Card, World

# One of each kind for so many events.
EVENTS_A_FACT: Final = 400
# Of four outlets one has no star.
STARS: Final = ("3", "0", "5", "4")
GROUPS: Final = (("VETERAN", "退役军人保障法", "PRIORITY_LANE"), ("DISABLED", "残疾人保障法", "HOME_VISIT"))
# A run without end has no more than these.
_OUTLETS, _MEMBERS = 120, 200


class Registers:
    """Numbers outlets of each side, and knows who has a basis."""

    def __init__(self, rng: Random, world: World, sides: tuple[SichuanTraffic, ChongqingTraffic]) -> None:
        """Nobody has one yet."""
        self._rng, self._world, (self._sichuan, self._chongqing) = rng, world, sides
        self._numbers = count(1)
        # Traffic is made a little at a time.
        self._since = 0
        self._members: list[tuple[Card, str]] = []

    def told(self, size: int, at: datetime) -> Iterator[Message]:
        """Yields what is said beside *size* events: at each turn an outlet of one side, and a basis or a service of the other."""
        facts, self._since = divmod(self._since + size, EVENTS_A_FACT)
        for number in islice(self._numbers, facts):
            if number <= _OUTLETS:
                yield self._outlet(number, at)
            yield self._of_a_group(at, is_basis=not self._members or (number % 2 == 1 and len(self._members) < _MEMBERS))

    def _outlet(self, number: int, at: datetime) -> Message:
        is_sichuan = number % 2 == 0
        region = self._rng.choice(places.SICHUAN_CITIES if is_sichuan else places.CHONGQING_CENTRE)
        says = (f"W{region}{number:05d}", number % 5 > 0, STARS[number // 2 % len(STARS)], f"{at - timedelta(days=number % 40):%Y%m%d}")
        return self._sichuan.outlet(region, says, at) if is_sichuan else self._chongqing.outlet(region, says, at)

    def _of_a_group(self, at: datetime, *, is_basis: bool) -> Message:
        rng = self._rng
        if not is_basis:
            card, service = rng.choice(self._members)
            return (self._chongqing if card.province == "50" else self._sichuan).group_service(card, service, at)
        card, (group, law, service) = self._world.any_card(rng.choice(("50", "51"))), rng.choice(GROUPS)
        self._members.append((card, service))
        return (self._chongqing if card.province == "50" else self._sichuan).basis(card, (group, law, service), at)
