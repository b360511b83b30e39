"""Examples of the calls about reconciliation: a side's totals a fen off, the break that it comes to, and what sides say of it."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from chuanyu.exchange.v1 import reconciliation_pb2 as events
from chuanyu.exchange.v1 import reconciliation_service_pb2 as protos
from chuanyu.exchange.v1 import references_pb2 as references
from chuanyu.exchange.v1 import settlements_pb2 as parties

from hub.api.reconciliations.service import break_of, message_of
from hub.commands.pages.reference.samples import Example
from hub.domain.reconciliation.books import Cell, Compared, Figure
from hub.domain.reconciliation.day_book import DayBook, recorded
from hub.domain.reconciliation.differences import Known, differences
from hub.domain.reconciliation.moving import reconciled
from hub.reconciliation.comparing import COMPARED, Comparison

_DAY, _AT, _PERSON, _CODE = date(2026, 3, 2), datetime(2026, 3, 3, 4, 0, tzinfo=UTC), "han.mei", "BR-51-20260302-1"
_CELL = Cell("50", "510100", "TRA.QR")
_OURS, _THEIRS, _REACH, _HEAD = Figure(1_204, 361_200), Figure(1_204, 361_201), 180_260, 180_311
_BY = parties.StatementParty(province="51", participant="urn:chuanyu:participant:sc.clearing", name=_PERSON)
_TOTAL = events.ControlTotal(
    issuer_province="50", service_region="510100", scenario="TRA.QR", uses=_THEIRS.uses, amount_fen=_THEIRS.fen, reversals=3
)
_THROUGH = events.FeedReach(feed="sc.usage", sequence=90_112)
_EVIDENCE = references.EventRef(feed="sc.usage", sequence=88_031)


def _book() -> DayBook:
    found = differences([Compared(_CELL, _OURS, _OURS, _THEIRS)], {_CELL: Known(counted=(_EVIDENCE,))})
    totals = events.ReconTotalsRecorded(
        by=_BY, business_day=_DAY.isoformat(), version=1, totals=[_TOTAL], through=[_THROUGH], counted_position=_HEAD
    )
    book = recorded(None, "51", _DAY, "recon_totals_recorded", totals, _AT)
    reconciled(book, "51", _DAY, found, lambda _: "2026-03-06", _AT)
    return book


def _break(book: DayBook) -> protos.Break:
    said = break_of(book, book.break_of(_CODE))
    said.found_at.FromDatetime(_AT)
    return said


def _comparison() -> protos.Comparison:
    cells = [Compared(_CELL, _OURS, _OURS, _THEIRS)]
    return message_of(Comparison("51", _DAY, _book(), COMPARED, _REACH, _HEAD, cells, [], _OURS))


def _submit() -> Example:
    request = protos.SubmitControlTotalsRequest(
        business_day=_DAY.isoformat(), version=1, totals=[_TOTAL], through=[_THROUGH], person=_PERSON
    )
    return Example(request, protos.SubmitControlTotalsResponse(comparison=_comparison()))


def _get() -> Example:
    answer = protos.GetComparisonResponse(comparisons=[_comparison()], difference_50_51=protos.BookFigures())
    return Example(protos.GetComparisonRequest(business_day=_DAY.isoformat()), answer)


def _list() -> Example:
    return Example(protos.ListBreaksRequest(only_open=True, owner="51"), protos.ListBreaksResponse(breaks=[_break(_book())]))


def _assign() -> Example:
    book = _book()
    book.assign(_BY, _CODE, "50", _AT)
    return Example(protos.AssignBreakRequest(break_code=_CODE, owner="50", person=_PERSON), protos.AssignBreakResponse(found=_break(book)))


def _explain() -> Example:
    book = _book()
    book.explain(_BY, _CODE, "ROUNDED", (_EVIDENCE,), _AT)
    request = protos.ExplainBreakRequest(break_code=_CODE, reason_code="ROUNDED", evidence=[_EVIDENCE], person=_PERSON)
    return Example(request, protos.ExplainBreakResponse(found=_break(book)))


def _close() -> Example:
    book = _book()
    book.leave(_BY, _CODE, events.BREAK_CAUSE_WRITTEN_OFF, (), _AT)
    request = protos.CloseBreakRequest(break_code=_CODE, cause=events.BREAK_CAUSE_WRITTEN_OFF, person=_PERSON)
    return Example(request, protos.CloseBreakResponse(found=_break(book)))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "SubmitControlTotals": _submit,
    "GetComparison": _get,
    "ListBreaks": _list,
    "AssignBreak": _assign,
    "ExplainBreak": _explain,
    "CloseBreak": _close,
}
