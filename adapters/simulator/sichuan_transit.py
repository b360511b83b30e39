"""Bus and metro in Chengdu, as Sichuan's transit operators upload them."""

from datetime import datetime, timedelta
from random import Random

from adapters.simulator import places
from adapters.simulator.sichuan_line import Line, Serials, Use, yuan
from adapters.simulator.world import Card


class Trips:
    """Makes trips; a card's purse counts them and pays."""

    def __init__(self, rng: Random, serials: Serials) -> None:
        """Takes what numbers PSAM transactions."""
        self._rng, self._serials = rng, serials

    def metro(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns a metro journey, now and then one without an exit."""
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
            "ye": yuan(pay(card, paid)),
        }  # fmt: skip
        return card, ("TRA.MET", rng.choice(places.CHENGDU), "02", paid, extension)

    def bus(self, card: Card, _at: datetime) -> tuple[Card, Use]:
        """Returns a bus ride; Chengdu gives elders of its own province a free one."""
        rng = self._rng
        elder = card.holder.age_group == "elder" and card.province == "51"
        paid = 0 if elder else 180
        route = 1 + int(rng.random() * places.BUS_ROUTES)
        extension = self._tap(card, "CDBUS", f"{route:04d}", f"{1 + int(rng.random() * 30):04d}")
        extension |= {"ysje": "2.00", "yhlx": "03" if elder else "00", "ye": yuan(pay(card, paid))}
        scenario = "TRA.ELD" if elder else "TRA.BUS"
        if elder:
            extension |= {"jtfs": "01", "yhcs": "1"}
        return card, (scenario, rng.choice(places.CHENGDU), "02", paid, extension)

    def qr(self, card: Card, _at: datetime) -> tuple[Card, Use]:
        """Returns a ride paid by the QR code of the e-card."""
        region = self._rng.choice(places.CHENGDU)
        return card, ("TRA.QR", region, "03", 180, {"czlx": "WC", "jtfs": "01", "yydw": "CDBUS", "ysje": "2.00"})

    def _tap(self, card: Card, operator: str, line: str, station: str) -> Line:
        card.purse_counter += 1
        self._serials.made += 1
        rng = self._rng
        return {
            "yydw": operator, "xl": line, "zd": station, "jyxh": str(card.purse_counter),
            "psam": f"5100000{int(rng.random() * 99_999):05d}", "psamxh": str(self._serials.made),
            "tac": f"{rng.getrandbits(32):08x}",
        }  # fmt: skip


def pay(card: Card, fen: int) -> int:
    """Takes a fare from the purse, which fills itself up before it is empty, and returns the balance."""
    if card.balance_fen < fen + 500:
        card.balance_fen += 10_000
    card.balance_fen -= fen
    return card.balance_fen
