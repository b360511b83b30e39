"""How many answers of a period would be others under other rules, tables, parameters or agreements, and for how many people?

Branches are compared side by side, in one reading of the journal. The control decides by the rules of then in the same pass: it must find
no other answer, or what the branches show is not due to the changes.
"""

import tempfile
from collections.abc import Hashable
from contextlib import ExitStack
from pathlib import Path

from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit.outcome import MOST_OF_A_KIND, MOST_ROWS, Bars, Outcome, Table, Text
from hub.audit.replay import said
from hub.audit.replay.answering import Branch
from hub.audit.replay.answers_asked import LIMITS, difference_table, facts_of
from hub.audit.replay.branches import branches_of
from hub.audit.replay.comparing import Cell, Changed, Found
from hub.audit.replay.decided_again import Period, decide_again
from hub.audit.replay.progress import Progress
from hub.audit.requests.windows import window_of
from hub.domain.small_counts import LEAST, Sum, published
from hub.journal.sessions import session
from hub.words.names import PROVINCES

_TOTAL = "total"


def run(dsn: str, question: asked.WhatIfQuestion, progress: Progress) -> Outcome:
    """Compares; raises what `branches_of` and `decide_again` raise."""
    with session(dsn, "hub_reader", "hub-replay") as connection:
        window = window_of(connection, question)
    with ExitStack() as held:
        directory = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="hub-what-if-")))
        branches = branches_of(dsn, question.changes, directory, held)
        period = Period(*window, is_rebuilt=question.inputs == asked.WHAT_IF_INPUTS_REBUILT)
        found = decide_again(dsn, period, branches, progress)
    return _outcome(period, branches, found)


def _outcome(period: Period, branches: list[Branch], found: Found) -> Outcome:
    tables = [_matrix(branch, changed) for branch, changed in zip(branches, found.branches, strict=True)]
    if found.differences:
        tables.append(difference_table(found.differences))
    where = f"{period.first:,}", f"{period.last:,}"
    return Outcome(
        Text(
            f"位置 {where[0]} 至 {where[1]} 的答复，若作所列改动，会有哪些不同？",
            f"Which answers at positions {where[0]} to {where[1]} would be others under the changes?",
        ),
        _sentence(branches, found),
        found.different == 0 if not period.is_rebuilt else None,
        period.last,
        {
            "control": facts_of(found),
            "branches": [_facts(branch, changed) for branch, changed in zip(branches, found.branches, strict=True)],
        },
        tables=tuple(tables),
        figures=tuple(figure for pair in zip(branches, found.branches, strict=True) if pair[1].answers for figure in _figures(*pair)),
        verified=(_control(found, is_rebuilt=period.is_rebuilt),),
        limits=(*LIMITS, _REBUILT if period.is_rebuilt else _FROZEN, _SMALL),
    )


_FROZEN = Text("各答复仍以当时所知裁决。", "Each answer is decided from what the hub knew then.")
_REBUILT = Text(
    "各答复以截至时段末尾所知裁决：晚到与更正的事实也在其中，因此不改规则也会有不同。",
    "Each answer is decided from all that the record had at the end of the period, late facts too: some differ by that alone.",
)
_SMALL = Text(f"少于 {LEAST} 的数不显示。", f"Counts below {LEAST} are not shown.")


def _control(found: Found, *, is_rebuilt: bool) -> Text:
    if not found.different:
        return Text("对照：按原规则重新裁决，没有不同。", "The control: decided again by the rules of then, no answer is another one.")
    if is_rebuilt:
        return Text(
            f"按原规则、以后来所知裁决，有 {found.different:,} 次不同。",
            f"By the rules of then, with what was known later, {found.different:,} answers are others.",
        )
    return Text(
        f"对照不为空：按原规则重新裁决有 {found.different:,} 次不同，以下结果不可采信。",
        f"The control is not empty: by the rules of then {found.different:,} answers are others, so the result cannot be relied on.",
    )


def _sentence(branches: list[Branch], found: Found) -> Text:
    if not branches:
        return Text(
            f"{found.answers:,} 次答复，无改动；对照{_yes(found).zh}。",
            f"{found.answers:,} answers, no changes; the control {_yes(found).en}.",
        )
    zh, en = [], []
    for branch, changed in zip(branches, found.branches, strict=True):
        name = f"「{branch.name}」" if branch.name else ""
        people, losing, gaining = map(_people, (changed.people, changed.losing, changed.gaining))
        zh.append(f"改动{name}后 {_people(changed.answers).zh} 次会不同，涉及 {people.zh} 人（更严 {losing.zh}，更宽 {gaining.zh}）")
        named = f" {branch.name}" if branch.name else ""
        en.append(
            f"under the changes{named} {_people(changed.answers).en} would be others, of {people.en} people "
            f"({losing.en} with a stricter one, {gaining.en} with a milder one)"
        )
    return Text(f"{found.answers:,} 次答复中，{'；'.join(zh)}。", f"Of {found.answers:,} answers, {'; '.join(en)}.")


