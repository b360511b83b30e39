"""What `hub reconcile` prints of comparisons and breaks."""

from collections.abc import Iterable

import typer
from chuanyu.exchange.v1 import reconciliation_pb2 as protos
from rich.table import Table

from hub.commands.wording import folded, screen, table, whole
from hub.domain.reconciliation.books import NOTHING, WHOLE_DAY, Cell, Figure
from hub.domain.reconciliation.day_book import Break
from hub.domain.reconciliation.differences import CLASS_NAMES, Refs
from hub.reconciliation.comparing import COMPARED, Comparison
from hub.settlement.files import yuan
from hub.words.reconciliation import CAUSES, CLASSES, COMPARISONS, EXPLAINED, REASONS, STATES, cell_words

_EVENTS_NAMED = 3


def state_words(one: Break) -> str:
    """Returns how far a break is, in both languages."""
    cause = " " + " ".join(CAUSES[cause_of(one)]) if one.cause else ""
    return " ".join(STATES[one.state]) + cause


def cause_of(one: Break) -> str:
    """Returns how a break was closed, "" while it is open."""
    return protos.BreakCause.Name(one.cause).removeprefix("BREAK_CAUSE_") if one.cause else ""


def breaks(found: Iterable[Break]) -> Table:
    """Returns breaks as a table; a difference is what the hub has more."""
    heads = ("编号 Code", "类别 Class", "单元 Cell", "差笔 Uses", "差额（元）Yuan", "处理方 Owner", "期限 Due", "状态 State")
    listed = table(*map(whole, heads[:5]), folded("原因与证据 Reason and evidence"), *map(whole, heads[5:]))
    for one in found:
        uses, fen = one.ours.less(one.theirs)
        listed.add_row(
            one.code, "\n".join(CLASSES[CLASS_NAMES[one.break_class]]), cell_words(*one.cell), f"{uses:+,}", yuan(fen),
            "\n".join(_why(one)), one.owner, one.due_on, state_words(one),
        )  # fmt: skip
    return listed


def _why(one: Break) -> Iterable[str]:
    """What a break comes of and the events that show it, by the record, then by its owner."""
    yield " ".join(REASONS.get(one.reason, (one.reason,)))
    yield from _events(one.evidence)
    if one.said_reason:
        yield f"{one.owner} 说明 says: {' '.join((one.said_reason, *EXPLAINED.get(one.said_reason, ())))}"
        yield from _events(one.said_evidence)


def _events(found: Refs) -> Iterable[str]:
    named = " ".join(f"{one.feed}#{one.sequence}" for one in found[:_EVENTS_NAMED])
    if named:
        more = f" … 共 in all {len(found)}" if len(found) > _EVENTS_NAMED else ""
        yield f"证据 evidence: {named}{more}"


def comparison(found: Comparison) -> None:
    """Prints how far a comparison is, what differs, kind by kind, and the breaks."""
    newest = found.book.newest if found.book is not None else None
    version = f" 第 {newest.version} 版 version {newest.version}" if newest is not None else ""
    typer.echo(f"枢纽与 hub and {found.side}, {found.day}: {' '.join(COMPARISONS[found.state])}{version}")
    differing = _by_kind(found)
    for kind, figure in differing.items():
        typer.echo(f"  差异 difference {kind}: {_words(figure)}")
    if not differing:
        typer.echo(f"  没有差异 no difference，{len(found.cells):,} 个单元 cells")
    if found.book is not None and found.book.breaks:
        screen().print(breaks(found.book.breaks.values()))


def _by_kind(found: Comparison) -> dict[str, Figure]:
    """Returns what the hub has more of each kind of use: cards of a side, used in a side, for a scenario. Unlike ones are not added up."""
    differing: dict[str, Figure] = {}
    for one in found.cells:
        if one.difference != NOTHING:
            kind = cell_words(*_kind_of(one.cell))
            differing[kind] = differing.get(kind, NOTHING).plus(one.difference)
    if found.state != COMPARED and found.served != NOTHING:
        differing[cell_words(*WHOLE_DAY)] = found.served
    return differing


def _kind_of(cell: Cell) -> Cell:
    return cell._replace(region=f"→ {cell.region[:2]}")


def _words(figure: Figure) -> str:
    return f"{figure.uses:+,} 次 uses {yuan(figure.fen)} 元 yuan"


def break_json(one: Break) -> dict[str, object]:
    """Returns a break for programs; money in fen, a difference is what the hub has more."""
    uses, fen = one.ours.less(one.theirs)
    return {
        "break": one.code, "class": CLASS_NAMES[one.break_class], "cell": list(one.cell), "uses": uses, "amount_fen": fen,
        "ours": list(one.ours), "theirs": list(one.theirs), "reason": one.reason, "owner": one.owner, "due_on": one.due_on,
        "state": one.state, "cause": cause_of(one), "evidence": [f"{ref.feed} {ref.sequence}" for ref in one.evidence],
        "said_reason": one.said_reason, "said_evidence": [f"{ref.feed} {ref.sequence}" for ref in one.said_evidence],
    }  # fmt: skip


def as_json(found: Comparison) -> dict[str, object]:
    """Returns a comparison for programs."""
    book = found.book
    explained = book.explained if book is not None else NOTHING
    return {
        "side": found.side, "business_day": found.day.isoformat(), "state": found.state,
        "version": book.newest.version if book is not None and book.newest is not None else 0,
        "reach_position": found.reach, "as_of_position": found.position, "cells": len(found.cells),
        "difference": list(found.difference), "explained": list(explained),
        "breaks": [break_json(one) for one in book.breaks.values()] if book is not None else [],
    }  # fmt: skip
