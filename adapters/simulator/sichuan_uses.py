"""One use of a card as Sichuan's systems upload it: SBK2104, or a line of SBK2105."""

from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime
from itertools import accumulate
from random import Random
from typing import Final

from adapters.simulator.joint_cases import JointCases
from adapters.simulator.sichuan_civic import Errands
from adapters.simulator.sichuan_culture import Leisure
from adapters.simulator.sichuan_line import Line, Serials, Use, about, yuan
from adapters.simulator.sichuan_medical import Visits
from adapters.simulator.sichuan_transit import Trips
from adapters.simulator.world import Card, World

OWN_CARDS: Final = 0.76
# Takes the card that was drawn and gives back the one that was used: a book is returned by who borrowed it.
Maker = Callable[[Card, datetime], tuple[Card, Use]]


class Uses:
    """Makes uses of all kinds, in proportions after estimated daily volumes [D]."""

    def __init__(self, world: World, rng: Random, cases: JointCases) -> None:
        """Takes the cards to use, and the cases of both sides."""
        self._world, self._rng, self._serials = world, rng, Serials()
        trips, visits = Trips(rng, self._serials), Visits(rng, self._serials)
        leisure, errands = Leisure(rng, self._serials), Errands(rng, self._serials, cases)
        # Share in a hundred uses, maker, whether it is a tap of a purse.
        shares: tuple[tuple[float, Maker, bool], ...] = (
            (36, trips.metro, True), (20, trips.bus, True), (5, trips.qr, False),
            (9, visits.outpatient, False), (0.4, visits.inpatient, False), (7, visits.pharmacy, False),
            (4, visits.visit, False),
            (2, leisure.borrow, False), (1.8, leisure.give_back, False), (0.4, leisure.reader, False),
            (0.6, leisure.museum, False), (2, leisure.scenic, False), (0.5, leisure.hotel, False),
            (3, errands.window, False), (2.8, errands.case, False), (3.5, errands.contribution, False),
            (2, errands.human_resources, False),
            (0.3, visits.filing, False), (0.3, visits.refund, False), (0.3, leisure.renew, False), (0.4, leisure.leave, False),
        )  # fmt: skip
        self._makers = [(maker, needs_purse) for _, maker, needs_purse in shares]
        self._case: Maker = errands.case
        self._bounds = list(accumulate(share for share, _, _ in shares))

    def line(self, at: datetime, *, may_be_case: bool = True) -> Line:
        """Returns the line of the next use, which happens at local time *at*; a case that loses a step would contradict itself."""
        rng = self._rng
        maker, needs_purse = self._drawn()
        while maker == self._case and not may_be_case:
            maker, needs_purse = self._drawn()
        province = "51" if rng.random() < OWN_CARDS else "50"
        card = self._world.any_purse(province) if needs_purse else self._world.any_card(province, _may_travel)
        card, (scenario, region, medium, fen, extension) = maker(card, at)
        return {
            **about(card, at, rng),
            "ggbb": card.version,
            "aaz502": "1",
            "jtkh": card.transit_no if needs_purse else "",
            "yydm": scenario,
            "yyqh": region,
            "jz": medium,
            "ywlsh": f"SC{self._serials.next(at)}",
            "je": yuan(fen),
            "kzxx": extension,
        }

    def _drawn(self) -> tuple[Maker, bool]:
        return self._makers[bisect_right(self._bounds, self._rng.random() * self._bounds[-1])]


def _may_travel(card: Card) -> bool:
    return card.province == "51" or not card.is_temporary
