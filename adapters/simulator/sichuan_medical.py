"""Hospitals and pharmacies, in the names of the national medical-insurance platform; amounts add up (§2.2)."""

from collections import deque
from datetime import datetime, timedelta
from random import Random
from typing import Final

from adapters.simulator import places
from adapters.simulator.sichuan_line import Serials, Use, yuan
from adapters.simulator.world import Card

OPEN_SETTLEMENTS: Final = 200


class Visits:
    """Makes visits and their settlements; remembers some, so that they are given back."""

    def __init__(self, rng: Random, serials: Serials) -> None:
        """Takes what numbers visits and settlements."""
        self._rng, self._serials = rng, serials
        self._settled_before: deque[tuple[Card, Use]] = deque(maxlen=OPEN_SETTLEMENTS)

    def visit(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns the registration of a visit."""
        hospital = self._rng.choice(places.HOSPITALS)
        extension = {"fixmedins_code": hospital, "mdtrt_id": f"MD{self._serials.next(at)}", "med_type": "11",
                     "mdtrt_cert_type": "03", "dept": self._rng.choice(("03", "04", "07", "19"))}  # fmt: skip
        return card, ("MED.REG", hospital[1:7], "01", 0, extension)

    def outpatient(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns the settlement of an out-patient visit, some of them across the border."""
        rng = self._rng
        kind = "MED.OP" if rng.random() < 0.88 else "MED.CHR"
        # Some fell ill on the other side of the border, which is what direct settlement is for.
        hospital = rng.choice(places.CHONGQING_HOSPITALS if rng.random() < 0.15 else places.HOSPITALS)
        visit_type = "11" if kind == "MED.OP" else "14"
        use = self._settled(kind, card, at, hospital, visit_type, int(rng.triangular(3_000, 90_000, 14_000)))
        self._settled_before.append((card, use))
        return card, use

    def inpatient(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns the settlement of a stay."""
        fen = int(self._rng.triangular(250_000, 6_000_000, 700_000))
        return card, self._settled("MED.IP", card, at, self._rng.choice(places.HOSPITALS), "21", fen)

    def filing(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns a filing 备案 that was made at a window of Sichuan, for a stay on the other side of the border."""
        rng, away = self._rng, "500103" if card.province == "51" else "510100"
        extension = {
            "czlx": "BA", "babh": f"BA{self._serials.next(at)}", "rloc_type": rng.choice("12345"), "insuplc_admdvs": card.region,
            "mdtrtarea_admvs": away, "begndate": f"{at:%Y%m%d}", "enddate": f"{at + timedelta(days=180):%Y%m%d}",
        }  # fmt: skip
        return card, ("MED.REG", "510104", "01", 0, extension)

    def refund(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns the refund of the oldest settlement that was not given back yet, as a whole."""
        if not self._settled_before:
            return self.outpatient(card, at)
        card, (scenario, region, medium, fen, settled) = self._settled_before.popleft()
        extension = {**settled, "setl_id": f"RF{self._serials.next(at)}", "init_setl_id": settled["setl_id"]}
        return card, (scenario, region, medium, fen, extension)

    def pharmacy(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns a purchase, paid from the personal account."""
        fen = int(self._rng.triangular(800, 40_000, 5_000))
        return card, self._settled("MED.RX", card, at, self._rng.choice(places.PHARMACIES), "41", fen)

    def _settled(self, scenario: str, card: Card, at: datetime, place: str, visit_type: str, fen: int) -> Use:
        # treatment place's catalogue, insured place's benefits: what the fund pays hangs on the card, not the place.
        fund = 0 if scenario == "MED.RX" else fen * (70 if scenario == "MED.IP" else 55) // 100
        account = min(fen - fund, int(self._rng.random() * 20_000))
        serial = self._serials.next(at)
        extension = {
            "fixmedins_code": place, "mdtrt_id": f"MD{serial}", "setl_id": f"ST{serial}",
            "med_type": visit_type, "insutype": "310" if card.bank_code else "390", "clr_type": visit_type,
            "insuplc_admdvs": card.region, "mdtrtarea_admvs": place[1:7],
            "medfee_sumamt": yuan(fen), "hifp_pay": yuan(fund), "fund_pay_sumamt": yuan(fund),
            "psn_part_amt": yuan(fen - fund), "acct_pay": yuan(account), "psn_cash_pay": yuan(fen - fund - account),
            "balc": yuan(int(self._rng.random() * 300_000)), "pool_prop_selfpay": "0.4500",
        }  # fmt: skip
        return scenario, place[1:7], "01", fen, extension
