"""What tellings of one business key come to: which uses count, in which cells, with how much money; and which of them say the same again.

Pure and total: the same tellings give the same counts, in whatever order they came.
"""

from collections.abc import Sequence

from hub.domain.given_back import in_force
from hub.domain.netting_chains import net_coupons, net_rows, net_settlements
from hub.domain.netting_facts import NOTHING, Counted, Net, joined, net_one, parted
from hub.domain.netting_taps import net_taps
from hub.domain.tellings import GIVES_BACK, Telling
from hub.domain.usage import COUNTED_KINDS, UsageCell

__all__ = ["Counted", "Net", "counts_alone", "net"]


def net(tellings: Sequence[Telling]) -> Net:
    """Returns what the tellings of one business key come to."""
    first = tellings[0]
    if len(tellings) == 1:
        is_use = counts_alone(first)
        return Net((Counted(UsageCell(first.day, first.issuer, first.region, first.scenario), 1, first.fen),)) if is_use else NOTHING
    kind = next((telling.kind for telling in tellings if telling.kind in COUNTED_KINDS), first.kind)
    if kind.startswith("transit_"):
        return net_taps(tellings)
    if kind.startswith("fund_"):
        return net_rows(tellings)
    tellings = in_force(tellings, GIVES_BACK)
    if kind.startswith("coupon_"):
        return net_coupons(tellings)
    if kind.startswith("medical_settlement"):
        return net_settlements(tellings)
    return joined(net_one(told) for told in parted(tellings))


def counts_alone(told: Telling) -> bool:
    """Whether a report counts where no other is known of its fact: as one use with its money, in its cell."""
    return told.kind in COUNTED_KINDS and (told.fen >= 0 or not told.kind.startswith("transit_"))
