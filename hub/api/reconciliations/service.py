"""ReconciliationService: a side reports the totals of a day and settles breaks; both see how the books differ."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
from chuanyu.exchange.v1 import reconciliation_pb2 as events
from chuanyu.exchange.v1 import reconciliation_service_pb2 as protos

from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, service, unary
from hub.api.edge.turns import Reads
from hub.api.settlements.service import party_of
from hub.domain.errors import RequestInvalid
from hub.domain.instants import LOCAL
from hub.domain.reconciliation.books import NOTHING, Figure
from hub.domain.reconciliation.day_book import Break, DayBook, day_of_code
from hub.domain.settlement.lines import SIDES
from hub.intake.message_reader import reader
from hub.intake.request_rules import refuse_invalid
from hub.reconciliation.comparing import Comparison, between_the_sides, compare
from hub.reconciliation.desk import ReconciliationDesk, opened
from hub.reconciliation.reading import day_books, find_break

DAYS_LISTED, MOST_DAYS = 31, 366


class ReconciliationService:
    """Used from one event loop; close it when done."""

    def __init__(self, dsn: str) -> None:
        """*dsn* names a login that may SET ROLE hub_reader."""
        self._dsn, self._reads = dsn, Reads(dsn, "hub_reader", "hub-reconciliation")

    def close(self) -> None:
        """Closes what was opened."""
        self._reads.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.ReconciliationService",
            {
                "SubmitControlTotals": unary(gate, reader(protos.SubmitControlTotalsRequest), self.submit),
                "GetComparison": unary(gate, reader(protos.GetComparisonRequest), self.get),
                "ListBreaks": unary(gate, reader(protos.ListBreaksRequest), self.list),
                "AssignBreak": unary(gate, reader(protos.AssignBreakRequest), self.assign),
                "ExplainBreak": unary(gate, reader(protos.ExplainBreakRequest), self.explain),
                "CloseBreak": unary(gate, reader(protos.CloseBreakRequest), self.leave),
            },
        )

    async def submit(self, request: protos.SubmitControlTotalsRequest, caller: Caller) -> protos.SubmitControlTotalsResponse:
        """Takes the totals of the caller's side; raises as `ReconciliationDesk.submit`."""
        totals = events.ReconTotalsRecorded(
            by=party_of(request, caller), business_day=request.business_day, version=request.version,
            totals=request.totals, through=request.through,
        )  # fmt: skip
        found = await self._deciding(caller, lambda desk, at: desk.submit(totals, at))
        return protos.SubmitControlTotalsResponse(comparison=message_of(found))

    async def get(self, request: protos.GetComparisonRequest, caller: Caller) -> protos.GetComparisonResponse:
        """Says how the three books differ; raises RequestInvalid."""
        refuse_invalid(request)
        day = _day("business_day", request.business_day)

        def found(connection: psycopg.Connection) -> list[Comparison]:
            return [compare(connection, side, day) for side in SIDES]

        both = await self._reads.read(caller.urn, found)
        return protos.GetComparisonResponse(comparisons=map(message_of, both), difference_50_51=_figures(between_the_sides(*both)))

    async def list(self, request: protos.ListBreaksRequest, caller: Caller) -> protos.ListBreaksResponse:
        """Lists breaks, the newest days first; raises RequestInvalid."""
        refuse_invalid(request)
        last = _day("last_day", request.last_day) if request.last_day else datetime.now(LOCAL).date()
        first = _day("first_day", request.first_day) if request.first_day else last - timedelta(days=DAYS_LISTED)
        if (last - first).days > MOST_DAYS:
            raise RequestInvalid([("first_day", "too_long_ago")])

        def found(connection: psycopg.Connection) -> list[protos.Break]:
            listed = [break_of(book, one) for _, _, book in day_books(connection, first, last) for one in book.breaks.values()]
            return [one for one in listed if _is_wanted(one, request)]

        return protos.ListBreaksResponse(breaks=await self._reads.read(caller.urn, found))

    async def assign(self, request: protos.AssignBreakRequest, caller: Caller) -> protos.AssignBreakResponse:
        """Makes a side the owner of a break; raises as `ReconciliationDesk.assign`."""
        by, code = party_of(request, caller), request.break_code
        found = await self._changing(caller, code, lambda desk, at: desk.assign(code, by, request.owner, at))
        return protos.AssignBreakResponse(found=found)

    async def explain(self, request: protos.ExplainBreakRequest, caller: Caller) -> protos.ExplainBreakResponse:
        """The caller's side says what a break comes of; raises as `ReconciliationDesk.explain`."""
        by, code = party_of(request, caller), request.break_code
        found = await self._changing(caller, code, lambda desk, at: desk.explain(code, by, request.reason_code, request.evidence, at))
        return protos.ExplainBreakResponse(found=found)

    async def leave(self, request: protos.CloseBreakRequest, caller: Caller) -> protos.CloseBreakResponse:
        """The caller's side leaves the difference of a break; raises as `ReconciliationDesk.leave`."""
        by, code = party_of(request, caller), request.break_code
        found = await self._changing(caller, code, lambda desk, at: desk.leave(code, by, request.cause, request.evidence, at))
        return protos.CloseBreakResponse(found=found)

    async def _changing(self, caller: Caller, code: str, act: Callable[[ReconciliationDesk, datetime], Break]) -> protos.Break:
        await self._deciding(caller, act)
        return break_of(*await self._reads.read(caller.urn, find_break, code))

    async def _deciding(self, caller: Caller, act: Callable[[ReconciliationDesk, datetime], Any]) -> Any:
        return await self._reads.decide(caller.urn, partial(opened, self._dsn), lambda desk: act(desk, datetime.now(UTC)))


