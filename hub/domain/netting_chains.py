"""What chains come to: payments of a fund row or a coupon with what comes back, and settlements with their reversals.

What comes back is taken from the payment or settlement that it belongs to, in the cell and on the day of that one. What belongs to nothing
that was reported waits and counts nothing. A row of a fund batch counts what its fold says (`hub.domain.funds.rows`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.domain.card import Finding
from hub.domain.funds.attempts import GIVES_BACK, PAID, RECOVERED, SENT, Said
from hub.domain.funds.rows import reports_in
from hub.domain.funds.short_way import Plain, plain_of
from hub.domain.netting_facts import NOTHING, Counted, Net, cell, chosen, is_another_witness, joined, parted, repeats
from hub.domain.tellings import Telling

# Fund rows


def said_in(telling: Telling) -> Said:
    """Returns what a report says of a row of a fund batch."""
    kind, step = telling.kind, telling.step
    attempt, reason = (step, 0) if kind == SENT else (0, step)
    name = telling.name if kind in GIVES_BACK else ""
    return Said(
        kind, telling.occurred_us, telling.position, telling.fen, telling.of, telling.native, reason, attempt,
        telling.changed_at, telling.undone_at, name, telling.reverses,
    )  # fmt: skip


def payments_in(tellings: Sequence[Telling]) -> list[tuple[Sequence[Telling], Counted]]:
    """Returns the payments that are left of rows of fund batches: the reports of each, and what it counts."""
    return [payment for row in parted(tellings) for payment in _row(row)[0]]


def net_rows(tellings: Sequence[Telling]) -> Net:
    """Counts the payments of rows of fund batches: each on its own day, less what was recovered; what came back counts nothing."""
    if len(tellings) == 2 and tellings[0].one == tellings[1].one and (plain := plain_of([said_in(telling) for telling in tellings])):
        # Nearly every row: sent once, and answered once.
        return _plain(plain, tellings)
    return net_rows_at_length(tellings)


def net_rows_at_length(tellings: Sequence[Telling]) -> Net:
    """Counts the same by going through the acts of each row, however plain it is."""
    rows = [_row(row) for row in parted(tellings)]
    return joined(Net(tuple(counted for _, counted in payments), findings) for payments, findings in rows)


def _plain(plain: Plain, row: Sequence[Telling]) -> Net:
    answer = plain[1]
    if answer is None or answer.kind != PAID:
        return NOTHING
    told = row[0] if row[0].position == answer.position else row[1]
    return Net((Counted(cell(told, row), 1, answer.fen),))


def _row(row: Sequence[Telling]) -> tuple[list[tuple[Sequence[Telling], Counted]], tuple[Finding, ...]]:
    by_position = {telling.position: telling for telling in row}
    found = reports_in([said_in(telling) for telling in row])
    payments = list[tuple[Sequence[Telling], Counted]]()
    for positions, fen in found.left:
        told = [by_position[position] for position in positions]
        payments.append((told, Counted(cell(chosen(told), row), 1, fen)))
    acts = [[by_position[position] for position in positions] for positions in found.acts]
    findings = [finding for told in acts for finding in repeats(told)]
    if found.is_beyond:
        last, paid = max(one[0] for one in acts if one[0].kind == RECOVERED), min(telling.position for telling in row)
        findings.append(Finding(last.position, paid, "TAKEN_BACK_BEYOND"))
    return payments, tuple(findings)


# Coupons


@dataclass(slots=True)
class _Redeemed:
    """One redemption with all tellings of it: what is left of its money, and whether it was taken back as a whole."""

    told: list[Telling]
    left_fen: int
    is_back: bool = False


def net_coupons(tellings: Sequence[Telling]) -> Net:
    """Counts the redemptions of a coupon, without what was given back."""
    return joined(_net_coupon(coupon) for coupon in parted(tellings))


def _net_coupon(coupon: Sequence[Telling]) -> Net:
    redeemed: list[_Redeemed] = []
    taken: list[list[Telling]] = []
    findings: list[Finding] = []
    for telling in sorted(coupon, key=lambda one: (one.occurred_us, one.kind == "coupon_reversed", one.position)):
        last = redeemed[-1] if redeemed and not redeemed[-1].is_back else None
        if telling.kind == "coupon_redeemed":
            if last is None:
                redeemed.append(_Redeemed([telling], telling.fen))
                continue
            taken_fen = chosen(last.told).fen - last.left_fen
            last.told.append(telling)
            last.left_fen = max(0, chosen(last.told).fen - taken_fen)
        elif (known := next((one for one in taken if _is_told_in(one, telling)), None)) is not None:
            findings += repeats([known[0], telling])
            known.append(telling)
        elif last is not None:
            taken.append([telling])
            findings += _take(last, telling)
        elif taken and telling.fen == taken[-1][0].fen:
            findings += repeats([taken[-1][0], telling])
    findings += [finding for one in redeemed for finding in repeats(one.told)]
    counted = tuple(Counted(cell(chosen(one.told), coupon), 1, one.left_fen) for one in redeemed if not one.is_back)
    return Net(counted, tuple(findings))


def _is_told_in(told: Sequence[Telling], telling: Telling) -> bool:
    """Whether what comes back is what was reported before: at the same instant, or as another witness reports it."""
    return any((one.occurred_us, one.fen) == (telling.occurred_us, telling.fen) for one in told) or is_another_witness(told, telling)


def _take(redeemed: _Redeemed, telling: Telling) -> list[Finding]:
    """Takes money of a redemption back; no amount, or all that is left, takes it back as a whole."""
    taken_fen = telling.fen or redeemed.left_fen
    beyond = taken_fen > redeemed.left_fen
    redeemed.left_fen = max(0, redeemed.left_fen - taken_fen)
    redeemed.is_back = redeemed.left_fen == 0
    return [Finding(telling.position, redeemed.told[0].position, "TAKEN_BACK_BEYOND")] if beyond else []


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
