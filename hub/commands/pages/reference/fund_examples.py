"""Examples of the calls about funds: a batch of two rows, one of them paid to a new account after it came back."""

from collections.abc import Callable, Mapping

from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, references_pb2
from chuanyu.exchange.v1 import card_service_pb2 as checks
from chuanyu.exchange.v1 import fund_service_pb2 as protos
from google.protobuf.message import Message

from hub.commands.pages.reference.samples import Example, at, card
from hub.domain import reference
from hub.domain.funds.answers import batch_message, row_message
from hub.domain.funds.attempts import PAID, RETURNED, SENT, Said
from hub.domain.funds.batches import Cell, batch_at, cells_of
from hub.domain.funds.rows import RowFold, fold_row
from hub.domain.instants import DAY_US, microseconds
from hub.domain.reported import Reported

_BATCH, _POSITION = "CQ202603-0007", 180_260
_OLD, _NEW = bytes(32), bytes(31) + b"\1"
_AT_US, _CLOSED = microseconds(at()), 5


def _rows() -> dict[int, RowFold]:
    later = _AT_US + DAY_US
    returned = [
        Said(SENT, _AT_US, 1, 23_000, _OLD.hex(), attempt=1),
        Said(RETURNED, _AT_US + 1, 2, 23_000, _OLD.hex(), "B0001", _CLOSED),
        Said(SENT, later, 3, 23_000, _NEW.hex(), attempt=2),
        Said(PAID, later + 1, 4, 23_000, _NEW.hex(), "B0003"),
    ]
    return {1: fold_row(returned), 2: fold_row([Said(SENT, _AT_US, 5, 23_000, attempt=1), Said(PAID, _AT_US + 1, 6, 23_000, "", "B0002")])}


def _step(kind: str, **says: object) -> Reported:
    event = event_pb2.Event(service_region="500103", occurred_at=at())
    message = getattr(event, kind)
    message.batch_no = _BATCH
    for name, value in says.items():
        setattr(message, name, value)
    return Reported(kind, event, _AT_US, 1)


def _batch() -> Example:
    tables, sums = reference.load(), dict[Cell, tuple[int, int]]()
    for row in _rows().values():
        for cell, (rows, fen) in cells_of(row).items():
            known = sums.get(cell, (0, 0))
            sums[cell] = known[0] + rows, known[1] + fen
    steps = [
        _step("fund_batch_published", project_code="GLJT", fiscal_year=2026, period="03", amount_total_fen=46_000),
        _step("fund_batch_approved"),
        _step("fund_batch_sent", row_count=2, amount_total_fen=46_000),
    ]
    found = batch_message("50", _BATCH, batch_at(steps, sums, _AT_US + 2 * DAY_US, tables.working_days), tables.return_reasons)
    request = protos.GetBatchRequest(batch_no=_BATCH)
    return Example(request, protos.GetBatchResponse(batch=found, as_of_position=_POSITION))


def _listed() -> Example:
    reasons = reference.load().return_reasons
    rows = [row_message(number, row, reasons, is_closed=False) for number, row in _rows().items()]
    request = protos.ListRowsRequest(batch_no=_BATCH, page_size=2)
    return Example(request, protos.ListRowsResponse(rows=rows, as_of_position=_POSITION))


def _checked() -> Example:
    payee = protos.Payee(row_no=1, card=card())
    payee.account.clear = "6217003800001234560"
    request = protos.CheckPayeesRequest(
        check_id="CQ202603-0007-1", service_region="500103", project_code="GLJT", period="2026-03", payees=[payee]
    )
    answered = checks.CheckAcceptanceResponse(
        request_id="CQ202603-0007-1/1", outcome=acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT, position=_POSITION,
        as_of_position=_POSITION - 1, decided_for=at(),
    )  # fmt: skip
    response = protos.CheckPayeesResponse(check_id=request.check_id, payees=[protos.PayeeChecked(row_no=1, answered=answered)])
    return Example(request, response)


def _changes() -> Example:
    change = protos.AccountChange(
        position=180_240, changed_at=at(), from_account_key=_OLD, to_account_key=_NEW, province="50", asked_number=1
    )
    request: Message = protos.ListAccountChangesRequest(
        since_position=180_000, accounts=[references_pb2.BankAccountRef(clear="6217003800001234560")]
    )
    return Example(request, protos.ListAccountChangesResponse(changes=[change], as_of_position=_POSITION))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "GetBatch": _batch,
    "ListRows": _listed,
    "CheckPayees": _checked,
    "ListAccountChanges": _changes,
}