def _yes(found: Found) -> Text:
    return (
        Text("为空", "is empty")
        if not found.different
        else Text(f"有 {found.different:,} 次不同", f"has {found.different:,} other answers")
    )


def _people(count: int) -> Text:
    return Text(f"{count:,}", f"{count:,}") if not 0 < count < LEAST else Text(f"少于 {LEAST}", f"fewer than {LEAST}")


def _scenario(cell: Cell) -> Hashable:
    return "scenario", cell.scenario


def _between(cell: Cell) -> Hashable:
    return "direction", cell.issuer, cell.server


def _shown(changed: Changed) -> dict[Hashable, int | None]:
    """Returns how many answers of each cell, scenario and direction may be shown, and their sum.

    All are in one outcome, so none may be computed from the others. By rule or month they are in the matrix alone: a count may be in two
    sums at most.
    """
    counts: dict[Hashable, int] = {cell: tally.answers for cell, tally in changed.cells.items()}
    sums: list[Sum] = []
    for name_of in (_scenario, _between):
        groups: dict[Hashable, list[Cell]] = {}
        for cell, tally in changed.cells.items():
            groups.setdefault(name_of(cell), []).append(cell)
            counts[name_of(cell)] = counts.get(name_of(cell), 0) + tally.answers
        sums += [*(Sum(group, cells) for group, cells in groups.items()), Sum(_TOTAL, list(groups))]
    counts[_TOTAL] = changed.answers
    return published(counts, sums)


def _matrix(branch: Branch, changed: Changed) -> Table:
    columns = (
        Text("方向", "Direction"), Text("场景", "Scenario"), Text("规则", "Rule"), Text("月份", "Month"), Text("原答复", "Then"),
        Text("改后", "Under the changes"), Text("答复数", "Answers"), Text("人数", "People"), Text("样例位置", "Sample positions"),
    )  # fmt: skip
    shown, rows = _shown(changed), []
    for cell, tally in sorted(changed.cells.items())[:MOST_ROWS]:
        count, people = shown[cell], tally.people if tally.people >= LEAST else None
        samples = " ".join(f"{position}" for position in tally.samples)
        hidden = Text("不显示", "not shown")
        rows.append(
            (
                _direction(cell), cell.scenario, cell.rule, cell.month, said.answer(cell.then, ()), said.answer(cell.now, ()),
                hidden if count is None else count, hidden if people is None else people, samples,
            )
        )  # fmt: skip
    name = branch.name or "—"
    return Table(Text(f"改动 {name} 会改变的答复", f"Answers that would be others under {name}"), columns, tuple(rows))


def _direction(cell: Cell) -> Text:
    (issuer_zh, issuer_en), (server_zh, server_en) = (PROVINCES.get(code, (code, code)) for code in (cell.issuer, cell.server))
    return Text(f"{issuer_zh}卡在{server_zh}", f"{issuer_en} card in {server_en}")


def _figures(branch: Branch, changed: Changed) -> list[Bars]:
    """Draws the answers that would be others by direction and by scenario."""
    shown, name, cells = _shown(changed), branch.name or "—", sorted(changed.cells)
    directions = {_between(cell): _direction(cell) for cell in cells}
    scenarios = {_scenario(cell): Text(cell.scenario, cell.scenario) for cell in cells}
    return [
        Bars(title, tuple((label, shown[one]) for one, label in list(labels.items())[:MOST_OF_A_KIND]))
        for title, labels in (
            (Text(f"改动 {name}：按方向", f"Under {name}, by direction"), directions),
            (Text(f"改动 {name}：按场景", f"Under {name}, by scenario"), scenarios),
        )
    ]


def _facts(branch: Branch, changed: Changed) -> dict[str, object]:
    shown = _shown(changed)
    cells = [
        {**cell._asdict(), "answers": shown[cell], "people": _or_none(tally.people), "samples": tally.samples}
        for cell, tally in sorted(changed.cells.items())[:MOST_OF_A_KIND]
    ]
    people = {"people": _or_none(changed.people), "losing": _or_none(changed.losing), "gaining": _or_none(changed.gaining)}
    return {"branch": branch.name, "answers": shown[_TOTAL], **people, "cells": cells}


def _or_none(count: int) -> int | None:
    return None if 0 < count < LEAST else count
