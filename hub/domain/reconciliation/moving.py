"""What the hub records of a day's breaks by itself: it opens, moves, reopens and closes them, so that they say what was found."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1 import reconciliation_pb2 as protos
from google.protobuf.message import Message

from hub.domain.reconciliation.books import Cell, cell_of
from hub.domain.reconciliation.day_book import CORRECTED, LEFT, TIMING, Break, DayBook, code_of, recorded
from hub.domain.reconciliation.differences import Difference


def reconciled(
    book: DayBook | None, side: str, day: date, found: Sequence[Difference], due: Callable[[Difference], str], at: datetime
) -> DayBook | None:
    """Opens, moves, reopens and closes breaks, so that they say what was found; where they say it already nothing is recorded.

    Silence says nothing of any cell: the breaks of cells stay as they are until the totals can be compared.
    """
    by_key = {one.key: one for one in found}
    is_silent = any(one.break_class == control.BREAK_CLASS_MISSING_TOTALS for one in found)
    for known in list(book.breaks.values()) if book is not None else ():
        assert book is not None
        if is_silent and not known.is_silence:
            continue
        one = by_key.pop(known.key, None)
        if (said := _said_of(known, one, book, due)) is not None:
            book.record(*said, at)
    for one in by_key.values():
        number = 1 if book is None else len(book.breaks) + 1
        opened = protos.ReconBreakFound(
            break_code=code_of(side, day, number), province=side, business_day=day.isoformat(), issuer_province=one.cell.issuer,
            service_region=one.cell.region, scenario=one.cell.scenario, owner=side, due_on=due(one), **_message(one),
        )  # fmt: skip
        book = recorded(book, side, day, "recon_break_found", opened, at)
    return book


def _said_of(known: Break, one: Difference | None, book: DayBook, due: Callable[[Difference], str]) -> tuple[str, Message] | None:
    """Returns what is to be recorded of a break that is known, None where nothing has changed."""
    if one is None:
        if not known.is_open and known.cause not in LEFT:
            return None
        newest = book.newest
        is_corrected = newest is not None and newest.version > known.version > 0 and known.key[1] == "BOOK"
        return "recon_break_settled", protos.ReconBreakSettled(break_code=known.code, cause=CORRECTED if is_corrected else TIMING)
    if not known.is_open:
        if known.cause in LEFT and _is_the_same(known, one, book):
            return None
        return "recon_break_reopened", protos.ReconBreakReopened(break_code=known.code, due_on=due(one), **_message(one))
    if _is_the_same(known, one, book):
        return None
    return "recon_break_moved", protos.ReconBreakMoved(break_code=known.code, **_message(one))


def _is_the_same(known: Break, one: Difference, book: DayBook) -> bool:
    """Whether a difference has all the figures of a break: of equal sums also the reversals and the hash total that the side reported."""
    if (known.break_class, known.ours, known.theirs) != (one.break_class, one.ours, one.theirs):
        return False
    if one.break_class != control.BREAK_CLASS_STATUS:
        return True
    reported = [total for version in book.versions if version.version == known.version for total in version.totals]
    now = list(book.newest.totals) if book.newest is not None else []
    return known.reason == one.reason and _total_of(reported, known.cell) == _total_of(now, known.cell)


def _total_of(totals: Iterable[protos.ControlTotal], cell: Cell) -> protos.ControlTotal | None:
    return next((one for one in totals if cell_of(one) == cell), None)


def _message(one: Difference) -> dict[str, Any]:
    figures = protos.BreakFigures(our_uses=one.ours.uses, their_uses=one.theirs.uses, our_fen=one.ours.fen, their_fen=one.theirs.fen)
    return {"break_class": one.break_class, "figures": figures, "reason_code": one.reason, "evidence": one.evidence}
