"""What chains come to: payments of a fund row (or a coupon) with what comes back, and settlements with their reversals.

What comes back is taken from the payment or settlement that it belongs to, in the cell and on the day of that one. What belongs to nothing
that was reported waits and counts nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.domain.card import Finding
from hub.domain.netting_facts import Counted, Net, cell, chosen, is_another_witness, joined, parted, repeats
from hub.domain.tellings import Telling

# The order of events of one instant: a row is paid, comes back, is paid again, is recovered.
_STEPS = {
    "fund_row_paid": 0,
    "coupon_redeemed": 0,
    "fund_row_returned": 1,
    "coupon_reversed": 1,
    "fund_row_repaid": 2,
    "fund_row_recovered": 3,
}
_PAYS = frozenset({"fund_row_paid", "fund_row_repaid", "coupon_redeemed"})
_AGAIN = "fund_row_repaid"


@dataclass(slots=True)
class _Attempt:
    """One payment with all tellings of it: what is left of its money, and whether it was taken back as a whole."""

    told: list[Telling]
    left_fen: int
    is_back: bool = False


def net_payments(tellings: Sequence[Telling]) -> Net:
    """Counts the payments of a row: each attempt on its own day, without what came back or was recovered."""
    return joined(_net_row(row) for row in parted(tellings))


def _net_row(row: Sequence[Telling]) -> Net:
    attempts: list[_Attempt] = []
    taken: list[list[Telling]] = []
    findings: list[Finding] = []
    # What a return took out by its number is still what it comes back of, unless a correction took its place.
    if any(telling.kind in _PAYS and telling.changed_at and not telling.undone_at for telling in row):
        row = [telling for telling in row if telling.kind not in _PAYS or not telling.undone_at]
    for telling in sorted(row, key=lambda one: (one.occurred_us, _STEPS[one.kind], one.position)):
        if telling.kind in _PAYS:
            _pay(attempts, telling)
        elif (known := next((one for one in taken if _is_told_in(one, telling)), None)) is not None:
            findings += repeats([known[0], telling])
            known.append(telling)
        elif (attempt := _attempt_of(attempts, telling)) is not None:
            taken.append([telling])
            findings += _take(attempt, telling)
        elif telling.kind != "fund_row_recovered" and taken and telling.fen == taken[-1][0].fen:
            findings += repeats([taken[-1][0], telling])
    counted = []
    for attempt in attempts:
        findings += repeats(attempt.told)
        if not attempt.is_back:
            counted.append(Counted(cell(chosen(attempt.told), row), 1, attempt.left_fen))
    return Net(tuple(counted), tuple(findings))


def _pay(attempts: list[_Attempt], telling: Telling) -> None:
    """Adds a payment, or another report of one: by the bank's serial number, else of the payment in force."""
    same = next((one for one in attempts if telling.native and any(_is_same(told, telling) for told in one.told)), None)
    if same is None and attempts and not attempts[-1].is_back and not _is_further(attempts[-1], telling):
        same = attempts[-1]
    if same is not None:
        taken_fen = chosen(same.told).fen - same.left_fen
        same.told.append(telling)
        same.left_fen = max(0, chosen(same.told).fen - taken_fen)
        return
    if attempts:
        # A row is paid once at most: being paid again says that it came back, whether that was reported or not.
        attempts[-1].is_back = True
    attempts.append(_Attempt([telling], telling.fen))


def _is_further(attempt: _Attempt, telling: Telling) -> bool:
    """Whether a payment is a further one, not the same reported again."""
    if telling.kind == _AGAIN:
        return all(told.kind != _AGAIN for told in attempt.told)
    return False


def _is_same(one: Telling, other: Telling) -> bool:
    """Whether two tellings are of one transaction of the bank, or say the same of the same instant."""
    if (one.kind in _PAYS) != (other.kind in _PAYS) or (one.kind == "fund_row_recovered") != (other.kind == "fund_row_recovered"):
        return False
    if one.native and other.native:
        return one.native == other.native
    return (one.occurred_us, one.fen) == (other.occurred_us, other.fen)


def _is_told_in(told: Sequence[Telling], telling: Telling) -> bool:
    """Whether what comes back is what was reported before: by its own marks or, without a serial number, as another witness reports it."""
    if any(_is_same(one, telling) for one in told):
        return True
    return not (telling.native or told[0].native) and is_another_witness(told, telling)


def _attempt_of(attempts: Sequence[_Attempt], telling: Telling) -> _Attempt | None:
    """Returns the payment that something comes back of: by the bank's serial number, else the last one in force."""
    if telling.native:
        named = [one for one in attempts if any(told.native == telling.native for told in one.told)]
        if named:
            return None if named[-1].is_back else named[-1]
    return attempts[-1] if attempts and not attempts[-1].is_back else None


def _take(attempt: _Attempt, telling: Telling) -> list[Finding]:
    """Takes money of a payment back; no amount, or all that is left, takes the payment back as a whole."""
    taken_fen = telling.fen or attempt.left_fen
    beyond = taken_fen > attempt.left_fen
    attempt.left_fen = max(0, attempt.left_fen - taken_fen)
    attempt.is_back = attempt.left_fen == 0
    return [Finding(telling.position, attempt.told[0].position, "TAKEN_BACK_BEYOND")] if beyond else []


# Settlements


def net_settlements(tellings: Sequence[Telling]) -> Net:
    """Counts a settlement without what its reversals gave back; a reversal that is reversed itself gives nothing back."""
    return joined(_net_settlement(chain) for chain in parted(tellings))


def _net_settlement(chain: Sequence[Telling]) -> Net:
    settled = [telling for telling in chain if telling.kind == "medical_settlement_completed"]
    back: dict[str, list[Telling]] = {}
    for telling in chain:
        if telling.kind == "medical_settlement_reversed":
            back.setdefault(telling.native or f"#{telling.position}", []).append(telling)
    findings = [finding for told in back.values() for finding in repeats(told)]
    # A settlement that a reversal took out by its number is still what the reversal gives back of, unless a correction took its place.
    settled = [telling for telling in settled if not telling.undone_at] or settled
    if not settled:
        return Net((), tuple(findings))
    use = chosen(settled)
    findings += repeats(settled)
    reversals = {name: chosen(told) for name, told in back.items()}
    left_fen, is_back = _left(use.native, use.fen, reversals, {use.native})
    if left_fen < 0:
        last = max(telling.position for telling in reversals.values() if telling.of == use.native)
        findings.append(Finding(last, use.position, "TAKEN_BACK_BEYOND"))
    counted = () if is_back else (Counted(cell(use, chain), 1, max(0, left_fen)),)
    return Net(counted, tuple(findings))


def _left(native: str, fen: int, reversals: dict[str, Telling], seen: set[str]) -> tuple[int, bool]:
    """Returns what the reversals of a settlement, or of a reversal, leave of its money, and whether nothing is left of it."""
    left_fen, is_back = fen, False
    for name, reversal in sorted(reversals.items()):
        if reversal.of != native or (name in seen and name != native):
            continue
        given = reversal.fen or fen
        if name not in seen:
            given, is_void = _left(name, given, reversals, seen | {name})
            if is_void:
                continue
        left_fen -= given
        is_back = True
    return left_fen, is_back and left_fen <= 0
