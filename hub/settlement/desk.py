"""Where statements are issued, acknowledged, disputed and paid: commands, the API and the console come here."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime

import psycopg
from chuanyu.exchange.v1 import settlements_pb2 as protos
from eventsourcing.persistence import IntegrityError

from hub.domain.participant import OPERATOR
from hub.domain.settlement.statement import Statement
from hub.domain.settlement_errors import StatementChanged, WindowAlreadyStated
from hub.domain.usage import UsageCell
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.recorder import AggregateStore
from hub.projections.views.usage_counts import changed
from hub.settlement import reading
from hub.settlement.issuing import stated, windows


class SettlementDesk:
    """Works on one session and one store; used from one thread."""

    def __init__(self, connection: psycopg.Connection, store: AggregateStore) -> None:
        """*connection* reads the journal and the counts."""
        self._connection, self._store = connection, store
        # What changed between two positions: schemes that are cut together share it.
        self._changed: tuple[tuple[int, int], dict[UsageCell, tuple[int, int]]] = ((0, 0), {})

    def issue(self, scheme: str, day: date, at: datetime, *, early: bool = False) -> Iterator[Statement]:
        """Issues what is due of a scheme through a business day, and yields each; raises as `windows`, ViewBehind and StatementChanged."""
        for window in windows(self._connection, scheme, day, at, early=early):
            issued = stated(window, self._changes(window.after, window.cut))
            made = Statement.begin("statement_issued", issued, Statement.create_id(issued.statement_code), at)
            try:
                self._store.save(made)
            except IntegrityError:
                raise StatementChanged from None
            yield made

    def issue_all(self, day: date, at: datetime, *, early: bool = False) -> list[Statement]:
        """Issues what is due of every scheme through a business day; of a scheme that is stated, returns the statement of the day.

        Raises as `issue`, WindowAlreadyStated only where that day has no statement of its own in any scheme.
        """
        found: list[Statement] = []
        stated = None
        for scheme in reading.schemes_named("", day):
            try:
                found += self.issue(scheme, day, at, early=early)
            except WindowAlreadyStated as refusal:
                stated = refusal
                found += reading.listed(self._connection, scheme, day.isoformat(), day.isoformat())
        if stated is not None and not found:
            raise stated
        return found

    def _changes(self, after: int, cut: int) -> dict[UsageCell, tuple[int, int]]:
        if self._changed[0] != (after, cut):
            self._changed = (after, cut), changed(self._connection, after, cut)
        return self._changed[1]

    def acknowledge(self, code: str, by: protos.StatementParty, digest: bytes, at: datetime) -> Statement:
        """A side finds a statement right."""
        return self._change(code, by, lambda found: found.acknowledge(by, digest, at))

    def dispute(self, code: str, by: protos.StatementParty, line: int, reason_code: str, at: datetime) -> Statement:
        """A side disputes a line."""
        disputed = protos.StatementLineDisputed(by=by, line=line, reason_code=reason_code)
        refuse_invalid(disputed)
        refuse_identifiers(disputed, "reason_code")
        return self._change(code, by, lambda found: found.dispute(by, line, reason_code, at))

    def resolve(self, code: str, by: protos.StatementParty, line: int, outcome: protos.DisputeOutcome.ValueType, at: datetime) -> Statement:
        """A side ends a dispute."""
        refuse_invalid(protos.StatementDisputeResolved(by=by, line=line, outcome=outcome))
        return self._change(code, by, lambda found: found.resolve(by, line, outcome, at))

    def pay(self, code: str, by: protos.StatementParty, reference: str, amount_fen: int, at: datetime) -> Statement:
        """A side has paid the net."""
        paid = protos.StatementPaymentReported(by=by, payment_reference=reference, amount_fen=amount_fen)
        refuse_invalid(paid)
        refuse_identifiers(paid, "payment_reference")
        return self._change(code, by, lambda found: found.pay(by, reference, amount_fen, at))

    def _change(self, code: str, by: protos.StatementParty, change: Callable[[Statement], None]) -> Statement:
        """Changes a statement; raises StatementUnknown, StatementChanged, RequestInvalid or what *change* does."""
        refuse_invalid(by)
        refuse_identifiers(by, "name")
        found = reading.find(self._connection, code)
        change(found)
        try:
            self._store.save(found)
        except IntegrityError:
            raise StatementChanged from None
        return reading.find(self._connection, code)


@contextmanager
def opened(dsn: str, connection: psycopg.Connection) -> Iterator[SettlementDesk]:
    """Opens the desk on a session that reads, with a store of its own."""
    with closing(AggregateStore(dsn)) as store:
        yield SettlementDesk(connection, store)


def of_operator(side: str, name: str) -> protos.StatementParty:
    """Returns an operator of the hub's who acts for a side."""
    return protos.StatementParty(province=side, participant=OPERATOR, name=name)
