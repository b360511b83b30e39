"""How many answers of a period would be others under other rules, tables, parameters or agreements, and for how many people?

Branches are compared side by side, in one reading of the journal. The control decides by the rules of then in the same pass: it must find
no other answer, or what the branches show is not due to the changes.
"""

import tempfile
from collections.abc import Hashable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit.outcome import MOST_OF_A_KIND, MOST_ROWS, NOT_SHOWN, Bars, Line, Outcome, Table, Text
from hub.audit.replay import said
from hub.audit.replay.answering import Branch
from hub.audit.replay.answers_asked import LIMITS, difference_table, facts_of
from hub.audit.replay.branches import branches_of
from hub.audit.replay.change_words import asked_in_words, change_lines, names_of
from hub.audit.replay.comparing import Cell, Changed, Found, Tally, direction_of
from hub.audit.replay.decided_again import Period, decide_again
from hub.audit.replay.progress import Progress
from hub.audit.requests.windows import window_of
from hub.domain.counts_beside import Published, published_beside
from hub.domain.small_counts import LEAST, Sum
from hub.journal.sessions import session
from hub.words.names import PROVINCES

_TOTAL = "total"
# Whom a branch touches: all, those with a stricter answer, those with a milder one.
_PEOPLE = ("people", "losing", "gaining")


