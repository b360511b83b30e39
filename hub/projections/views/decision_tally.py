"""View: how many questions were answered in each minute, by scenario, direction, outcome and reason.

A decision counts once without a reason, which says how many there were, and once for each reason it gives.
"""

from collections.abc import Iterator
from typing import NamedTuple

import psycopg

from hub.domain.instants import MINUTE_US
from hub.journal.reader import Recorded
from hub.projections.projection import CellView, Signed

KIND = "decision_made"


def derive(recorded: Recorded, _: Recorded | None) -> Iterator[Signed]:
    """Counts a decision in the minute it was recorded in."""
    event, decision = recorded.event, recorded.event.decision_made
    cell = (recorded.recorded_us // MINUTE_US, event.scenario, event.card.issuing_province, event.service_region[:2], decision.outcome)
    for reason in ("", *dict.fromkeys(decision.reason_codes)):
        yield (*cell, reason), (1,)


DECISION_TALLY = CellView(
    name="decision_tally",
    key_columns=(
        ("minute", "bigint"),
        ("scenario", "text"),
        ("issuer", "text"),
        ("serving", "text"),
        ("outcome", "integer"),
        ("reason", "text"),
    ),
    value_columns=(("answers", "bigint"),),
    kinds=frozenset({KIND}),
    derive=derive,
    follows_corrections=False,
)


class Window(NamedTuple):
    """Which answers are counted: from a minute since 1970 up to another (not included), and between which provinces, "" for any."""

    from_minute: int
    to_minute: int
    issuer: str = ""
    serving: str = ""


def outcomes(connection: psycopg.Connection, wanted: Window, step: int = 1) -> list[tuple[int, int, int]]:
    """Returns (minute, outcome, answers) of a window, in order; minutes are counted together by *step*."""
    rows = connection.execute(_OUTCOMES, {**wanted._asdict(), "step": step}).fetchall()
    return [(int(minute), int(outcome), int(answers)) for minute, outcome, answers in rows]


def reasons(connection: psycopg.Connection, wanted: Window) -> list[tuple[str, int]]:
    """Returns (reason, answers) of a window, the most frequent first."""
    return [(reason, int(answers)) for reason, answers in connection.execute(_REASONS, wanted._asdict()).fetchall()]


_WITHIN = """
    FROM views.decision_tally WHERE minute >= %(from_minute)s AND minute < %(to_minute)s
      AND (%(issuer)s = '' OR issuer = %(issuer)s) AND (%(serving)s = '' OR serving = %(serving)s)"""
_OUTCOMES = f"""
    SELECT minute / %(step)s * %(step)s, outcome, sum(answers) {_WITHIN} AND reason = ''
    GROUP BY 1, 2 ORDER BY 1, 2"""
_REASONS = f"""
    SELECT reason, sum(answers) {_WITHIN} AND reason NOT IN ('', 'OK') GROUP BY 1 ORDER BY 2 DESC, 1"""
