"""The proportions of the traffic, in one place.

Usage dominates, as in life (domain dossier §7.2: transit, e-card and medical uses by the million, card lifecycle by the
hundred thousand). What a run really held is counted in its tally; tests hold the figures to these aims. Measured over
20,000 events of seed 1: see `MEASURED`.
"""

from dataclasses import dataclass
from typing import Final

from adapters.simulator.messages import Fault


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of all events; `lives` is what follows the first registration of the cards."""

    lives: float = 0.010
    # Without end the registrations soon count for nothing, so lives make up for them.
    lives_without_end: float = 0.06
    funds: float = 0.056
    sichuan_uses: float = 0.40
    # What is left for the files; they are filled up to the event, so this is a consequence more than an aim.
    chongqing_uses: float = 0.50
    quarantined: float = 0.007
    sichuan_changes: float = 0.002
    chongqing_changes: float = 0.004
    events_a_fault: int = 400


MIX: Final = Mix()
# What is planted between the messages, in turn. RESENT is no fault: a file that comes again with a higher version.
PLANTED: Final = (
    Fault.BAD_SIGNATURE, Fault.FILE_REPEATED, Fault.BAD_CHECKSUM, Fault.BAD_MONEY, Fault.WRONG_SUM, Fault.REPLAYED,
    Fault.BAD_ENCODING, Fault.BROKEN_NAME, Fault.CLOCK_OFF, Fault.CALL_REPEATED, Fault.FILE_RESENT,
    Fault.UNDECIPHERABLE, Fault.WRONG_CHECK_DIGIT,
)  # fmt: skip
# What is planted into lines of SBK2105, in turn.
BAD_LINES: Final = (Fault.UNKNOWN_SCENARIO, Fault.WRONG_CHECK_DIGIT, Fault.UNKNOWN_REGION)
