"""What counts and what repeats: the parts that all netting is made of.

Of two tellings that say the same fact differently, the one that was corrected last counts, else the one of the earliest instant, of these
the one reported first, until a correction settles it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hub.domain.card import Finding
from hub.domain.tellings import Telling
from hub.domain.usage import UsageCell

# What knows most of a journey counts: the whole journey, its exit, what is incomplete.
_RANKS = {"transit_journey_completed": 2, "transit_exit_recorded": 1}
# One journey may be reported by its exit and as a whole: that is no repeat.
_PARTS_OF_ONE = frozenset({"transit_exit_recorded", "transit_journey_completed", "transit_journey_incomplete"})


class Counted(NamedTuple):
    """A use that counts: its cell, one use or none, and its money in fen."""

    cell: UsageCell
    uses: int
    fen: int


class Net(NamedTuple):
    """What tellings come to, and which of them contradict or repeat each other."""

    counted: tuple[Counted, ...] = ()
    findings: tuple[Finding, ...] = ()


NOTHING = Net()


def joined(nets: Iterable[Net]) -> Net:
    """Puts the nets of several facts together, in the order of the journal."""
    found = list(nets)
    return Net(
        tuple(sorted(counted for one in found for counted in one.counted)),
        tuple(sorted(finding for one in found for finding in one.findings)),
    )


def parted(tellings: Iterable[Telling]) -> list[list[Telling]]:
    """Parts reports by what distinguishes facts of one key; those that do not say it belong to the only fact there is, else together."""
    ordered = sorted(tellings)
    facts: dict[str, list[Telling]] = {}
    for telling in ordered:
        facts.setdefault(telling.one, []).append(telling)
    if "" in facts and len(facts) == 2:
        (known,) = (one for one in facts if one)
        facts = {known: sorted([*facts[""], *facts[known]])}
    return list(facts.values())


def chosen(tellings: Sequence[Telling]) -> Telling:
    """Returns the report that counts: the one corrected last, else the one of the earliest instant, of these the one reported first."""
    return max(tellings, key=lambda telling: (telling.changed_at, _RANKS.get(telling.kind, 0), -telling.occurred_us, -telling.position))


def repeats(tellings: Sequence[Telling]) -> tuple[Finding, ...]:
    """Returns which tellings say again what the first of them said, and whether they say the same."""
    first, *others = sorted(tellings)
    found = []
    for other in others:
        differs = (other.fen, other.issuer, other.region, other.scenario) != (first.fen, first.issuer, first.region, first.scenario)
        if differs or other.kind == first.kind or not {other.kind, first.kind} <= _PARTS_OF_ONE:
            found.append(Finding(other.position, first.position, "USE_TOLD_DIFFERENTLY" if differs else "USE_TOLD_AGAIN"))
    return tuple(found)


def cell(telling: Telling, others: Iterable[Telling] = ()) -> UsageCell:
    """Returns the cell of a report; what it leaves out is as another report of the fact says it."""
    known = UsageCell(telling.day, telling.issuer, telling.region, telling.scenario)
    for other in others if not all(known) else ():
        known = UsageCell(known.day, known.issuer or other.issuer, known.region or other.region, known.scenario or other.scenario)
    return known


def net_one(tellings: Sequence[Telling]) -> Net:
    """Counts one fact that is complete in itself."""
    told = chosen(tellings)
    return Net((Counted(cell(told, tellings), 1, told.fen),), repeats(tellings))


def is_another_witness(told: Sequence[Telling], telling: Telling) -> bool:
    """Whether what has no number of its own is what other feeds reported: the same sum of the same day, and this feed has not yet.

    Two feeds that report one sum are two witnesses; one feed that reports it twice reports two facts.
    """
    first = told[0]
    is_same = (telling.kind, telling.fen, telling.day) == (first.kind, first.fen, first.day)
    return is_same and all(one.number[0] != telling.number[0] for one in told)
