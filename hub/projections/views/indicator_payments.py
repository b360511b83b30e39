"""The rows of `indicator` that are of money: each row of a fund batch (K19), and who became eligible for payments (K7).

Whom a row pays is a column of it, so that the rows that were paid before are found when somebody is reported to be eligible: from then on
each hands on to him when it was paid. Of those who never were nothing is kept.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any

from hub.domain.indicators.facts import ELIGIBLE
from hub.domain.indicators.payees import PaidRow, begins_us, payee_of, steps_of_payee, turns_of_row, year_of
from hub.domain.indicators.plain_payments import PlainPayment, payment_of, steps_of_row
from hub.domain.indicators.steps import Steps
from hub.journal.reader import Recorded
from hub.projections.projection import Below, Key, Row
from hub.projections.views import funds
from hub.projections.views.fund_row_state import FundRow, known_row
from hub.projections.views.indicator_events import Events, events_after, packed, unpacked

PAYMENT, PAYEE = "payment", "payee"
_text = json.encoder.encode_basestring_ascii
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Payment:
    """A row of a fund batch, and the project that each of its reports names, in their order. It never changes once it is made."""

    __slots__ = ("key", "projects", "row")
    number = b""

    def __init__(self, key: Key, row: FundRow, projects: tuple[str, ...]) -> None:
        """What it comes to is found when it is asked for."""
        self.key, self.row, self.projects = key, row, projects

    @property
    def plain(self) -> PlainPayment | None:
        """What its steps depend on, if it is a row as nearly all are."""
        plain = self.row.plain
        return None if plain is None else payment_of(self.row.province, plain)

    @property
    def steps(self) -> Steps:
        """What it counts (K19), as steps by day."""
        return steps_of_row(self.row.province, self.row.reports)

    @property
    def paid(self) -> PaidRow | None:
        """What it says of those whom it pays, None while it was paid for no project."""
        row, projects = self.row, tuple(sorted({*self.projects} - {""}))
        if not projects or not (turns := turns_of_row(row.reports)):
            return None
        return PaidRow(row.batch_no, row.row_no, bool(row.card), projects, turns)


class Payee:
    """A person, or a card, as a province pays him: what makes him eligible in which years, and rows that were paid to him in these."""

    number = b""

    def __init__(self, key: Key, events: Events = (), years: tuple[int, ...] = (), paid: Mapping[bytes, PaidRow] = {}) -> None:
        """*years* are those of all reports that there ever were, so that his rows are the same whatever became of these."""
        self.key, self.events, self.years, self.paid = key, events, years, paid

    @cached_property
    def steps(self) -> Steps:
        """What he counts (K7), as steps by day."""
        return steps_of_payee([one.reported for one in self.events], self.paid.values()) if self.events else {}


@lru_cache(1 << 14)
def payees_of(province: str, card: bytes, holder: bytes) -> tuple[Key, ...]:
    """Names the payees that something is of which names a card and a person; of each row this is asked several times."""
    return tuple((PAYEE, province.encode() + subject) for subject in (holder, card) if subject)


def payments_named(recorded: Recorded) -> tuple[Key, ...]:
    """Names the row that an event is a report of, and those whom it names as paid."""
    event = recorded.event
    rows = tuple((PAYMENT, key) for (key,) in funds.keys(recorded, None))
    return rows + payees_of(event.service_region[:2], recorded.card, event.holder.key)


def payee_named(recorded: Recorded) -> tuple[Key, ...]:
    """Names who became eligible."""
    payee = payee_of(recorded.reported)
    return ((PAYEE, payee.province.encode() + payee.subject),)


def above_payment(payment: Payment) -> tuple[Key, ...]:
    """Names those whom a row pays."""
    row = payment.row
    return payees_of(row.province, row.card, row.holder)


def evolve_payment(key: Key, payment: Payment | None, recorded: Recorded, corrected: Recorded | None) -> Payment | None:
    """Folds a report of a row."""
    before = None if payment is None else payment.row
    row = funds.evolve(key[1:], before, recorded, corrected)
    if row is None or row is before:
        return payment
    project = getattr(getattr(recorded.event, recorded.kind), "project_code", "")
    known = () if payment is None else payment.projects
    if len(row.reports) == len(known) + 1 and row.reports[-1].position == recorded.position and not row.gone:
        return Payment(key, row, (*known, project))
    told = {one.position: said for one, said in zip(before.reports, known, strict=True)} if before is not None else {}
    told[recorded.position] = project
    return Payment(key, row, tuple(told[one.position] for one in row.reports))


def evolve_payee(key: Key, payee: Payee | None, recorded: Recorded, corrected: Recorded | None) -> Payee | None:
    """Takes out what is in force no more and adds what is now; who was eligible by mistake stays, since he may be again."""
    if recorded.kind != ELIGIBLE and (corrected is None or corrected.kind != ELIGIBLE):
        # Of the rows of batches he hears by the rows themselves.
        return payee
    known = payee or Payee(key)
    is_told = recorded.kind == ELIGIBLE and not recorded.is_reversal and key in recorded.derived(payee_named)
    events = events_after(known.events, recorded, corrected, is_told=is_told)
    if events == known.events:
        return payee
    years = {*known.years, year_of(begins_us(recorded.reported))} if is_told else known.years
    return Payee(key, events, tuple(sorted(years)), known.paid)


def join_payment(payee: Payee | None, payment: Payment) -> Payee | None:
    """Adds to who is eligible when a row was paid to him, or takes it off; to nobody else."""
    if payee is None:
        return None
    name, paid = payment.key[1], payment.paid if payee.key in above_payment(payment) else None
    if paid is not None and not paid.is_paid_in(payee.years):
        paid = None
    if payee.paid.get(name) == paid:
        return payee
    others = {other: row for other, row in payee.paid.items() if other != name}
    return Payee(payee.key, payee.events, payee.years, others if paid is None else {**others, name: paid})


def _value(key: Key) -> bytes | None:
    return key[1][_PROVINCE:] if key[0] == PAYEE else None


_PROVINCE, _OLD = 2, 4
COLUMNS = (("holder", "bytea"), ("card", "bytea"))
BELOW = Below(kinds=frozenset({ELIGIBLE}), columns=tuple(name for name, _ in COLUMNS), value=_value)
INDEXES = tuple(f"{name} WHERE {name} IS NOT NULL" for name, _ in COLUMNS)


def encode(state: Payment | Payee) -> Row:
    """Writes a row."""
    if isinstance(state, Payment):
        row, projects = state.row, ",".join(map(_text, state.projects)) if any(state.projects) else ""
        # By hand it takes a third of what the encoder does.
        named = f"{_text(row.province)},{_text(row.batch_no)},{row.row_no},{_text(row.text)},[{projects}]"
        return f'["{PAYMENT}","{state.key[1].hex()}",{named}]', row.holder or None, row.card or None
    paid = [[name.hex(), *row] for name, row in sorted(state.paid.items())]
    return _encode([PAYEE, state.key[1].hex(), [packed(one) for one in state.events], state.years, paid]), None, None


def decode(told: list[Any], holder: bytes | None, card: bytes | None) -> Payment | Payee:
    """Reads a row of which the text is read."""
    what, key, *rest = told
    if what == PAYMENT and len(rest) == _OLD:
        # As an older release wrote it, until the view is rebuilt: it did not keep the projects.
        province, batch_no, row_no, its_card, its_holder, text = rest[-1]
        row = known_row(province, batch_no, row_no, bytes.fromhex(its_card), bytes.fromhex(its_holder), text)
        return Payment((what, bytes.fromhex(key)), row, ("",) * len(row.reports))
    if what == PAYMENT:
        province, batch_no, row_no, text, projects = rest
        row = known_row(province, batch_no, row_no, bytes(card or b""), bytes(holder or b""), text)
        return Payment((what, bytes.fromhex(key)), row, tuple(projects) or ("",) * len(row.reports))
    events, years, paid = rest
    return Payee((what, bytes.fromhex(key)), unpacked(events), tuple(years), {bytes.fromhex(name): _paid_row(*row) for name, *row in paid})


def _paid_row(batch_no: str, row_no: int, is_to_card: bool, projects: Iterable[str], turns: Iterable[Iterable[int]]) -> PaidRow:
    return PaidRow(batch_no, row_no, is_to_card, tuple(projects), tuple((day, at_us) for day, at_us in turns))
