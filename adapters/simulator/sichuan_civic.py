"""Government windows and cases, social insurance, human resources, coupons."""

from collections import deque
from datetime import datetime, timedelta
from random import Random
from typing import Final

from adapters.simulator import places
from adapters.simulator.joint_cases import DECIDING, HANDLING, JointCases
from adapters.simulator.sichuan_line import Line, Serials, Use, yuan
from adapters.simulator.world import Card

# The native state of each step, and what its message says besides.
_STATES: Final[dict[str, Line]] = {
    "submitted": {"bjzt": "01", "rzfs": "02", "mbd": "1", "mcl": "身份证明,参保证明", "cnts": "5"},
    "received": {"bjzt": "02"},
    "supplement_requested": {"bjzt": "03", "bzcl": "户口簿"},
    "accepted": {"bjzt": "04", "cnts": "5"},
    "decided": {"bjzt": "07", "jg": "1"},
    "delivered": {"bjzt": "08"},
    "rated": {"bjzt": "10"},
    "supplemented": {"bjzt": "11", "bzcl": "户口簿"},
    "forwarded": {"bjzt": "14"},
}


# What a coupon takes off.
COUPON_FEN: Final = 2_000


class Errands:
    """Makes errands; cases go on as their steps come."""

    def __init__(self, rng: Random, serials: Serials, cases: JointCases) -> None:
        """Takes what numbers cases and applications, and the cases of both sides."""
        self._rng, self._serials, self._cases = rng, serials, cases
        self._coupons = 0
        # Coupons that were granted and not redeemed, with who has them.
        self._granted = deque[tuple[Card, str]](maxlen=100)

    def window(self, card: Card, _at: datetime) -> tuple[Card, Use]:
        """Returns the card shown at a service hall, for a queue ticket or a signature."""
        region = self._rng.choice(places.SICHUAN_CITIES)
        return card, ("GOV.ID", region, "01", 0, {"ckdm": f"{region}01", "ytdm": self._rng.choice(("QH", "QD"))})

    def case(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns the next step of a case that waits for Sichuan, or the submission of a new one."""
        if self._cases.waiting("51") and self._rng.random() < 0.8:
            case, step = self._cases.next_step("51")
        else:
            case, step = self._cases.filed("51", card, self._serials.next(at))
        part = DECIDING if step in ("accepted", "decided", "supplement_requested") else HANDLING
        extension = {"bjbh": case.number, "sxbm": case.item, "blf": case.handling, "jdf": case.deciding} | _STATES[step]
        if step == "submitted":
            extension["blms"] = "W" if case.handling == case.deciding else "D"
        elif step == "forwarded":
            extension["mdsf"] = case.deciding
        elif step == "rated":
            extension["xj"] = str(case.stars)
        return case.card, ("GOV.CASE", case.region(part), "01", 0, extension)

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
        city = rng.choice(places.SICHUAN_CITIES)
        if scenario == "CON.CPN":
            return self._coupon(card, city, extension, at)
        return card, (scenario, city, "05" if scenario == "HR.CERT" else "04", 0, extension)

    def _coupon(self, card: Card, city: str, extension: Line, at: datetime) -> tuple[Card, Use]:
        """Returns the grant of a coupon, or a redemption of the one that was granted first: in turn."""
        self._coupons += 1
        if self._coupons % 2 or not self._granted:
            self._granted.append((card, extension["qid"]))
            terms = {"me": yuan(COUPON_FEN), "zdxf": yuan(10 * COUPON_FEN), "czf": f"{card.region}-SW"}
            last_day = f"{at + timedelta(days=30):%Y%m%d}"
            return card, ("CON.CPN", city, "04", 0, {"czlx": "FF", "qid": extension["qid"], "yxqz": last_day} | terms)
        holder, coupon = self._granted.popleft()
        return holder, ("CON.CPN", city, "04", COUPON_FEN, extension | {"qid": coupon})
