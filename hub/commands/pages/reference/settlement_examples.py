"""Examples of the calls about statements: one of two lines, made as the hub makes it, and what both sides say of it."""

from collections.abc import Callable, Mapping

from chuanyu.exchange.v1 import settlement_service_pb2 as protos
from chuanyu.exchange.v1 import settlements_pb2 as events

from hub.api.settlements.service import message_of
from hub.commands.pages.reference.samples import Example, at
from hub.domain import reference
from hub.domain.settlement.lines import digest_of, lines_of, owed_fen
from hub.domain.settlement.statement import Statement
from hub.domain.usage import UsageCell

_CODE, _PERSON, _REASON = "ST-QR-12", "li.lei", "AMOUNT_DIFFERS"
_CHANGED = {
    UsageCell("2026-03-02", "50", "510100", "TRA.QR"): (1_204, 361_200),
    UsageCell("2026-03-02", "51", "500103", "TRA.QR"): (1_310, 393_000),
}


def _statement(*steps: tuple[str, object]) -> protos.Statement:
    lines = lines_of(_CHANGED, reference.load().schemes.versions["QR"][-1])
    issued = events.StatementIssued(
        statement_code=_CODE, scheme="QR", route=events.SETTLEMENT_ROUTE_BILATERAL, business_day="2026-03-02",
        after_position=152_004, cut_position=180_260, cut_at=at(73_785), lines=lines,
        owed_by_50_fen=owed_fen(lines, "50"), owed_by_51_fen=owed_fen(lines, "51"),
    )  # fmt: skip
    issued.digest = digest_of(issued)
    found = Statement(issued)
    for kind, message in steps:
        found.apply(kind, message)
    return message_of(found)


def _party(province: str) -> events.StatementParty:
    office = {"50": "cq", "51": "sc"}[province]
    return events.StatementParty(province=province, participant=f"urn:chuanyu:participant:{office}.clearing", name=_PERSON)


def _acknowledged() -> list[tuple[str, object]]:
    return [("statement_acknowledged", events.StatementAcknowledged(by=_party(side))) for side in ("50", "51")]


def _list() -> Example:
    return Example(protos.ListStatementsRequest(scheme="QR"), protos.ListStatementsResponse(statements=[_statement()]))


def _get() -> Example:
    request = protos.GetStatementRequest(scheme="QR", business_day="2026-03-02")
    return Example(request, protos.GetStatementResponse(statement=_statement()))


def _lines() -> Example:
    lines = lines_of(_CHANGED, reference.load().schemes.versions["QR"][-1])
    return Example(protos.StreamStatementLinesRequest(statement_code=_CODE), protos.StreamStatementLinesResponse(lines=lines))


def _acknowledge() -> Example:
    answer = _statement(_acknowledged()[0])
    request = protos.AcknowledgeStatementRequest(statement_code=_CODE, digest=answer.digest, person=_PERSON)
    return Example(request, protos.AcknowledgeStatementResponse(statement=answer))


def _dispute() -> Example:
    disputed = events.StatementLineDisputed(by=_party("51"), line=2, reason_code=_REASON)
    request = protos.DisputeLineRequest(statement_code=_CODE, line=2, reason_code=_REASON, person=_PERSON)
    return Example(request, protos.DisputeLineResponse(statement=_statement(("statement_line_disputed", disputed))))


def _pay() -> Example:
    paid = events.StatementPaymentReported(by=_party("51"), payment_reference="20260303-0001", amount_fen=31_800)
    request = protos.ReportPaymentRequest(statement_code=_CODE, payment_reference="20260303-0001", amount_fen=31_800, person=_PERSON)
    answer = _statement(*_acknowledged(), ("statement_payment_reported", paid))
    return Example(request, protos.ReportPaymentResponse(statement=answer))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "ListStatements": _list,
    "GetStatement": _get,
    "StreamStatementLines": _lines,
    "AcknowledgeStatement": _acknowledge,
    "DisputeLine": _dispute,
    "ReportPayment": _pay,
}
