"""One use of a card as Sichuan's systems upload it (SBK2104, or a line of SBK2105), by field of life.

Each maker returns 应用代码, 应用区划, 介质, 金额 in fen and `kzxx`; `Uses.line` puts the card around it. The format's
habits are kept: a check letter now and then in lower case, empty strings for null, a field nobody announced.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any, Final

from adapters.simulator import places
from adapters.simulator.world import Card, World

Line = dict[str, Any]
# 应用代码, 应用区划, 介质, 金额 (fen), kzxx.
Use = tuple[str, str, str, int, Line]

OWN_CARDS: Final = 0.76
OPEN_ITEMS: Final = 500


def yuan(fen: int) -> str:
    """Returns fen as this interface writes money."""
    return f"{fen // 100}.{fen % 100:02d}"


class Uses:
    """Makes uses; remembers the latest open loans and cases, so that books come back and cases move on."""

    def __init__(self, world: World, rng: Random) -> None:
        """Takes the cards to use."""
        self._world, self._rng, self._made = world, rng, 0
        self._loans: deque[tuple[Card, str, str]] = deque(maxlen=OPEN_ITEMS)
        self._cases: deque[tuple[Card, str, str, str]] = deque(maxlen=OPEN_ITEMS)

    def line(self, at: datetime) -> Line:
        """Returns the line of the next use, which happens at local time *at*."""
        rng = self._rng
        self._made += 1
        maker, needs_purse = _MAKERS[bisect_right(_BOUNDS, rng.random() * _BOUNDS[-1])]
        province = "51" if rng.random() < OWN_CARDS else "50"
        card = self._world.any_purse(province) if needs_purse else self._world.any_card(province, _may_travel)
        card, (scenario, region, medium, fen, extension) = maker(self, card, at)
        return {
            **about(card, at, rng),
            "ggbb": card.version,
            "aaz502": "1",
            "jtkh": card.transit_no if needs_purse else "",
            "yydm": scenario,
            "yyqh": region,
            "jz": medium,
            "ywlsh": f"SC{at:%Y%m%d%H%M%S}{self._made:09d}",
            "je": yuan(fen),
            "kzxx": extension,
        }

    def _serial(self, at: datetime) -> str:
        return f"{at:%Y%m%d%H%M%S}{self._made:07d}"

    def _metro(self, card: Card, at: datetime) -> tuple[Card, Use]:
        rng = self._rng
        line_in, line_out = (1 + int(rng.random() * places.METRO_LINES["51"]) for _ in range(2))
        stop_in, stop_out = (1 + int(rng.random() * places.STATIONS_A_LINE) for _ in range(2))
        full = 200 + 100 * int(rng.random() * 6)
        extension = self._tap(card, "CDMETRO", f"{line_out:04d}", f"{line_out:02d}{stop_out:02d}")
        if rng.random() < 0.015:
            return card, ("TRA.MET", rng.choice(places.CHENGDU), "02", 900, extension | {"czlx": "BQ", "qsbz": "1"})
        entered = at - timedelta(minutes=8 + int(rng.random() * 45))
        elder = card.holder.age_group == "elder" and card.province == "51"
        paid = 0 if elder else full * 9 // 10
        extension |= {
            "czlx": "WC", "jzxl": f"{line_in:04d}", "jzzd": f"{line_in:02d}{stop_in:02d}",
            "jzsj": f"{entered:%Y%m%d%H%M%S}", "czsj": f"{at:%Y%m%d%H%M%S}", "ysje": yuan(full),
            "yhlx": "03" if elder else "00", "yhcs": "1" if elder else "",
            "ye": yuan(_pay(card, paid)),
        }  # fmt: skip
        return card, ("TRA.MET", rng.choice(places.CHENGDU), "02", paid, extension)

    def _bus(self, card: Card, _at: datetime) -> tuple[Card, Use]:
        rng = self._rng
        elder = card.holder.age_group == "elder" and card.province == "51"
        paid = 0 if elder else 180
        route = 1 + int(rng.random() * places.BUS_ROUTES)
        extension = self._tap(card, "CDBUS", f"{route:04d}", f"{1 + int(rng.random() * 30):04d}")
        extension |= {"ysje": "2.00", "yhlx": "03" if elder else "00", "ye": yuan(_pay(card, paid))}
        scenario = "TRA.ELD" if elder else "TRA.BUS"
        if elder:
            extension |= {"jtfs": "01", "yhcs": "1"}
        return card, (scenario, rng.choice(places.CHENGDU), "02", paid, extension)

    def _tap(self, card: Card, operator: str, line: str, station: str) -> Line:
        card.purse_counter += 1
        rng = self._rng
        return {
            "yydw": operator, "xl": line, "zd": station, "jyxh": str(card.purse_counter),
            "psam": f"5100000{int(rng.random() * 99_999):05d}", "psamxh": str(self._made),
            "tac": f"{rng.getrandbits(32):08x}",
        }  # fmt: skip

    def _qr(self, card: Card, _at: datetime) -> tuple[Card, Use]:
        region = self._rng.choice(places.CHENGDU)
        return card, ("TRA.QR", region, "03", 180, {"czlx": "WC", "jtfs": "01", "yydw": "CDBUS", "ysje": "2.00"})

    def _visit(self, card: Card, at: datetime) -> tuple[Card, Use]:
        hospital = self._rng.choice(places.HOSPITALS)
        extension = {"fixmedins_code": hospital, "mdtrt_id": f"MD{self._serial(at)}", "med_type": "11",
                     "mdtrt_cert_type": "03", "dept": self._rng.choice(("03", "04", "07", "19"))}  # fmt: skip
        return card, ("MED.REG", hospital[1:7], "01", 0, extension)

    def _outpatient(self, card: Card, at: datetime) -> tuple[Card, Use]:
        rng = self._rng
        kind = "MED.OP" if rng.random() < 0.88 else "MED.CHR"
        # Some fell ill on the other side of the border, which is what direct settlement is for.
        hospital = rng.choice(places.CHONGQING_HOSPITALS if rng.random() < 0.15 else places.HOSPITALS)
        visit_type = "11" if kind == "MED.OP" else "14"
        return card, self._settled(kind, card, at, hospital, visit_type, int(rng.triangular(3_000, 90_000, 14_000)))

    def _inpatient(self, card: Card, at: datetime) -> tuple[Card, Use]:
        fen = int(self._rng.triangular(250_000, 6_000_000, 700_000))
        return card, self._settled("MED.IP", card, at, self._rng.choice(places.HOSPITALS), "21", fen)

    def _pharmacy(self, card: Card, at: datetime) -> tuple[Card, Use]:
        fen = int(self._rng.triangular(800, 40_000, 5_000))
        return card, self._settled("MED.RX", card, at, self._rng.choice(places.PHARMACIES), "41", fen)

    def _settled(self, scenario: str, card: Card, at: datetime, place: str, visit_type: str, fen: int) -> Use:
        # treatment place's catalogue, insured place's benefits: what the fund pays hangs on the card, not the place.
        fund = 0 if scenario == "MED.RX" else fen * (70 if scenario == "MED.IP" else 55) // 100
        account = min(fen - fund, int(self._rng.random() * 20_000))
        extension = {
            "fixmedins_code": place, "mdtrt_id": f"MD{self._serial(at)}", "setl_id": f"ST{self._serial(at)}",
            "med_type": visit_type, "insutype": "310" if card.bank_code else "390", "clr_type": visit_type,
            "insuplc_admdvs": card.region, "mdtrtarea_admvs": place[1:7],
            "medfee_sumamt": yuan(fen), "hifp_pay": yuan(fund), "fund_pay_sumamt": yuan(fund),
            "psn_part_amt": yuan(fen - fund), "acct_pay": yuan(account), "psn_cash_pay": yuan(fen - fund - account),
            "balc": yuan(int(self._rng.random() * 300_000)), "pool_prop_selfpay": "0.4500",
        }  # fmt: skip
        return scenario, place[1:7], "01", fen, extension

    def _borrow(self, card: Card, at: datetime) -> tuple[Card, Use]:
        rng = self._rng
        library, region = rng.choice(places.CHONGQING_LIBRARIES if rng.random() < 0.4 else places.SICHUAN_LIBRARIES)
        barcode = f"B{library}{int(rng.random() * 10**9):09d}"
        self._loans.append((card, barcode, library))
        due = at + timedelta(days=30)
        extension = {"gdm": library, "tsm": barcode, "ssg": library, "czlx": "JC", "yhrq": f"{due:%Y%m%d}"}
        return card, ("CUL.LIB.BRW", region, "01", 0, extension)

    def _return(self, card: Card, at: datetime) -> tuple[Card, Use]:
        if not self._loans:
            return self._borrow(card, at)
        # A return is always accepted, whatever became of the card since (rule A32), and at any library (通还).
        card, barcode, owner = self._loans.popleft()
        library, region = self._rng.choice(places.SICHUAN_LIBRARIES)
        fine = 150 if self._rng.random() < 0.06 else 0
        return card, ("CUL.LIB.RET", region, "01", fine, {"gdm": library, "tsm": barcode, "ssg": owner, "czlx": "GH"})

    def _reader(self, card: Card, _at: datetime) -> tuple[Card, Use]:
        library, region = self._rng.choice(places.SICHUAN_LIBRARIES)
        return card, ("CUL.LIB.IN", region, "01", 0, {"gdm": library, "czlx": "ZC"})

    def _museum(self, card: Card, _at: datetime) -> tuple[Card, Use]:
        museum, region = self._rng.choice(places.MUSEUMS)
        return card, ("CUL.MUS", region, "04", 0, {"gdm": museum, "zjh": "01", "plx": "03", "yhlx": "00", "rs": "1"})

    def _scenic(self, card: Card, at: datetime) -> tuple[Card, Use]:
        spot, region, grade, fen = self._rng.choice(places.SCENIC_SPOTS)
        ticket, concession = _ticket(card)
        extension = {
            "gdm": spot, "zjh": f"{1 + int(self._rng.random() * 8):02d}", "plx": ticket, "yhlx": concession, "rs": "1",
            "jb": grade, "yyh": f"YY{self._serial(at)}", "kstd": "1" if ticket == "03" else "0",
        }  # fmt: skip
        paid = {"01": fen, "02": fen // 2, "03": 0}[ticket]
        return card, ("TOU.GATE", region, "01", paid, extension)

    def _hotel(self, card: Card, at: datetime) -> tuple[Card, Use]:
        extension = {"jddm": f"JD5101{int(self._rng.random() * 400):04d}", "rzrq": f"{at:%Y%m%d}", "gadj": "1"}
        return card, ("TOU.HTL", self._rng.choice(places.CHENGDU), "01", 0, extension)

    def _window(self, card: Card, _at: datetime) -> tuple[Card, Use]:
        region = self._rng.choice(places.SICHUAN_CITIES)
        return card, ("GOV.ID", region, "01", 0, {"ckdm": f"{region}01", "ytdm": self._rng.choice(("QH", "QD"))})

    def _case(self, card: Card, at: datetime) -> tuple[Card, Use]:
        rng = self._rng
        state = "01"
        if self._cases and rng.random() < 0.8:
            card, number, item, before = self._cases.popleft()
            state = _NEXT_CASE_STATE[before]
        else:
            item = rng.choice(places.GOVERNMENT_ITEMS)
            number = f"{item}{self._serial(at)}"
        if state in _NEXT_CASE_STATE:
            self._cases.append((card, number, item, state))
        extension = {"bjbh": number, "sxbm": item, "blf": "51", "jdf": card.province, "bjzt": state}
        extension |= _CASE_FIELDS.get(state, {})
        return card, ("GOV.CASE", rng.choice(places.SICHUAN_CITIES), "01", 0, extension)

    def _contribution(self, card: Card, at: datetime) -> tuple[Card, Use]:
        base = 400_000 + 10_000 * int(self._rng.random() * 160)
        month = f"{at:%Y%m}"
        extension = {"aae140": self._rng.choice(("110", "310", "170")), "aae041": month, "aae042": month,
                     "aae180": yuan(base), "aae019": yuan(base * 8 // 100)}  # fmt: skip
        return card, ("HR.PAY", card.region, "04", 0, extension)

    def _human_resources(self, card: Card, at: datetime) -> tuple[Card, Use]:
        rng = self._rng
        kinds: tuple[tuple[str, Line], ...] = (
            ("HR.CERT", {"dylb": "110", "rzfs": rng.choice(("01", "02", "03")), "zq": f"{at:%Y}"}),
            ("HR.EMP", {"tyshxydm": f"91510199{int(rng.random() * 10**10):010d}", "qsrq": f"{at:%Y%m%d}"}),
            ("HR.SUB", {"btdm": "LSSB", "sqbh": f"BT{self._serial(at)}"}),
            ("CON.CPN", {"qid": f"Q{self._serial(at)}", "shbh": f"M{int(rng.random() * 9_999):06d}"}),
        )
        scenario, extension = kinds[int(rng.random() ** 2 * len(kinds))]
        fen, medium = 2_000 if scenario == "CON.CPN" else 0, "05" if scenario == "HR.CERT" else "04"
        return card, (scenario, rng.choice(places.SICHUAN_CITIES), medium, fen, extension)


def about(card: Card, at: datetime, rng: Random) -> Line:
    """Returns the fields of a message that name its card, its holder and its time."""
    person_no = card.holder.id_no
    line = {
        "aab301": card.region,
        "aac002": person_no.lower() if rng.random() < 0.3 else person_no,
        "aac003": card.holder.name,
        "aaz500": card.card_no,
        "aaz501": card.ident_code,
        "fssj": f"{at:%Y%m%d%H%M%S}",
    }
    if rng.random() < 0.01:
        line["xzd"] = "an extra field that nobody announced"
    return line


def _pay(card: Card, fen: int) -> int:
    """Takes a fare from the purse, which fills itself up before it is empty, and returns the balance."""
    if card.balance_fen < fen + 500:
        card.balance_fen += 10_000
    card.balance_fen -= fen
    return card.balance_fen


def _ticket(card: Card) -> tuple[str, str]:
    """Returns ticket and concession of a scenic spot."""
    tickets = {"elder": ("03", "03"), "child": ("03", "05"), "student": ("02", "01")}
    return tickets.get(card.holder.age_group, ("01", "00"))


def _may_travel(card: Card) -> bool:
    return card.province == "51" or not card.is_temporary


_NEXT_CASE_STATE: Final = {"01": "02", "02": "04", "04": "07", "07": "08", "08": "10"}
_CASE_FIELDS: Final[dict[str, Line]] = {
    "01": {"blms": "W", "rzfs": "02", "mbd": "1", "mcl": "身份证明,参保证明"},
    "07": {"jg": "1"},
    "10": {"xj": "5"},
}
_Maker = Callable[[Uses, Card, datetime], tuple[Card, Use]]
# Share in a hundred uses, maker, whether it is a tap of a purse. Proportions after the daily volumes of §7.2.
_SHARES: Final[tuple[tuple[float, _Maker, bool], ...]] = (
    (36, Uses._metro, True), (20, Uses._bus, True), (5, Uses._qr, False),
    (9, Uses._outpatient, False), (0.4, Uses._inpatient, False), (7, Uses._pharmacy, False), (4, Uses._visit, False),
    (2, Uses._borrow, False), (1.8, Uses._return, False), (0.4, Uses._reader, False), (0.6, Uses._museum, False),
    (2, Uses._scenic, False), (0.5, Uses._hotel, False),
    (3, Uses._window, False), (2.8, Uses._case, False), (3.5, Uses._contribution, False),
    (2, Uses._human_resources, False),
)  # fmt: skip
_MAKERS: Final = tuple((maker, needs_purse) for _, maker, needs_purse in _SHARES)
_BOUNDS: Final = tuple(accumulate(share for share, _, _ in _SHARES))
