"""What tellings of one business key come to: which uses count, in which cells, with how much money; and which of them say the same again.

Pure and total: the same tellings give the same counts, in whatever order they came.
"""

from collections.abc import Sequence

from hub.domain.netting_chains import net_payments, net_settlements
from hub.domain.netting_facts import Counted, Net, cell, joined, net_one, parted
from hub.domain.netting_taps import net_taps
from hub.domain.tellings import Telling
from hub.domain.usage import COUNTED_KINDS

__all__ = ["Counted", "Net", "net"]


def net(tellings: Sequence[Telling]) -> Net:
    """Returns what the tellings of one business key come to."""
    first = tellings[0]
    if len(tellings) == 1:
        is_use = first.kind in COUNTED_KINDS and (first.fen >= 0 or not first.kind.startswith("transit_"))
        return Net((Counted(cell(first), 1, first.fen),)) if is_use else Net()
    kind = next((telling.kind for telling in tellings if telling.kind in COUNTED_KINDS), first.kind)
    if kind.startswith("transit_"):
        return net_taps(tellings)
    if kind.startswith(("fund_", "coupon_")):
        return net_payments(tellings)
    if kind.startswith("medical_settlement"):
        return net_settlements(tellings)
    return joined(net_one(told) for told in parted(tellings))
