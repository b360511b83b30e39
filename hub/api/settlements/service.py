"""SettlementService: statements are read by both sides, and acknowledged, disputed and paid by the side that the caller is of."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
from chuanyu.exchange.v1 import settlement_service_pb2 as protos
from chuanyu.exchange.v1 import settlements_pb2 as events

from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, server_streaming, service, unary
from hub.api.edge.turns import Reads
from hub.domain.errors import NotPermitted
from hub.domain.settlement.lines import net_fen
from hub.domain.settlement.statement import Statement
from hub.intake.message_reader import reader
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.settlement import reading
from hub.settlement.desk import SettlementDesk, opened

LINES_OF_A_MESSAGE = 500


class SettlementService:
    """Used from one event loop; close it when done."""

    def __init__(self, dsn: str) -> None:
        """*dsn* names a login that may SET ROLE hub_reader."""
        self._dsn, self._reads = dsn, Reads(dsn, "hub_reader", "hub-settlement")

    def close(self) -> None:
        """Closes what was opened."""
        self._reads.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.SettlementService",
            {
                "ListStatements": unary(gate, reader(protos.ListStatementsRequest), self.list),
                "GetStatement": unary(gate, reader(protos.GetStatementRequest), self.get),
                "StreamStatementLines": server_streaming(gate, reader(protos.StreamStatementLinesRequest), self.lines),
                "AcknowledgeStatement": unary(gate, reader(protos.AcknowledgeStatementRequest), self.acknowledge),
                "DisputeLine": unary(gate, reader(protos.DisputeLineRequest), self.dispute),
                "ReportPayment": unary(gate, reader(protos.ReportPaymentRequest), self.pay),
            },
        )

    async def list(self, request: protos.ListStatementsRequest, caller: Caller) -> protos.ListStatementsResponse:
        """Lists statements, the newest first; raises RequestInvalid or SchemeUnknown."""
        refuse_invalid(request)

        def found(connection: psycopg.Connection) -> list[Statement]:
            return [*reading.listed(connection, request.scheme, request.first_day, request.last_day)]

        return protos.ListStatementsResponse(statements=map(message_of, await self._reads.read(caller.urn, found)))

    async def get(self, request: protos.GetStatementRequest, caller: Caller) -> protos.GetStatementResponse:
        """Gives one statement; raises RequestInvalid or StatementUnknown."""
        refuse_invalid(request)
        if request.statement_code:
            found = await self._reads.read(caller.urn, reading.find, request.statement_code)
        else:
            found = await self._reads.read(caller.urn, reading.find_day, request.scheme, request.business_day)
        return protos.GetStatementResponse(statement=message_of(found))

    async def lines(
        self, request: protos.StreamStatementLinesRequest, caller: Caller
    ) -> AsyncIterator[protos.StreamStatementLinesResponse]:
        """Gives the lines in pieces; raises RequestInvalid or StatementUnknown."""
        refuse_invalid(request)
        lines = (await self._reads.read(caller.urn, reading.find, request.statement_code)).issued.lines
        for begin in range(0, len(lines), LINES_OF_A_MESSAGE):
            yield protos.StreamStatementLinesResponse(lines=lines[begin : begin + LINES_OF_A_MESSAGE])

    async def acknowledge(self, request: protos.AcknowledgeStatementRequest, caller: Caller) -> protos.AcknowledgeStatementResponse:
        """Acknowledges for the caller's side; raises as `Statement.acknowledge` and `SettlementDesk`."""
        party, code, digest = party_of(request, caller), request.statement_code, request.digest
        found = await self._deciding(caller, lambda desk, at: desk.acknowledge(code, party, digest, at))
        return protos.AcknowledgeStatementResponse(statement=message_of(found))

    async def dispute(self, request: protos.DisputeLineRequest, caller: Caller) -> protos.DisputeLineResponse:
        """Disputes a line, or ends a dispute, for the caller's side; raises as `Statement.dispute` and `Statement.resolve`."""
        party, code, line = party_of(request, caller), request.statement_code, request.line

        def decide(desk: SettlementDesk, at: datetime) -> Statement:
            if request.outcome:
                return desk.resolve(code, party, line, request.outcome, at)
            return desk.dispute(code, party, line, request.reason_code, at)

        return protos.DisputeLineResponse(statement=message_of(await self._deciding(caller, decide)))

    async def pay(self, request: protos.ReportPaymentRequest, caller: Caller) -> protos.ReportPaymentResponse:
        """Reports the payment of the caller's side; raises as `Statement.pay`."""
        party, code = party_of(request, caller), request.statement_code
        reference, amount = request.payment_reference, request.amount_fen
        found = await self._deciding(caller, lambda desk, at: desk.pay(code, party, reference, amount, at))
        return protos.ReportPaymentResponse(statement=message_of(found))

    async def _deciding(self, caller: Caller, act: Callable[[SettlementDesk, datetime], Statement]) -> Any:
        return await self._reads.decide(caller.urn, partial(opened, self._dsn), lambda desk: act(desk, datetime.now(UTC)))


def message_of(found: Statement) -> protos.Statement:
    """Returns a statement without its lines."""
    issued = found.issued
    return protos.Statement(
        statement_code=found.code, scheme=issued.scheme, route=issued.route,
        state=protos.StatementState.Value(f"STATEMENT_STATE_{found.state}"),
        business_day=issued.business_day, after_position=issued.after_position, cut_position=issued.cut_position, cut_at=issued.cut_at,
        line_count=len(issued.lines), owed_by_50_fen=issued.owed_by_50_fen, owed_by_51_fen=issued.owed_by_51_fen,
        net_50_to_51_fen=net_fen(issued), digest=issued.digest,
        acknowledged=[party for _, party in sorted(found.acknowledged.items())],
        disputes=[
            protos.StatementDispute(line=one.raised.line, by=one.raised.by, reason_code=one.raised.reason_code, outcome=one.outcome)
            for one in found.disputes
        ],
        payment=found.payment,
    )  # fmt: skip


def party_of(request: Any, caller: Caller) -> events.StatementParty:
    """Returns who acts, for the side of the caller; raises RequestInvalid, and NotPermitted for operators' tools, which are of no side."""
    refuse_invalid(request)
    refuse_identifiers(request, "person")
    if not caller.province:
        raise NotPermitted
    return events.StatementParty(province=caller.province, participant=caller.urn, name=request.person)
