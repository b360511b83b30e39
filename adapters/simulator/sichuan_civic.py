"""Government windows and cases, social insurance, human resources, coupons."""

from collections import deque
from datetime import datetime
from random import Random
from typing import Final

from adapters.simulator import places
from adapters.simulator.sichuan_line import Line, Serials, Use, yuan
from adapters.simulator.world import Card

OPEN_CASES: Final = 500
_NEXT_STATE: Final = {"01": "02", "02": "04", "04": "07", "07": "08", "08": "10"}
_STATE_FIELDS: Final[dict[str, Line]] = {
    "01": {"blms": "W", "rzfs": "02", "mbd": "1", "mcl": "身份证明,参保证明"},
    "07": {"jg": "1"},
    "10": {"xj": "5"},
}


class Errands:
    """Makes errands; remembers the latest open cases, so that they move on."""

    def __init__(self, rng: Random, serials: Serials) -> None:
        """Takes what numbers cases and applications."""
        self._rng, self._serials = rng, serials
        self._cases: deque[tuple[Card, str, str, str]] = deque(maxlen=OPEN_CASES)

    def window(self, card: Card, _at: datetime) -> tuple[Card, Use]:
        """Returns the card shown at a service hall, for a queue ticket or a signature."""
        region = self._rng.choice(places.SICHUAN_CITIES)
        return card, ("GOV.ID", region, "01", 0, {"ckdm": f"{region}01", "ytdm": self._rng.choice(("QH", "QD"))})

    def case(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns the next state of an open case or the submission of a new one."""
        rng = self._rng
        state = "01"
        if self._cases and rng.random() < 0.8:
            card, number, item, before = self._cases.popleft()
            state = _NEXT_STATE[before]
        else:
            item = rng.choice(places.GOVERNMENT_ITEMS)
            number = f"{item}{self._serials.next(at)}"
        if state in _NEXT_STATE:
            self._cases.append((card, number, item, state))
        extension = {"bjbh": number, "sxbm": item, "blf": "51", "jdf": card.province, "bjzt": state}
        extension |= _STATE_FIELDS.get(state, {})
        return card, ("GOV.CASE", rng.choice(places.SICHUAN_CITIES), "01", 0, extension)

    def contribution(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns a month's contribution."""
        base = 400_000 + 10_000 * int(self._rng.random() * 160)
        month = f"{at:%Y%m}"
        extension = {"aae140": self._rng.choice(("110", "310", "170")), "aae041": month, "aae042": month,
                     "aae180": yuan(base), "aae019": yuan(base * 8 // 100)}  # fmt: skip
        return card, ("HR.PAY", card.region, "04", 0, extension)

    def human_resources(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns a certification, a registration, a subsidy or a coupon, the first most often."""
        rng = self._rng
        kinds: tuple[tuple[str, Line], ...] = (
            ("HR.CERT", {"dylb": "110", "rzfs": rng.choice(("01", "02", "03")), "zq": f"{at:%Y}"}),
            ("HR.EMP", {"tyshxydm": f"91510199{int(rng.random() * 10**10):010d}", "qsrq": f"{at:%Y%m%d}"}),
            ("HR.SUB", {"btdm": "LSSB", "sqbh": f"BT{self._serials.next(at)}"}),
            ("CON.CPN", {"qid": f"Q{self._serials.next(at)}", "shbh": f"M{int(rng.random() * 9_999):06d}"}),
        )
        scenario, extension = kinds[int(rng.random() ** 2 * len(kinds))]
        fen, medium = 2_000 if scenario == "CON.CPN" else 0, "05" if scenario == "HR.CERT" else "04"
        return card, (scenario, rng.choice(places.SICHUAN_CITIES), medium, fen, extension)
