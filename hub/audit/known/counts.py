"""A count of uses as of both times: business days as they were counted by what was recorded then, and how the count came to be so.

A step is a day on which the hub learnt of uses. Fewer than five are not shown, neither as a count nor as the difference of two of them.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.audit.known.asking import wait_for
from hub.audit.outcome import MOST_OF_A_KIND, NOT_SHOWN, Moment, Outcome, Table, Text
from hub.audit.replay.progress import Progress
from hub.audit.replay.window import recorded_us
from hub.audit.requests.windows import position_of
from hub.audit.requests.wording import in_words
from hub.domain.errors import RequestInvalid
from hub.domain.instants import day_text, epoch_day, epoch_day_of, midnight_us
from hub.domain.small_counts import LEAST
from hub.journal.sessions import session
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.usage_counts import Wanted, counts, learnt


class Sum(NamedTuple):
    """How often, and for how much money in fen."""

    uses: int
    fen: int


class Step(NamedTuple):
    """A day of knowing, and the count before and after it."""

    day: str
    before: Sum
    after: Sum


class Counted(NamedTuple):
    """A count at a position, how it came to be so, and whether the two ways to count all that is known agree."""

    position: int
    sum: Sum
    steps: list[Step]
    is_same: bool


def count_as_of(connection: psycopg.Connection, wanted: Wanted, position: int | None) -> Counted:
    """Returns a count as it was known at a position, None for the newest; raises ViewBehind."""
    found = counts(connection, wanted, position)
    moved = [(day, Sum(uses, fen)) for day, uses, fen in learnt(connection, wanted)]
    newest = Sum(*counts(connection, wanted).sum)
    is_same = newest == Sum(sum(one.uses for _, one in moved), sum(one.fen for _, one in moved))
    last_day = day_text(epoch_day(recorded_us(connection, found.position))) if found.position else ""
    return Counted(found.position, Sum(*found.sum), list(_steps(moved, last_day, Sum(*found.sum))), is_same)


def _steps(moved: Iterable[tuple[str, Sum]], last_day: str, end: Sum) -> Iterator[Step]:
    """Yields the days before the last one, and then that up to the position."""
    before = Sum(0, 0)
    for day, change in moved:
        if day < last_day:
            after = Sum(before.uses + change.uses, before.fen + change.fen)
            yield Step(day, before, after)
            before = after
    if before != end:
        yield Step(last_day, before, end)


def shown(steps: Iterable[Step]) -> list[Step]:
    """Puts days together until no step says how often a few were counted; what is left at the end goes with the last."""
    found: list[Step] = []
    begun: Step | None = None
    for step in steps:
        begun = step if begun is None else Step(step.day, begun.before, step.after)
        if abs(begun.after.uses - begun.before.uses) >= LEAST:
            found.append(begun)
            begun = None
    if begun is not None and found:
        found[-1] = Step(begun.day, found[-1].before, begun.after)
    return [step for step in found if step.after.uses == 0 or step.after.uses >= LEAST]


def run(dsn: str, question: protos.CountQuestion, progress: Progress) -> Outcome:
    """Answers; raises RequestInvalid, ViewBehind."""
    wanted = Wanted(_day(question, "day"), _day(question, "until"), question.issuing_province, question.region, question.scenario)
    if wanted.until and wanted.until < wanted.day:
        raise RequestInvalid([("count.until", "out_of_range")])
    progress(0, 1)
    with session(dsn, "hub_reader", "hub-replay") as connection:
        wait_for(connection, question, (DAILY_USAGE,))
        position = position_of(connection, question.recorded_as_of) if question.HasField("recorded_as_of") else None
        found = count_as_of(connection, wanted, position)
    progress(1, 1)
    return _outcome(question, found)


def _day(question: protos.CountQuestion, field: str) -> str:
    text = str(getattr(question, field))
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise RequestInvalid([(f"count.{field}", "out_of_range")]) from None


def _outcome(question: protos.CountQuestion, found: Counted) -> Outcome:
    is_few = 0 < found.sum.uses < LEAST
    steps = [] if is_few else shown(found.steps)
    uses: Text | int = NOT_SHOWN if is_few else found.sum.uses
    fen: Text | int = NOT_SHOWN if is_few else found.sum.fen
    words = _in_thousands(found.sum.uses, found.sum.fen) if not is_few else _FEW
    return Outcome(
        in_words(protos.AuditQuestion(count=question)),
        Text(f"截至位置 {found.position:,}，计为：{words.zh}。", f"By what was recorded up to position {found.position:,}: {words.en}."),
        found.is_same,
        found.position,
        {
            "position": found.position,
            "uses": None if is_few else found.sum.uses,
            "amount_fen": None if is_few else found.sum.fen,
            "steps": [_fact(step) for step in steps[-MOST_OF_A_KIND:]],
            "views_equal_replay": found.is_same,
        },
        tuple(_moment(step) for step in steps[-MOST_OF_A_KIND:]),
        (Table(Text("计数", "Count"), (Text("次数", "Uses"), Text("金额（分）", "Fen")), ((uses, fen),)),),
        verified=(_AGREES if found.is_same else _DIFFERS,),
        limits=(_LIMIT,),
    )


def _in_thousands(uses: int, fen: int) -> Text:
    return Text(f"{uses:,} 次，{fen:,} 分", f"{uses:,} uses, {fen:,} fen")


_FEW = Text("少于 5 次，不显示", "fewer than five uses, which are not shown")
_AGREES = Text("逐日所知之和与现有计数一致。", "What was learnt day by day adds up to the count of now.")
_DIFFERS = Text("逐日所知之和与现有计数不一致。", "What was learnt day by day does not add up to the count of now.")
_LIMIT = Text("少于 5 的计数及其差不显示。", "Counts and differences below five are not shown.")


def _moment(step: Step) -> Moment:
    at_us = midnight_us(epoch_day_of(date.fromisoformat(step.day)) + 1) - 1_000_000
    before, after = (_in_thousands(*one) for one in (step.before, step.after))
    return Moment(at_us, at_us, 0, Text(f"{step.day} 所知：{before.zh} → {after.zh}", f"known on {step.day}: {before.en} → {after.en}"))


def _fact(step: Step) -> dict[str, Any]:
    return {"known_on": step.day, "before": list(step.before), "after": list(step.after)}
