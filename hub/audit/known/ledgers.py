"""Things that live in rows of one view: a filing, the settlements of a visit, the loans of an item. The rows say where their events are."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.audit.known.asking import AsOf
from hub.audit.known.thing import Folded, Line, Lines, is_live, line
from hub.audit.outcome import Text
from hub.audit.replay import said
from hub.audit.replay.own import Own, events_of
from hub.domain.audit_errors import FilingUnknown, LoanUnknown
from hub.domain.culture.loans import READER_REGISTERED, Loan, loans_at
from hub.domain.errors import RequestInvalid, SettlementNotFound
from hub.domain.medical.filings import filings_at
from hub.domain.medical.settlements import COMPLETED, Settlement, chain_of, settlements_at, visit_name
from hub.domain.reported import LedgerFinding, Reported
from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.projection import Projection
from hub.projections.views.culture import LOANS
from hub.projections.views.medical import FILINGS, SETTLEMENTS
from hub.projections.views.reports import positions_named, reported
from hub.words.ledgers import FILING_STATES, LOAN_STATES, SETTLEMENT_STATES
from hub.words.names import PROVINCES

# What reports in force come to, and those that came after what took them out.
Say = Callable[[list[Reported], list[Reported]], Iterable[Line]]


class Ledger:
    """The reports of a thing in one view, and what they come to."""

    def __init__(self, own: Own, view: Projection, name: Text, say: Say) -> None:
        """*say* is pure."""
        self.own, self.name, self._view, self._say, self._folded = own, name, view, say, Folded(view)

    def fold(self, event: Recorded, change: Change | None) -> None:
        """Folds the next event."""
        self._folded.fold(event, change)

    def lines(self) -> Lines:
        """Returns what is known by the events so far."""
        rows = {key[1]: state for key, state in self._folded.states(self._view).items() if state is not None}
        known = [reported(at, row) for at, row in sorted(rows.items()) if row.was_in_force(0)]
        late = [reported(at, row) for at, row in sorted(rows.items()) if not row.was_in_force(0) and row.came_late(0)]
        return tuple(self._say(known, late))

    def is_same(self, connection: psycopg.Connection) -> bool:
        """Whether the live view has these rows."""
        return is_live(connection, self._view, self._folded.states(self._view))


def find_filing(connection: psycopg.Connection, asked: protos.FilingQuestion, at: AsOf) -> Ledger:
    """Finds a filing by its side and number; raises FilingUnknown."""
    known_as = f"{asked.insured_province}/{asked.filing_no}"
    own = events_of(connection, positions_named(connection, FILINGS, [known_as]), at.reached)
    if not own.events:
        raise FilingUnknown
    zh, en = PROVINCES[asked.insured_province]
    name = Text(f"{zh}备案 {asked.filing_no}", f"filing {asked.filing_no} of {en}")
    return Ledger(own, FILINGS, name, partial(_say_filing, known_as, at.valid_us))


def _say_filing(known_as: str, at_us: int, reports: list[Reported], _: list[Reported]) -> Iterator[Line]:
    for one in filings_at(reports, at_us):
        if f"{one.province}/{one.filing_no}" != known_as:
            continue
        yield line("state", ("状态", "state"), one.state, FILING_STATES[one.state])
        if one.said is not None:
            told = one.said.message
            yield line("kind", ("备案类型", "kind"), told.filing_kind)
            yield line("regions", ("参保地 → 就医地", "insured → treated"), f"{told.insured_region} → {told.treatment_region}")
            yield line("days", ("有效期", "days"), f"{told.valid_from} – {told.valid_to}")
            yield line("is_late", ("补登", "registered late"), one.is_late, _yes(one.is_late))
        if one.ended is not None:
            yield line("ended", ("终止", "ended"), one.ended.occurred_us, said.at(one.ended.occurred_us))
        yield from _contradictions(one.findings)


def find_settlement(connection: psycopg.Connection, asked: protos.SettlementQuestion, at: AsOf) -> Ledger:
    """Finds the settlements of a visit by one of them, or by a refund; raises SettlementNotFound, or RequestInvalid where it is not one."""
    names, own = {asked.settlement_id}, Own(b"", [], {}, frozenset())
    while True:
        own = events_of(connection, positions_named(connection, SETTLEMENTS, names), at.reached)
        wider = names | {name for event in own.events if event.kind in (SETTLEMENTS.kinds or ()) for name in _names_in(event)}
        if wider == names:
            break
        names = wider
    named = {_institution(event) for event in own.events if asked.settlement_id in _names_in(event)}
    institution = asked.institution_code or (min(named) if len(named) == 1 else "")
    if not named or institution not in named | {""}:
        raise SettlementNotFound
    if not institution:
        raise RequestInvalid([("settlement.institution_code", "required")])
    name = Text(f"结算 {asked.settlement_id}", f"settlement {asked.settlement_id}")
    return Ledger(own, SETTLEMENTS, name, partial(_say_chain, asked.settlement_id, institution, at.valid_us))


def _names_in(event: Recorded) -> set[str]:
    """Returns under which names the rest of a chain is: those of the settlement or refund, what it gives back, and its visit."""
    if event.kind not in (SETTLEMENTS.kinds or ()):
        return set()
    told = getattr(event.event, event.kind)
    other = visit_name(told.institution_code, told.visit_id) if event.kind == COMPLETED else told.original_settlement_id
    return {told.settlement_id, other} - {""}


def _institution(event: Recorded) -> str:
    return str(getattr(event.event, event.kind).institution_code)


def _say_chain(wanted: str, institution: str, at_us: int, reports: list[Reported], late: list[Reported]) -> Iterator[Line]:
    every = [one for one in settlements_at(reports, at_us, late) if one.institution == institution]
    own = [one for one in every if wanted in (one.settlement_id, *(back.said.message.settlement_id for back in one.refunds))]
    if not own:
        return
    visit = own[0].visit
    chain, net, beside = chain_of(one for one in every if one in own or (all(visit) and one.visit == visit))
    yield line("net", ("结余（分）", "what is left (fen)"), net.total_fen)
    yield line("net_fund", ("其中基金（分）", "of the fund (fen)"), net.fund_total_fen)
    for one in chain:
        yield from _say_settlement(one)
    yield from _contradictions([*(each for one in chain for each in one.findings), *beside])


def _say_settlement(one: Settlement) -> Iterator[Line]:
    title = f"结算 {one.settlement_id}", f"settlement {one.settlement_id}"
    yield line(f"settlement {one.settlement_id}", title, one.state, SETTLEMENT_STATES[one.state])
    for refund in one.refunds:
        no = refund.said.message.settlement_id
        yield line(f"refund {no}", (f"退费 {no}（分）", f"refund {no} (fen)"), refund.given.total_fen)


def find_loans(connection: psycopg.Connection, asked: protos.LoanQuestion, at: AsOf) -> Ledger:
    """Finds the loans of an item; raises LoanUnknown."""
    own = events_of(connection, positions_named(connection, LOANS, [asked.barcode]), at.reached)
    if not own.events:
        raise LoanUnknown
    name = Text(f"图书 {asked.barcode}", f"item {asked.barcode}")
    return Ledger(own, LOANS, name, partial(_say_loans, asked.barcode, at.valid_us))


def _say_loans(barcode: str, at_us: int, reports: list[Reported], _: list[Reported]) -> Iterator[Line]:
    items = [one for one in reports if one.kind != READER_REGISTERED and one.message.barcode == barcode]
    found = loans_at(items, at_us)
    if found:
        yield line("state", ("状态", "state"), found[-1].state, LOAN_STATES[found[-1].state])
    for number, loan in enumerate(found, 1):
        yield _say_loan(number, loan)
    yield from _contradictions(each for loan in found for each in loan.findings)


def _say_loan(number: int, loan: Loan) -> Line:
    branch = loan.lent.message.branch_code if loan.lent is not None else "—"
    due = f"{loan.due_on or '—'} +{loan.days_overdue}"
    state = Text(*LOAN_STATES[loan.state])
    words = Text(f"{branch}：{state.zh}，到期 {loan.due_on or '—'}，逾期 {loan.days_overdue} 天", f"{branch}: {state.en}, due {due} days")
    return line(f"loan {number}", (f"第 {number} 次借阅", f"loan {number}"), f"{branch} {loan.state} {due}", words)


def _contradictions(found: Iterable[LedgerFinding]) -> Iterator[Line]:
    codes = [f"{one.code} {one.position}" for one in found]
    if codes:
        yield line("findings", ("不符之处", "what does not go together"), " ".join(codes))


def _yes(holds: bool) -> tuple[str, str]:
    return ("是", "yes") if holds else ("否", "no")
