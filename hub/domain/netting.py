"""What tellings of one business key come to: which uses count, in which cells, with how much money; and which of them say the same again.

Pure and total: the same tellings give the same counts, in whatever order they came.
"""

from collections.abc import Sequence

from hub.domain.netting_chains import net_payments, net_settlements
from hub.domain.netting_facts import NOTHING, Counted, Net, joined, net_one, parted
from hub.domain.netting_taps import net_taps
from hub.domain.tellings import GIVES_BACK, Telling, number_text
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
    if any(telling.reverses for telling in tellings):
        tellings = _not_reversed(tellings)
    if kind.startswith(("fund_", "coupon_")):
        return net_payments(tellings)
    if kind.startswith("medical_settlement"):
        return net_settlements(tellings)
    return joined(net_one(told) for told in parted(tellings))


def counts_alone(told: Telling) -> bool:
    """Whether a report counts where no other is known of its fact: as one use with its money, in its cell."""
    return told.kind in COUNTED_KINDS and (told.fen >= 0 or not told.kind.startswith("transit_"))


def _not_reversed(tellings: Sequence[Telling]) -> Sequence[Telling]:
    """Leaves out what gives back and was reversed before it came, together with its reversal, which gives back nothing but that."""
    by_number = {number_text(telling.number): telling for telling in tellings if telling.kind in GIVES_BACK}
    reversals = sorted((one for one in by_number.values() if one.reverses in by_number), key=lambda one: (one.occurred_us, one.position))
    gone: set[Telling] = set()
    for reversal in reversed(reversals):
        # The last one first: a reversal that is reversed itself takes nothing out.
        if reversal not in gone:
            gone |= {reversal, by_number[reversal.reverses]}
    return [telling for telling in tellings if telling not in gone]
