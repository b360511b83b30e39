"""One use of a card as a record of Chongqing's usage file: trips in Chongqing and Chengdu, libraries, scenic spots."""

from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from adapters.chongqing.usage_record import UsageRecord
from adapters.simulator import places
from adapters.simulator.clock import business_day
from adapters.simulator.world import Card, World

OWN_CARDS: Final = 0.7
IN_CHENGDU: Final = 0.2
LATE: Final = 0.015
LATEST_H: Final = 30
OPEN_LOANS: Final = 300
# Scene and txn_type with its share in a hundred records; TRAN 06 is the rest.
_SHARES: Final = ((58.0, "TRAN", "09"), (60.0, "TRAN", "02"), (62.0, "LIBR", "21"), (63.8, "LIBR", "22"),
                  (66.5, "SCEN", "31"), (67.0, "HOTL", "31"), (68.2, "GOVT", "31"), (69.6, "MEDI", "31"),
                  (70.0, "HRSS", "31"))  # fmt: skip
_CONCESSIONS: Final = {"elder": "03", "student": "01"}
_VENUES: Final = {
    "SCEN": (("JQ50", "0101", 8_500), ("JQ50", "0237", 11_500), ("JQ50", "0156", 15_000)),
    "HOTL": (("JD50", "0103", 0),), "GOVT": (("ZW50", "0103", 0), ("ZW50", "0106", 0)),
    "MEDI": (("YY50", "0103", 0), ("YY50", "0107", 0)), "HRSS": (("RS50", "0103", 0),),
}  # fmt: skip


class Records:
    """Makes records numbered by their file later; remembers the latest loans, so that books come back."""

    def __init__(self, world: World, rng: Random) -> None:
        """Takes the cards to use."""
        self._world, self._rng, self._made = world, rng, 0
        self._loans: deque[tuple[Card, str, str, str, str]] = deque(maxlen=OPEN_LOANS)

    def record(self, at: datetime) -> UsageRecord:
        """Returns the next use, at local time *at* or, if it comes late, up to thirty hours before."""
        rng = self._rng
        self._made += 1
        late = rng.random() < LATE
        if late:
            at -= timedelta(seconds=600 + int(rng.random() * LATEST_H * 3600))
        drawn = rng.random() * 100
        scene, txn_type = next(((scene, kind) for bound, scene, kind in _SHARES if drawn < bound), ("TRAN", "06"))
        if scene == "TRAN":
            record = self._trip(txn_type, at)
        elif scene == "LIBR":
            record = self._loan(txn_type, at)
        else:
            record = self._shown(scene, at)
        return replace(record, flag="1") if late else record

    def _about(self, card: Card, scene: str, txn_type: str, at: datetime, area: str) -> UsageRecord:
        transit_no = card.transit_no
        return UsageRecord(
            seq=0,
            ss_card_no=card.card_no,
            name=card.holder.name,
            scene=scene,
            txn_type=txn_type,
            biz_date=business_day(at),
            txn_at=at.replace(microsecond=0),
            # A card without a purse still has an issuer, and Sichuan's number alone would be taken for Chongqing's.
            issuer_code=transit_no[:8] or f"310{places.ISSUER_AREAS[card.province]}0",
            card_no_tu=transit_no,
            svc_city=area,
        )

    def _trip(self, txn_type: str, at: datetime) -> UsageRecord:
        rng = self._rng
        card = self._world.any_purse("50" if rng.random() < OWN_CARDS else "51")
        area = places.CHONGQING_AREA
        if rng.random() < IN_CHENGDU:
            area = places.CHENGDU_AREA
        elif txn_type == "06" and rng.random() < 0.05:
            area = places.WANZHOU_AREA if rng.random() < 0.7 else places.GUANGAN_AREA
        line_in = stn_in = line_out = stn_out = ""
        if txn_type == "06":
            full, line_in = 200, f"{1 + int(rng.random() * places.BUS_ROUTES):04d}"
            stn_in = f"{1 + int(rng.random() * 30):04d}"
        elif txn_type == "02":
            full = 5_000 if rng.random() < 0.5 else 10_000
            line_in, stn_in = self._stop()
        else:
            full = 200 + 100 * int(rng.random() * 6)
            line_in, stn_in = self._stop()
            line_out, stn_out = self._stop() if rng.random() > 0.012 else ("", "")
        # Concessions are local: the host gives them to its own cards only.
        is_local = (card.province == "50") == (area != places.CHENGDU_AREA)
        concession = _CONCESSIONS.get(card.holder.age_group, "00") if is_local and txn_type != "02" else "00"
        paid = {"00": full, "01": full // 2, "03": 0}[concession]
        balance = _balance_after(card, paid if txn_type != "02" else -paid)
        card.purse_counter = card.purse_counter % 999_999 + 1
        return replace(
            self._about(card, "TRAN", txn_type, at, area),
            line_in=line_in, stn_in=stn_in, line_out=line_out, stn_out=stn_out,
            fare_full_fen=full, fare_paid_fen=paid,
            conc_type=concession, conc_cnt=1 if concession == "03" else 0,
            txn_ctr=card.purse_counter, psam=f"{area}000{int(rng.random() * 99_999):05d}",
            psam_seq=self._made % 10**9, tac=f"{rng.getrandbits(32):08X}", bal_after_fen=balance,
        )  # fmt: skip

    def _stop(self) -> tuple[str, str]:
        line = 1 + int(self._rng.random() * places.METRO_LINES["50"])
        return f"{line:04d}", f"{line:02d}{1 + int(self._rng.random() * places.STATIONS_A_LINE):02d}"

    def _loan(self, txn_type: str, at: datetime) -> UsageRecord:
        rng = self._rng
        if txn_type == "22" and self._loans:
            card, *place = self._loans.popleft()
        else:
            txn_type, card = "21", self._card()
            number = int(rng.random() * 10**8)
            place = ["CQLB", f"{1 + int(rng.random() * 42):04d}", f"B5{number // 10**6:02d}", f"{number % 10**4:04d}"]
            self._loans.append((card, *place))  # type: ignore[arg-type]
        venue, branch, item, volume = place
        fine = 100 if txn_type == "22" and rng.random() < 0.05 else 0
        return replace(
            self._about(card, "LIBR", txn_type, at, places.CHONGQING_AREA),
            line_in=venue, stn_in=branch, line_out=item, stn_out=volume, fare_full_fen=fine, fare_paid_fen=fine,
        )  # fmt: skip

    def _shown(self, scene: str, at: datetime) -> UsageRecord:
        card = self._card()
        venue, number, full = self._rng.choice(_VENUES[scene])
        concession = _CONCESSIONS.get(card.holder.age_group, "00") if full else "00"
        paid = {"00": full, "01": full // 2, "03": 0}[concession]
        return replace(
            self._about(card, scene, "31", at, places.CHONGQING_AREA),
            line_in=venue, stn_in=number, fare_full_fen=full, fare_paid_fen=paid, conc_type=concession,
        )  # fmt: skip

    def _card(self) -> Card:
        if self._rng.random() < OWN_CARDS:
            return self._world.any_card("50")
        return self._world.any_card("51", lambda card: not card.is_temporary)


def _balance_after(card: Card, fen: int) -> int:
    if card.balance_fen < fen:
        card.balance_fen += 10_000
    card.balance_fen = (card.balance_fen - fen) % 10_000_000
    return card.balance_fen
