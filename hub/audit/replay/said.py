"""Words that outcomes of replays share: instants, answers, what a card is, in Chinese and in English."""

from typing import Any

import psycopg
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.audit.outcome import Text
from hub.audit.requests.windows import Window
from hub.domain import reference
from hub.domain.instants import in_local, microseconds
from hub.journal.times import recorded_at
from hub.words.kinds import KINDS, OUTCOME_WORDS
from hub.words.names import GROUPS
from hub.words.outcomes import outcome_name
from hub.words.seen import STATES

NOTHING = Text("无", "nothing")


def at(us: int) -> str:
    """Writes an instant in +08:00."""
    return in_local(us).isoformat(sep=" ", timespec="seconds")


def period(connection: psycopg.Connection, asked: Any, window: Window) -> Text:
    """Writes the period of a question in dates: as it was asked, or as its positions were recorded."""
    start, end = getattr(asked, "from"), asked.to
    first = start.instant if start.WhichOneof("at") == "instant" else None
    last = end.instant if end.WhichOneof("at") == "instant" else None
    begin_us = recorded_at(connection, window.first) if first is None else microseconds(first)
    end_us = recorded_at(connection, window.last) if last is None else microseconds(last)
    named = [_instant(one) if one is not None else "—" for one in (begin_us, end_us)]
    return Text(f"{named[0]} 至 {named[1]}", f"{named[0]} to {named[1]}")


def with_positions(dates: Text, first: int, last: int) -> Text:
    """Adds the positions to the dates of a period."""
    if last < first:
        return Text(f"{dates.zh}（没有事件）", f"{dates.en} (no events)")
    return Text(f"{dates.zh}（位置 {first:,} 至 {last:,}）", f"{dates.en} (positions {first:,} to {last:,})")


def _instant(us: int) -> str:
    """Writes an instant in +08:00, a midnight as its day, a whole minute without seconds."""
    local = in_local(us)
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return local.strftime("%Y-%m-%d")
    return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")


def kind(name: str) -> Text:
    """Returns the words of a kind of event."""
    return Text(*KINDS.get(name, (name, name)))


def state(name: str) -> Text:
    """Returns the words of a state of a card."""
    return Text(*STATES.get(name, (name, name))) if name else Text("—", "—")


def scenario(code: str) -> Text:
    """Returns the words of a scenario, or of a group such as CUL.LIB.*, with its code."""
    known = reference.load().scenarios.get(code)
    zh, en = (known[-1].name_zh, known[-1].name_en) if known else GROUPS.get(code.partition(".")[0], ("场景", "scenario"))
    return Text(f"{zh}（{code}）", f"{en} ({code})")


def answer(outcome: str, reasons: tuple[str, ...]) -> Text:
    """Writes an answer with its reasons."""
    zh, en = OUTCOME_WORDS.get(outcome, (outcome, outcome))
    codes = " ".join(reasons)
    return Text(f"{zh} {codes}".strip(), f"{en} {codes}".strip())


def given(decision: decisions.DecisionMade) -> Text:
    """Writes a recorded answer."""
    return answer(outcome_name(decision.outcome), tuple(decision.reason_codes))
