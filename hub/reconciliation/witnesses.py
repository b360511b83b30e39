"""Which reports are of which use, where several have one business key: taps of one counter, attempts of one payment.

What clearing said of a use, and the entry before it, are no reports of it.
"""

from collections.abc import Sequence
from operator import itemgetter

from hub.domain.netting import Counted
from hub.domain.netting_chains import payments_in
from hub.domain.netting_facts import cell, chosen, parted
from hub.domain.netting_taps import taps_in
from hub.domain.tellings import Telling
from hub.domain.usage import UsageCell

Reports = Sequence[Telling]


def reports_of(tellings: Reports, uses: Reports, mine: Sequence[Counted]) -> list[tuple[Reports, int]] | None:
    """Returns the reports of each use that counts in a cell, with its money; None where the record does not say which are of which.

    *tellings* is all that was reported under the key, *uses* the reports of uses among it.
    """
    parts = _parts(tellings, uses)
    if len(parts) == len(mine) == 1:
        return [(parts[0][0], mine[0].fen)]
    there = sorted(((reports, fen) for reports, where, fen in parts if where == mine[0].cell), key=itemgetter(1))
    return there if [fen for _, fen in there] == sorted(one.fen for one in mine) else None


def _parts(tellings: Reports, uses: Reports) -> list[tuple[Reports, UsageCell, int]]:
    """Returns the uses that reports come to, each with its reports, its cell and its money."""
    if uses[0].kind.startswith("transit_"):
        return [(tap.told, tap.cell, tap.fen) for tap in taps_in(tellings) if tap.is_counted]
    if uses[0].kind.startswith("fund_"):
        return [(reports, counted.cell, counted.fen) for reports, counted in payments_in(tellings)]
    parts = [[one for one in fact if one.native == native] for fact in parted(uses) for native in {one.native for one in fact}]
    return [(reports, cell(chosen(reports), reports), chosen(reports).fen) for reports in parts]
