"""What the taps of one purse counter come to: journeys and top-ups, each once, without what clearing refused or was taken back.

A journey belongs to the business day that its source names, else to that of its entry, else to that of its own instant.
"""

from collections.abc import Iterable, Sequence

from hub.domain.instants import DAY_US, MINUTE_US
from hub.domain.netting_facts import Counted, Net, cell, chosen, is_another_witness, joined, repeats
from hub.domain.tellings import CLEARING, DayBy, Telling, number_text

# Gates and servers disagree about the time: so far an exit may seem to lie before its entry [D].
CLOCK_TOLERANCE_US = 15 * MINUTE_US
# Of ClearingRejection.
_DUPLICATE = "2"
_ENTRY = "transit_entry_recorded"
_TOP_UP = "transit_purse_topped_up"


def net_taps(tellings: Sequence[Telling]) -> Net:
    """Counts the taps of one purse counter: journeys and top-ups, without those that clearing refused or that were taken back."""
    entries = [telling for telling in tellings if telling.kind == _ENTRY]
    verdicts = sorted((telling for telling in tellings if telling.kind in CLEARING), key=lambda one: (one.occurred_us, one.position))
    taps = [telling for telling in tellings if telling.kind not in CLEARING and telling.kind != _ENTRY]
    return joined(_net_tap(tap, entries, verdicts) for tap in _taps(taps))


def _taps(tellings: Iterable[Telling]) -> list[list[Telling]]:
    """Parts reports by the terminal's transaction; one that does not name it belongs to the only tap within a day."""
    unnamed: list[Telling] = []
    by_name: dict[tuple[bool, str], list[Telling]] = {}
    for telling in sorted(tellings):
        if telling.one:
            by_name.setdefault((telling.kind == _TOP_UP, telling.one), []).append(telling)
        else:
            unnamed.append(telling)
    taps = list(by_name.values())
    for telling in sorted(unnamed, key=lambda one: (one.occurred_us, one.position)):
        near = [tap for tap in taps if (tap[0].kind == _TOP_UP) == (telling.kind == _TOP_UP) and _is_near(tap[0], telling)]
        if len(near) == 1:
            near[0].append(telling)
        else:
            taps.append([telling])
    return taps


def _is_near(one: Telling, other: Telling) -> bool:
    """Whether two instants are less than a day apart: a counter comes again only after all others."""
    return abs(one.occurred_us - other.occurred_us) < DAY_US


def _net_tap(tap: Sequence[Telling], entries: Sequence[Telling], verdicts: Sequence[Telling]) -> Net:
    told = [telling for telling in tap if telling.fen >= 0]
    back = _refunds(telling for telling in tap if telling.fen < 0)
    findings = repeats(told) if told else ()
    standing = _passed(told, verdicts)
    if not standing:
        return Net((), findings)
    use = chosen(standing)
    fen = use.fen + sum(told[0].fen for told in back)
    if back and fen <= 0:
        return Net((), findings)
    where = cell(use, tap)._replace(day=_business_day(use, entries))
    return Net((Counted(where, 1, fen),), findings)


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
    if about_tap and about_tap[-1].kind == "transit_clearing_rejected":
        return []
    return [telling for telling, about in said.items() if not (about and _is_duplicate(about[-1]))]


def _is_about(verdict: Telling, telling: Telling) -> bool:
    """Whether clearing named a report by its number, or by that of the event it corrects."""
    return verdict.of == number_text(telling.number) or (bool(telling.first) and verdict.one == telling.first)


def _is_duplicate(verdict: Telling) -> bool:
    return verdict.kind == "transit_clearing_rejected" and verdict.native == _DUPLICATE


def _business_day(use: Telling, entries: Sequence[Telling]) -> str:
    """Returns the business day of a journey: as the report that counts says it, else that of its entry, else that of its own instant.

    Another report of it says nothing: one witness's day would put another's use into the next day.
    """
    if use.day_by != DayBy.OWN or use.kind == _TOP_UP:
        return use.day
    before = [entry for entry in entries if -CLOCK_TOLERANCE_US <= use.occurred_us - entry.occurred_us < DAY_US]
    return max(before, key=lambda entry: (entry.changed_at, entry.occurred_us, -entry.position)).day if before else use.day