def run(dsn: str, question: asked.WhatIfQuestion, progress: Progress) -> Outcome:
    """Compares; raises what `branches_of` and `decide_again` raise."""
    with session(dsn, "hub_reader", "hub-replay") as connection:
        window = window_of(connection, question)
        dates = said.period(connection, question, window)
    with ExitStack() as held:
        directory = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="hub-what-if-")))
        branches = branches_of(dsn, question, directory, held)
        period = Period(*window, is_rebuilt=question.inputs == asked.WHAT_IF_INPUTS_REBUILT)
        found = decide_again(dsn, period, branches, progress)
    return _outcome(period, dates, branches, found)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a branch changes, as it may be shown: *answers* and *people* are None where they may not, by cell and by their sums.

    The sentence, the matrix, the figures and the facts are one outcome, so all show what is decided here.
    """

    name: Text
    cells: list[tuple[Cell, Tally]]
    answers: Published
    people: Published

    def of(self, cell: Cell, tally: Tally) -> tuple[int | None, int | None, list[int]]:
        """Returns the answers of a cell, its people, and where some of them are: five of each, so that their number says nothing more."""
        answers = self.answers[cell]
        people = None if answers is None else self.people[cell]
        return answers, people, [] if people is None else tally.samples


def shown_of(name: Text, changed: Changed, before: Sequence[Shown] = ()) -> Shown:
    """Decides what may be shown of what a branch changes: no count below LEAST, and none from which one follows.

    Branches are compared side by side, so what differs by a few from one of those *before* is not shown either. Where nothing may be
    shown, no cells are listed: who knows the only one of a sum, from a branch before, has the sum.
    """
    answers = _answers(changed, [one.answers for one in before])
    people = _people(changed, [one.people for one in before])
    is_withheld = answers.is_withheld or people.is_withheld
    return Shown(name, [] if is_withheld else sorted(changed.cells.items()), answers, people)


def _outcome(period: Period, dates: Text, branches: list[Branch], found: Found) -> Outcome:
    names = names_of(branches)
    shown: list[Shown] = []
    for name, changed in zip(names, found.branches, strict=True):
        shown.append(shown_of(name, changed, shown))
    tables = [_matrix(one) for one in shown]
    if found.differences:
        tables.append(difference_table(found.differences))
    own_rules = (_OWN_RULES,) if any(one.rules for one in branches) else ()
    is_wrong = bool(found.different) and not period.is_rebuilt
    return Outcome(
        asked_in_words(dates, branches),
        _unreliable(found) if is_wrong else _sentence(shown, found),
        # Whether the changes are good is nobody's to say here: a control that is not empty is wrong, and else there is no yes or no.
        False if is_wrong else None,
        period.last,
        {
            "control": facts_of(found),
            "branches": [_facts(branch.name, one) for branch, one in zip(branches, shown, strict=True)],
        },
        tables=tuple(tables),
        figures=tuple(figure for one in shown if one.cells for figure in _figures(one)),
        verified=(_control(found, is_rebuilt=period.is_rebuilt),),
        limits=(*LIMITS, _REBUILT if period.is_rebuilt else _FROZEN, *own_rules, _SMALL),
        about=(Line(Text("时段", "Period"), said.with_positions(dates, period.first, period.last)), *change_lines(branches, names)),
    )


_FROZEN = Text("各答复仍以当时所知裁决。", "Each answer is decided from what the hub knew then.")
_REBUILT = Text(
    "各答复以截至时段末尾所知裁决：晚到与更正的事实也在其中，因此不改规则也会有不同。",
    "Each answer is decided from all that the record had at the end of the period, late facts too: some differ by that alone.",
)
_OWN_RULES = Text(
    "除只改约定的以外，改动后的答复都按一个规则版本裁决：未另给规则的，按当前版本；当时的版本若与之不同，也会计入。",
    "Where more than agreements is changed, all answers are decided by one version of the rules, that of now if no other is given: what "
    "differs between it and the versions of then counts, too.",
)
_SMALL = Text(
    f"少于 {LEAST} 的数不显示，并列的改动之间相差少于 {LEAST} 的数也不显示。",
    f"Counts below {LEAST} are not shown, nor are counts of changes side by side that differ by fewer.",
)


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


def _unreliable(found: Found) -> Text:
    return Text(
        f"结果不可采信：不作改动而重新裁决，{found.answers:,} 次答复中已有 {found.different:,} 次不同。",
        f"The result cannot be relied on: by the rules of then {found.different:,} of {found.answers:,} answers are others, too.",
    )


def _sentence(branches: list[Shown], found: Found) -> Text:
    if not branches:
        return Text(
            f"{found.answers:,} 次答复，无改动；对照{_yes(found).zh}。",
            f"{found.answers:,} answers, no changes; the control {_yes(found).en}.",
        )
    parts = [_part(one) for one in branches]
    if len(parts) > 1:
        parts = [Text(f"{one.name.zh}：{part.zh}", f"{one.name.en}: {part.en}") for one, part in zip(branches, parts, strict=True)]
    return Text(
        f"{found.answers:,} 次答复中，{'；'.join(one.zh for one in parts)}。",
        f"Of {found.answers:,} answers, {'; '.join(one.en for one in parts)}.",
    )


def _part(shown: Shown) -> Text:
    if shown.answers[_TOTAL] == 0:
        return Text("没有一次会不同", "none would be another one")
    answers, people, losing, gaining = map(_number, (shown.answers[_TOTAL], *(shown.people[who] for who in _PEOPLE)))
    return Text(
        f"有{answers.zh}次会不同，涉及{people.zh}人：{losing.zh}人的答复更严，{gaining.zh}人的更宽",
        f"{answers.en} would be others, of {people.en} people: {losing.en} with a stricter answer, {gaining.en} with a milder one",
    )


def _yes(found: Found) -> Text:
    return (
        Text("为空", "is empty")
        if not found.different
        else Text(f"有 {found.different:,} 次不同", f"has {found.different:,} other answers")
    )


def _number(count: int | None) -> Text:
    return Text("若干", "some") if count is None else Text(f" {count:,} ", f"{count:,}")


def _scenario(cell: Cell) -> Hashable:
    return "scenario", cell.scenario


def _between(cell: Cell) -> Hashable:
    return "direction", cell.issuer, cell.server


def _answers(changed: Changed, before: Sequence[Published] = ()) -> Published:
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
    return _as_listed(published_beside(counts, sums, before))


def _as_listed(found: Published) -> Published:
    """Takes the sums from what is withheld: with no cells listed, its readers cannot make them."""
    return replace(found, sums=()) if found.is_withheld else found


def _people(changed: Changed, before: Sequence[Published]) -> Published:
    """Returns how many people of each cell may be shown, and of the branch: all, those with a stricter answer, those with a milder one.

    Somebody may be in several cells, so that they add up to more; who reads them knows that and would still take them for a sum. How many
    those are follows from the counts, too, and is no smaller than any other.
    """
    rest = changed.people - changed.losing - changed.gaining
    counts: dict[Hashable, int] = {"losing": changed.losing, "gaining": changed.gaining, "others": max(0, rest)}
    cells: dict[str, list[Cell]] = {"losing": [], "gaining": [], "others": []}
    for cell, tally in changed.cells.items():
        who = direction_of(cell.then, cell.now)
        counts[cell] = tally.people
        # All of these others may be among those who lose or gain.
        counts[who] = max(counts[who], tally.people)
        cells[who].append(cell)
    found = _as_listed(published_beside(counts, [Sum(who, some) for who, some in cells.items()], before))
    for who, some in cells.items():
        if 0 < sum(changed.cells[cell].people for cell in some) - counts[who] < LEAST:
            found.shown[who] = None
    is_few = any(0 < abs(changed.people - one.counts["people"]) < LEAST for one in before)
    is_hidden = is_few or 0 < abs(rest) < LEAST or None in (found[who] for who in cells)
    shown = {**found.shown, "people": None if is_hidden else changed.people}
    return replace(found, counts={**counts, "people": changed.people}, shown=shown)


def _matrix(shown: Shown) -> Table:
    columns = (
        Text("方向", "Direction"), Text("场景", "Scenario"), Text("规则", "Rule"), Text("月份", "Month"), Text("原答复", "Then"),
        Text("改后", "Under the changes"), Text("答复数", "Answers"), Text("人数", "People"), Text("样例位置", "Sample positions"),
    )  # fmt: skip
    rows = []
    for cell, tally in shown.cells[:MOST_ROWS]:
        answers, people, samples = shown.of(cell, tally)
        rows.append(
            (
                _direction(cell), said.scenario(cell.scenario), cell.rule, cell.month,
                said.answer(cell.then, ()), said.answer(cell.now, ()),
                NOT_SHOWN if answers is None else answers, NOT_SHOWN if people is None else people, " ".join(map(str, samples)),
            )
        )  # fmt: skip
    name = shown.name
    return Table(Text(f"{name.zh}：会不同的答复", f"Answers that would be others under {name.en}"), columns, tuple(rows))


def _direction(cell: Cell) -> Text:
    (issuer_zh, issuer_en), (server_zh, server_en) = (PROVINCES.get(code, (code, code)) for code in (cell.issuer, cell.server))
    return Text(f"{issuer_zh}卡在{server_zh}", f"{issuer_en} card in {server_en}")


def _figures(shown: Shown) -> list[Bars]:
    """Draws the answers that would be others by direction and by scenario."""
    name = shown.name
    directions = {_between(cell): _direction(cell) for cell, _ in shown.cells}
    scenarios = {_scenario(cell): said.scenario(cell.scenario) for cell, _ in shown.cells}
    return [
        Bars(title, tuple((label, shown.answers[one]) for one, label in list(labels.items())[:MOST_OF_A_KIND]))
        for title, labels in (
            (Text(f"{name.zh}：按方向", f"Under {name.en}, by direction"), directions),
            (Text(f"{name.zh}：按场景", f"Under {name.en}, by scenario"), scenarios),
        )
    ]


def _facts(branch: str, shown: Shown) -> dict[str, object]:
    cells = [
        {**cell._asdict(), **dict(zip(("answers", "people", "samples"), shown.of(cell, tally), strict=True))}
        for cell, tally in shown.cells[:MOST_OF_A_KIND]
    ]
    return {"branch": branch, "answers": shown.answers[_TOTAL], **{who: shown.people[who] for who in _PEOPLE}, "cells": cells}
