"""The proportions of the traffic, in one place.

Usage dominates, as in life ([D]: transit, e-card and medical uses by the million a day, card lifecycle
by the hundred thousand). Measured over 20,000 events of seed 1, and the same over 200,000 within a tenth of a percent:

    7.7 %   change the standing of a card; 6.8 % are the first registration of all cards, 0.9 % lives going on
   91.9 %   are uses: transit 67.5 %, medical 7.5 %, fund batches and their rows 5.0 %
   49.9 %   come in usage files, 37.3 % to the Sichuan gateway in batches of uses
    0.7 %   are well-formed and wrong, for the hub's quarantine; 1.5 % of file records come late
    0.6 %   correct or reverse an event before

Runs under 5,000 events have more registrations, because no side has fewer than fifty cards; a run without end has 6 %
of lives going on instead. What a run really had is counted in its tally (`lifecycle_share`).
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
    # And until then most cards are registered beside the first uses, which do not wait for them.
    arrivals_without_end: float = 0.3
    funds: float = 0.056
    sichuan_uses: float = 0.40
    # What is left for the files; they are filled up to the event, so this is a consequence more than an aim.
    chongqing_uses: float = 0.50
    # At most: as many as wait for a step that Chongqing takes.
    chongqing_cases: float = 0.01
    # Filings and loans, by B1 call.
    chongqing_ledgers: float = 0.004
    quarantined: float = 0.007
    sichuan_changes: float = 0.002
    chongqing_changes: float = 0.004
    events_a_fault: int = 400


MIX: Final = Mix()
# What is planted between the messages, in turn. RESENT is no fault: a file that comes again with a higher version.
PLANTED: Final = (
    Fault.BAD_SIGNATURE, Fault.FILE_REPEATED, Fault.BAD_CHECKSUM, Fault.BAD_MONEY, Fault.WRONG_SUM, Fault.NUMBER_REPEATED,
    Fault.BAD_ENCODING, Fault.BROKEN_NAME, Fault.CLOCK_OFF, Fault.CALL_REPEATED, Fault.FILE_RESENT,
    Fault.UNDECIPHERABLE, Fault.WRONG_CHECK_DIGIT,
)  # fmt: skip
# What is planted into lines of SBK2105, in turn.
BAD_LINES: Final = (Fault.UNKNOWN_SCENARIO, Fault.WRONG_CHECK_DIGIT, Fault.UNKNOWN_REGION)
