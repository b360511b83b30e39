"""What the taps of one purse counter come to: journeys and top-ups, each once, without what clearing refused or was taken back.

A journey belongs to the business day that its source names, else to that of its entry, else to that of its own instant.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hub.domain.card import Finding
from hub.domain.instants import DAY_US, MINUTE_US
from hub.domain.netting_facts import Counted, Net, cell, chosen, is_another_witness, joined, repeats
from hub.domain.tellings import CLEARING, DayBy, Telling, number_text
from hub.domain.usage import UsageCell

# Gates and servers disagree about the time: so far an exit may seem to lie before its entry [D].
CLOCK_TOLERANCE_US = 15 * MINUTE_US
REFUSED = "transit_clearing_rejected"
# Of ClearingRejection.
_DUPLICATE = "2"
_ENTRY = "transit_entry_recorded"
TOP_UP = "transit_purse_topped_up"


class Tap(NamedTuple):
    """One tap with all reports of it: *use* is the one that counts, else the one that would; *fen* is what is left of its money.

    *entry* is the entry before it, *verdict* what clearing said of it last.
    """

    told: tuple[Telling, ...]
    use: Telling
    entry: Telling | None
    verdict: Telling | None
    cell: UsageCell
    is_counted: bool
    fen: int
    is_back: bool
    findings: tuple[Finding, ...]


def net_taps(tellings: Sequence[Telling]) -> Net:
    """Counts the taps of one purse counter: journeys and top-ups, without those that clearing refused or that were taken back."""
    entries, verdicts, taps = _sorted_out(tellings)
    return joined(_net_tap(tap, entries, verdicts) for tap in taps)


def taps_in(tellings: Sequence[Telling]) -> list[Tap]:
    """Returns the taps of one purse counter, those too that do not count; a refund of a tap that nobody reported is none."""
    entries, verdicts, taps = _sorted_out(tellings)
    return [_tap(tap, entries, verdicts) for tap in taps if any(telling.fen >= 0 for telling in tap)]


def _sorted_out(tellings: Sequence[Telling]) -> tuple[list[Telling], list[Telling], list[list[Telling]]]:
    """Returns entries, verdicts in order, and the reports of each tap."""
    entries = [telling for telling in tellings if telling.kind == _ENTRY]
    verdicts = sorted((telling for telling in tellings if telling.kind in CLEARING), key=lambda one: (one.occurred_us, one.position))
    return entries, verdicts, _taps([telling for telling in tellings if telling.kind not in CLEARING and telling.kind != _ENTRY])


def _taps(tellings: Iterable[Telling]) -> list[list[Telling]]:
    """Parts reports by the terminal's transaction; one that does not name it belongs to the only tap within a day."""
    unnamed: list[Telling] = []
    by_name: dict[tuple[bool, str], list[Telling]] = {}
    for telling in sorted(tellings):
        if telling.one:
            by_name.setdefault((telling.kind == TOP_UP, telling.one), []).append(telling)
        else:
            unnamed.append(telling)
    taps = list(by_name.values())
    for telling in sorted(unnamed, key=lambda one: (one.occurred_us, one.position)):
        near = [tap for tap in taps if (tap[0].kind == TOP_UP) == (telling.kind == TOP_UP) and _is_near(tap[0], telling)]
        if len(near) == 1:
            near[0].append(telling)
        else:
            taps.append([telling])
    return taps


def _is_near(one: Telling, other: Telling) -> bool:
    """Whether two instants are less than a day apart: a counter comes again only after all others."""
    return abs(one.occurred_us - other.occurred_us) < DAY_US


def _net_tap(told: Sequence[Telling], entries: Sequence[Telling], verdicts: Sequence[Telling]) -> Net:
    if all(telling.fen < 0 for telling in told):
        return Net()
    tap = _tap(told, entries, verdicts)
    return Net((Counted(tap.cell, 1, tap.fen),) if tap.is_counted else (), tap.findings)


def _tap(reports: Sequence[Telling], entries: Sequence[Telling], verdicts: Sequence[Telling]) -> Tap:
    told = [telling for telling in reports if telling.fen >= 0]
    back = _refunds(telling for telling in reports if telling.fen < 0)
    about = [verdict for verdict in verdicts if any(_is_about(verdict, telling) for telling in told)]
    standing = _passed(told, verdicts)
    use = chosen(standing or told)
    fen = use.fen + sum(refund[0].fen for refund in back)
    is_back = bool(back) and fen <= 0
    entry = _entry_of(use, entries)
    where = cell(use, reports)._replace(day=_business_day(use, entry))
    verdict = about[-1] if about else None
    if standing and verdict is not None and _is_duplicate(verdict):
        # One report too many was refused: of the tap itself clearing said something else, if anything.
        verdict = next((one for one in reversed(about) if not _is_duplicate(one)), None)
    return Tap(tuple(told), use, entry, verdict, where, bool(standing) and not is_back, max(0, fen), is_back, repeats(told))


def _refunds(tellings: Iterable[Telling]) -> list[list[Telling]]:
    """Parts what was given back into refunds, each with all tellings of it."""
    refunds: list[list[Telling]] = []
    for telling in sorted(tellings, key=lambda one: (one.occurred_us, one.position)):
        known = next((told for told in refunds if _is_told_in(told, telling)), None)
        if known is None:
            refunds.append([telling])
        else:
            known.append(telling)
    return refunds


def _is_told_in(told: Sequence[Telling], telling: Telling) -> bool:
    is_same = any((one.occurred_us, one.fen) == (telling.occurred_us, telling.fen) for one in told)
    return is_same or is_another_witness(told, telling)


def _passed(tap: Sequence[Telling], verdicts: Sequence[Telling]) -> list[Telling]:
    """Returns the reports that clearing lets pass: a duplicate is one report too many, any other reason refuses the tap itself."""
    said = {telling: [verdict for verdict in verdicts if _is_about(verdict, telling)] for telling in tap}
    about_tap = [verdict for verdict in verdicts if not _is_duplicate(verdict) and any(verdict in about for about in said.values())]
    if about_tap and about_tap[-1].kind == REFUSED:
        return []
    return [telling for telling, about in said.items() if not (about and _is_duplicate(about[-1]))]


def _is_about(verdict: Telling, telling: Telling) -> bool:
    """Whether clearing named a report by its number, or by that of the event it corrects."""
    return verdict.of == number_text(telling.number) or (bool(telling.first) and verdict.one == telling.first)


def _is_duplicate(verdict: Telling) -> bool:
    return verdict.kind == REFUSED and verdict.native == _DUPLICATE


def _entry_of(use: Telling, entries: Sequence[Telling]) -> Telling | None:
    """Returns the entry before a tap, None where none was reported."""
    before = [entry for entry in entries if -CLOCK_TOLERANCE_US <= use.occurred_us - entry.occurred_us < DAY_US]
    return max(before, key=lambda entry: (entry.changed_at, entry.occurred_us, -entry.position)) if before else None


def _business_day(use: Telling, entry: Telling | None) -> str:
    """Returns the business day of a journey: as the report that counts says it, else that of its entry, else that of its own instant.

    Another report of it says nothing: one witness's day would put another's use into the next day.
    """
    return use.day if entry is None or use.day_by != DayBy.OWN or use.kind == TOP_UP else entry.day