def message_of(found: Comparison) -> protos.Comparison:
    """Returns a comparison with the cells that differ."""
    newest = found.book.newest if found.book is not None else None
    return protos.Comparison(
        province=found.side, business_day=found.day.isoformat(), state=protos.ComparisonState.Value(f"COMPARISON_STATE_{found.state}"),
        version=newest.version if newest is not None else 0, reach_position=found.reach, as_of_position=found.position,
        cells=[
            protos.ComparedCell(
                issuer_province=one.cell.issuer, service_region=one.cell.region, scenario=one.cell.scenario,
                ours_now=_figures(one.now), ours_then=_figures(one.then), theirs=_figures(one.theirs),
            )
            for one in found.cells if not one.is_alike
        ],
        difference=_figures(found.difference),
        explained=_figures(found.book.explained if found.book is not None else NOTHING),
    )  # fmt: skip


def break_of(book: DayBook, one: Break) -> protos.Break:
    """Returns a break of a day."""
    side, day = day_of_code(one.code)
    said = protos.Break(
        break_code=one.code, province=side, business_day=day.isoformat(), break_class=one.break_class,
        state=protos.BreakState.Value(f"BREAK_STATE_{one.state}"), issuer_province=one.cell.issuer, service_region=one.cell.region,
        scenario=one.cell.scenario, owner=one.owner, due_on=one.due_on, reason_code=one.reason, evidence=one.evidence, cause=one.cause,
        said_reason_code=one.said_reason, said_evidence=one.said_evidence,
        figures=events.BreakFigures(
            our_uses=one.ours.uses, their_uses=one.theirs.uses, our_fen=one.ours.fen, their_fen=one.theirs.fen
        ),
    )  # fmt: skip
    if (at := book.found_at(one.code)) is not None:
        said.found_at.FromDatetime(at)
    return said


def _is_wanted(one: protos.Break, request: protos.ListBreaksRequest) -> bool:
    if request.only_open and one.state == protos.BREAK_STATE_CLOSED:
        return False
    return request.owner in ("", one.owner)


def _figures(figure: Figure) -> protos.BookFigures:
    return protos.BookFigures(uses=figure.uses, amount_fen=figure.fen)


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RequestInvalid([(field, "impossible_date")]) from None
