"""Libraries, museums, scenic spots and hotels, as Sichuan's venues upload them."""

from collections import deque
from datetime import datetime, timedelta
from random import Random
from typing import Final

from adapters.simulator import places
from adapters.simulator.sichuan_line import Serials, Use
from adapters.simulator.world import Card

OPEN_LOANS: Final = 500


class Leisure:
    """Makes visits and loans; remembers the latest open loans, so that books come back."""

    def __init__(self, rng: Random, serials: Serials) -> None:
        """Takes what numbers bookings."""
        self._rng, self._serials = rng, serials
        self._loans: deque[tuple[Card, str, str]] = deque(maxlen=OPEN_LOANS)
        self._inside: deque[tuple[Card, Use]] = deque(maxlen=OPEN_LOANS)

    def borrow(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns a loan, two in five at a library in Chongqing."""
        rng = self._rng
        library, region = rng.choice(places.CHONGQING_LIBRARIES if rng.random() < 0.4 else places.SICHUAN_LIBRARIES)
        barcode = f"B{library}{int(rng.random() * 10**9):09d}"
        self._loans.append((card, barcode, library))
        due = at + timedelta(days=30)
        extension = {"gdm": library, "tsm": barcode, "ssg": library, "czlx": "JC", "yhrq": f"{due:%Y%m%d}"}
        return card, ("CUL.LIB.BRW", region, "01", 0, extension)

    def give_back(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns the oldest open loan's return, at any library of Sichuan."""
        if not self._loans:
            return self.borrow(card, at)
        # A return is always accepted, whatever became of the card since (rule A32), and at any library (通还).
        card, barcode, owner = self._loans.popleft()
        library, region = self._rng.choice(places.SICHUAN_LIBRARIES)
        fine = 150 if self._rng.random() < 0.06 else 0
        return card, ("CUL.LIB.RET", region, "01", fine, {"gdm": library, "tsm": barcode, "ssg": owner, "czlx": "GH"})

    def renew(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns the renewal of the newest open loan."""
        if not self._loans:
            return self.borrow(card, at)
        card, barcode, library = self._loans[-1]
        region = dict([*places.SICHUAN_LIBRARIES, *places.CHONGQING_LIBRARIES])[library]
        extension = {"gdm": library, "tsm": barcode, "czlx": "XJ", "yhrq": f"{at + timedelta(days=60):%Y%m%d}"}
        return card, ("CUL.LIB.BRW", region, "01", 0, extension)

    def leave(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns the exit of who entered a scenic spot last."""
        if not self._inside:
            return self.scenic(card, at)
        card, (_, region, medium, _, entered) = self._inside.pop()
        extension = {"gdm": entered["gdm"], "zjh": entered["zjh"], "czlx": "LG", "rs": entered["rs"], "yyh": entered["yyh"]}
        return card, ("TOU.GATE", region, medium, 0, extension)

    def reader(self, card: Card, _at: datetime) -> tuple[Card, Use]:
        """Returns the registration of a reader."""
        library, region = self._rng.choice(places.SICHUAN_LIBRARIES)
        return card, ("CUL.LIB.IN", region, "01", 0, {"gdm": library, "czlx": "ZC"})

    def museum(self, card: Card, _at: datetime) -> tuple[Card, Use]:
        """Returns a free visit."""
        museum, region = self._rng.choice(places.MUSEUMS)
        return card, ("CUL.MUS", region, "04", 0, {"gdm": museum, "zjh": "01", "plx": "03", "yhlx": "00", "rs": "1"})

    def scenic(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns an entry, with the concession of the holder's age."""
        spot, region, grade, fen = self._rng.choice(places.SCENIC_SPOTS)
        ticket, concession = _ticket(card)
        extension = {
            "gdm": spot, "zjh": f"{1 + int(self._rng.random() * 8):02d}", "plx": ticket, "yhlx": concession, "rs": "1",
            "jb": grade, "yyh": f"YY{self._serials.next(at)}", "kstd": "1" if ticket == "03" else "0",
        }  # fmt: skip
        paid = {"01": fen, "02": fen // 2, "03": 0}[ticket]
        self._inside.append((card, ("TOU.GATE", region, "01", paid, extension)))
        return card, self._inside[-1][1]

    def hotel(self, card: Card, at: datetime) -> tuple[Card, Use]:
        """Returns a check-in."""
        extension = {"jddm": f"JD5101{int(self._rng.random() * 400):04d}", "rzrq": f"{at:%Y%m%d}", "gadj": "1"}
        return card, ("TOU.HTL", self._rng.choice(places.CHENGDU), "01", 0, extension)


def _ticket(card: Card) -> tuple[str, str]:
    """Returns ticket and concession of a scenic spot."""
    tickets = {"elder": ("03", "03"), "child": ("03", "05"), "student": ("02", "01")}
    return tickets.get(card.holder.age_group, ("01", "00"))
