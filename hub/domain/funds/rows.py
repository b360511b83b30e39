"""A row of a batch: its attempts, each sent once and answered once, what came back late, what was recovered; pure and in any order.

The rows of a batch and the count of uses both come from this fold. What does not go together is a finding; no report is lost.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hub.domain.funds.attempts import (
    ACCOUNT_DIFFERS,
    AMOUNT_DIFFERS,
    GIVES_BACK,
    PAID,
    RECOVERED,
    RECOVERED_BEYOND,
    REPAID,
    RETURNED,
    ROW_ORDER,
    SENT,
    SENT_WHILE_PAID,
    Open,
    Said,
    attempts_sent,
    give_back,
    pay,
)
from hub.domain.funds.short_way import REASONS, plain_of
from hub.domain.given_back import in_force
from hub.domain.instants import epoch_day
from hub.domain.reported import LedgerFinding

UNANSWERED, PAID_OUT, CAME_BACK, CAME_BACK_LATE = "UNANSWERED", "PAID", "RETURNED", "LATE_RETURNED"


class Attempt(NamedTuple):
    """One time that a row was sent: how much to which account, and what the bank answered; *sent_us* is 0 where nobody reported it sent."""

    number: int
    sent_us: int
    sent_fen: int
    account: str
    outcome: str
    answered_us: int
    result_fen: int
    paid_us: int
    serial: str
    reason: str

    @property
    def differs_fen(self) -> int:
        """By how much more was sent than the bank answered for; 0 while it has not answered."""
        return self.sent_fen - self.result_fen if self.outcome != UNANSWERED else 0


class Reports(NamedTuple):
    """Where an act is reported, by positions: each payment that is left with its fen, and all acts; a report may say one again."""

    left: tuple[tuple[tuple[int, ...], int], ...]
    acts: tuple[tuple[int, ...], ...]
    is_beyond: bool


class RowFold(NamedTuple):
    """A row: its attempts in order, what was recovered, and what does not go together."""

    attempts: tuple[Attempt, ...]
    recovered_fen: int
    findings: tuple[LedgerFinding, ...]

    @property
    def paid_fen(self) -> int:
        """What is paid and did not come back."""
        return sum(one.result_fen for one in self.attempts if one.outcome == PAID_OUT)

    @property
    def left_fen(self) -> int:
        """What is paid, less what was recovered: what the row counts with."""
        return max(0, self.paid_fen - self.recovered_fen)

    @property
    def is_sent_by_row(self) -> bool:
        """Whether anybody reported that this row was sent with its batch; that it was sent again says nothing of that."""
        return any(one.number == 1 and one.sent_us for one in self.attempts)

    @property
    def state(self) -> str:
        """How far it is."""
        paid = [one for one in self.attempts if one.outcome == PAID_OUT]
        if not self.attempts:
            return "WAITING"
        if paid:
            # Of two payments one may be recovered: then the row is paid once.
            beyond = self.paid_fen - max(one.result_fen for one in paid)
            if len(paid) > 1 and (not self.recovered_fen or self.recovered_fen < beyond):
                return "PAID_TWICE"
            left = self.paid_fen - self.recovered_fen
            return "PAID" if self.recovered_fen == beyond else "PARTLY_RECOVERED" if left > 0 else "RECOVERED"
        last = self.attempts[-1]
        if last.outcome == UNANSWERED:
            return "SENT" if len(self.attempts) == 1 else "RESENT"
        return last.outcome

    @property
    def reason(self) -> str:
        """Why it came back last, where it is not paid."""
        return self.attempts[-1].reason if self.attempts and self.attempts[-1].outcome in (CAME_BACK, CAME_BACK_LATE) else ""


def fold_row(reports: Sequence[Said], at_us: int | None = None) -> RowFold:
    """Returns what the reports of a row come to, in any order; with *at_us* only what had happened by then."""
    told = reports if at_us is None else [one for one in reports if one.occurred_us <= at_us]
    if (plain := plain_of(told)) is not None:
        return RowFold((_plain_attempt(*plain),), 0, ())
    return fold_row_at_length(told)


def fold_row_at_length(reports: Iterable[Said], at_us: int | None = None) -> RowFold:
    """Returns the same by going through its attempts, however plain it is."""
    return _folded(reports, at_us)[0]


def _plain_attempt(sent: Said, answer: Said | None) -> Attempt:
    """Returns the attempt of a row that was sent once, and answered once for the same money or not at all."""
    us, fen, account = sent.occurred_us, sent.fen, sent.account
    if answer is None:
        return Attempt(1, us, fen, account, UNANSWERED, 0, 0, 0, "", "")
    if answer.kind == PAID:
        return Attempt(1, us, fen, account, PAID_OUT, answer.occurred_us, fen, answer.occurred_us, answer.serial, "")
    return Attempt(1, us, fen, account, CAME_BACK, answer.occurred_us, fen, 0, answer.serial, REASONS[answer.reason])


def reports_in(reports: Sequence[Said]) -> Reports:
    """Returns in which reports the acts of a row are, as `fold_row` goes through them; what is recovered is taken off the last payment."""
    if (plain := plain_of(reports)) is not None:
        answer = plain[1]
        act = () if answer is None else (answer.position,)
        return Reports(((act, answer.fen),) if answer is not None and answer.kind == PAID else (), (act,) if act else (), False)
    return reports_at_length(reports)


def reports_at_length(reports: Sequence[Said]) -> Reports:
    """Returns the same by going through its attempts."""
    folded, attempts, recovered = _folded(reports, None)
    rest, left = folded.recovered_fen, list[tuple[tuple[int, ...], int]]()
    copies: dict[tuple[object, ...], list[int]] = {}
    for one in reports:
        copies.setdefault(one.content, []).append(one.position)

    def positions(said: Iterable[Said]) -> tuple[int, ...]:
        return tuple(sorted({position for one in said for position in copies[one.content]}))

    for attempt in reversed([one for one in attempts if one.is_paid]):
        assert attempt.paid is not None, "it is paid"
        taken = min(rest, attempt.paid.fen)
        rest -= taken
        if not taken or taken < attempt.paid.fen:
            left.append((positions(attempt.paid_in), attempt.paid.fen - taken))
    acts = [said for one in attempts for said in (one.paid_in, one.returned_in)] + recovered
    return Reports(tuple(reversed(left)), tuple(positions(said) for said in acts if said), rest > 0)


def _folded(reports: Iterable[Said], at_us: int | None) -> tuple[RowFold, list[Open], list[list[Said]]]:
    """Returns a row, its attempts, and what was recovered, each time with its reports."""
    known = in_force([one for one in reports if at_us is None or one.occurred_us <= at_us], GIVES_BACK)
    told = _in_order(known)
    findings: list[LedgerFinding] = []
    attempts = attempts_sent([one for one in told if one.kind == SENT], findings)
    for one in told:
        if one.kind in (PAID, REPAID):
            pay(attempts, one, findings)
        elif one.kind == RETURNED:
            give_back(attempts, one, findings)
    answered = [one for one in attempts if one.sent is not None or not one.is_open]
    recovered = _recovered([one for one in known if one.kind == RECOVERED])
    folded = RowFold(tuple(_made(one) for one in answered), sum(one[0].fen for one in recovered), ())
    _compare(attempts, findings)
    if folded.recovered_fen > folded.paid_fen:
        findings.append(LedgerFinding(RECOVERED_BEYOND, recovered[-1][0].position))
    return folded._replace(findings=tuple(sorted(findings, key=lambda one: (one.position, one.code)))), answered, recovered


def _in_order(reports: Iterable[Said]) -> list[Said]:
    """Returns each report once by when it happened: one that is reported again says nothing new.

    Of one instant they are in an order of what they say: which came first to the hub changes no money.
    """
    kept: dict[tuple[object, ...], Said] = {}
    for one in sorted(reports, key=_when):
        kept.setdefault(one.content, one)
    return list(kept.values())


def _when(one: Said) -> tuple[object, ...]:
    return one.occurred_us, ROW_ORDER[one.kind], *one[3:8], one.position


def _recovered(reports: Iterable[Said]) -> list[list[Said]]:
    """Returns what was recovered, each time with all reports of it: the same sum of the same day by another feed is another witness."""
    copies: dict[tuple[object, ...], list[Said]] = {}
    for one in sorted(reports, key=_when):
        copies.setdefault(one.content, []).append(one)
    found: list[tuple[set[str], list[Said]]] = []
    for same in copies.values():
        feeds = {one.name.partition("#")[0] for one in same} - {""}
        known = next((one for one in found if feeds and one[0].isdisjoint(feeds) and _is_alike(one[1][0], same[0])), None)
        if known is None:
            found.append((feeds, same))
        else:
            known[0].update(feeds)
            known[1].extend(same)
    return [told for _, told in found]


def _is_alike(one: Said, other: Said) -> bool:
    return (one.fen, epoch_day(one.occurred_us)) == (other.fen, epoch_day(other.occurred_us))


def _made(one: Open) -> Attempt:
    result = one.returned or one.paid
    said = one.sent or result
    assert said is not None, "an attempt is sent or answered"
    outcome = UNANSWERED if result is None else PAID_OUT if one.is_paid else CAME_BACK if one.paid is None else CAME_BACK_LATE
    reason = REASONS[one.returned.reason] if one.returned is not None else ""
    return Attempt(
        number=one.number,
        sent_us=one.sent.occurred_us if one.sent is not None else 0,
        sent_fen=said.fen,
        account=said.account,
        outcome=outcome,
        answered_us=result.occurred_us if result is not None else 0,
        result_fen=result.fen if result is not None else 0,
        paid_us=one.paid.occurred_us if one.paid is not None else 0,
        serial=(result.serial or (one.paid.serial if one.paid is not None else "")) if result is not None else "",
        reason=reason,
    )


def _compare(attempts: Sequence[Open], findings: list[LedgerFinding]) -> None:
    """Compares each answer with what was sent: to the fen, and to the account."""
    for one in attempts:
        first = one.sent or one.paid
        for result in (one.paid, one.returned):
            if first is None or result is None or result is first:
                continue
            if result.fen != first.fen:
                findings.append(LedgerFinding(AMOUNT_DIFFERS, result.position, first.position))
            if result.account and first.account and result.account != first.account:
                findings.append(LedgerFinding(ACCOUNT_DIFFERS, result.position, first.position))
        if one.sent is not None and one.is_open and (before := next((paid.paid for paid in attempts if paid.is_paid), None)) is not None:
            findings.append(LedgerFinding(SENT_WHILE_PAID, one.sent.position, before.position))
