"""What every use uploaded to the Sichuan gateway is made of: card, holder, time, and money as this interface writes it.

The format's habits are kept: a check letter now and then in lower case, a field that nobody announced.
"""

from datetime import datetime
from random import Random
from typing import Any

from adapters.simulator.world import Card

Line = dict[str, Any]
# 应用代码, 应用区划, 介质, 金额 (fen), kzxx.
Use = tuple[str, str, str, int, Line]


class Serials:
    """Numbers that do not come twice in a run, shared by all who make uses."""

    def __init__(self) -> None:
        """Begins with 1."""
        self.made = 0

    def next(self, at: datetime) -> str:
        """Returns local time and a number."""
        self.made += 1
        return f"{at:%Y%m%d%H%M%S}{self.made:07d}"


def yuan(fen: int) -> str:
    """Returns fen as this interface writes money."""
    return f"{fen // 100}.{fen % 100:02d}"


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
