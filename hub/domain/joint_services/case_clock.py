"""When a case is due, who acts next, and what may come next: pure functions of the case and the table of working days.

The clock starts with the acceptance 受理, not with the receipt 收件. The day of the acceptance does not count, nor does a day on which the
clock was paused (hearing, inspection, appraisal: 行政许可法 art. 45); the day on which it goes on counts again. A receipt that nobody
answered within five working days counts as the acceptance (art. 32). In a year whose holidays are not published the date is provisional.
"""

from datetime import date, timedelta
from typing import NamedTuple

from chuanyu.exchange.v1 import usage_government_pb2 as government

from hub.domain.instants import epoch_day, local_day
from hub.domain.joint_services.cases import NO_RESPONSE, Case
from hub.domain.reference.working_day_rows import WorkingDays

ANSWER_DAYS = 5
HANDLING, DECIDING, APPLICANT = "HANDLING", "DECIDING", "APPLICANT"
_ONE = timedelta(days=1)
_ANSWERS = ("case_supplement_requested", "case_accepted", "case_not_accepted")
# What may be reported next in each state; the clock may be paused and go on while a case is accepted.
ALLOWED_NEXT: dict[str, tuple[str, ...]] = {
    "SUBMITTED": ("case_received", "case_withdrawn"),
    "RECEIVED": ("case_forwarded", "case_supplement_requested", "case_accepted", "case_not_accepted", "case_withdrawn"),
    "SUPPLEMENT_REQUESTED": ("case_supplemented", "case_withdrawn"),
    "SUPPLEMENTED": ("case_supplement_requested", "case_accepted", "case_not_accepted", "case_withdrawn"),
    "ACCEPTED": ("case_transferred", "case_clock_paused", "case_clock_resumed", "case_decided", "case_withdrawn"),
    "TRANSFERRED": ("case_transferred", "case_clock_paused", "case_clock_resumed", "case_decided", "case_withdrawn"),
    "NOT_ACCEPTED": (),
    "CLOSED_NO_RESPONSE": (),
    "DECIDED": ("case_delivered", "case_rated"),
    "DELIVERED": ("case_rated",),
    "RATED": (),
    "WITHDRAWN": (),
}


class Pause(NamedTuple):
    """Days on which the clock did not run, half-open; no end is None."""

    from_on: date
    to_on: date | None


class Clock(NamedTuple):
    """The time limit of a case as of a day.

    *started_on* is None before the acceptance, *due_on* also where nobody said how long it may take. *is_deemed*: the receipt counts as the
    acceptance. *is_paused*: the date moves on until the clock does. *paused_days* are working days.
    """

    started_on: date | None
    is_deemed: bool
    promised_working_days: int | None
    due_on: date | None
    is_provisional: bool
    paused_days: int
    is_paused: bool
    is_overdue: bool


def clock_of(case: Case, working: WorkingDays, on: date) -> Clock:
    """Returns the time limit of a case as it is on a day."""
    started_on, is_deemed = _started(case, working, on)
    promised, pauses = _promised(case), _pauses(case)
    decided = case.last("case_decided")
    ended_on = local_day(decided.occurred_us) if decided is not None else on
    is_paused = decided is None and any(pause.to_on is None for pause in pauses)
    if started_on is None or promised is None:
        return Clock(started_on, is_deemed, promised, None, False, 0, is_paused, False)
    due_on, paused_days = _due(started_on, promised, pauses, working, ended_on)
    is_provisional = not working.is_published(started_on, due_on)
    is_over = case.state in ("WITHDRAWN", "NOT_ACCEPTED", NO_RESPONSE)
    return Clock(started_on, is_deemed, promised, due_on, is_provisional, paused_days, is_paused, not is_over and due_on < ended_on)


def due_from(case: Case) -> int | None:
    """Returns a day (counted from 1970-01-01) before which a case is surely not due, by its reports alone; None while no clock can run."""
    begun = [fact.occurred_us for fact in case.facts if fact.kind in ("case_received", "case_supplemented", "case_accepted")]
    # Working days are days: neither a holiday nor a pause makes the date an earlier one.
    return epoch_day(min(begun)) + (_promised(case) or 0) if begun else None


def next_actors(case: Case) -> tuple[str, ...]:
    """Returns who has to act: the handling side, the deciding side, the applicant; nobody where nothing is to be done."""
    if case.needs_follow_up:
        return (DECIDING,)
    if case.state == "SUBMITTED":
        return (HANDLING,)
    if case.state == "SUPPLEMENT_REQUESTED":
        return (APPLICANT,)
    if case.state in ("RECEIVED", "SUPPLEMENTED"):
        return (HANDLING,) if case.mode == government.CASE_MODE_COLLECT_FORWARD and not case.is_forwarded else (DECIDING,)
    if case.state in ("ACCEPTED", "TRANSFERRED"):
        return (HANDLING, DECIDING) if case.mode == government.CASE_MODE_JOINT else (DECIDING,)
    if case.state == "DECIDED":
        return (HANDLING,) if case.mode == government.CASE_MODE_COLLECT_FORWARD else (DECIDING,)
    return ()


def _started(case: Case, working: WorkingDays, on: date) -> tuple[date | None, bool]:
    """Returns the day on which the clock started, and whether that is a receipt which nobody answered in time."""
    received = case.last("case_received", "case_supplemented")
    accepted_us = case.first_us("case_accepted")
    if received is not None:
        received_on = local_day(received.occurred_us)
        answers = [fact for fact in case.facts if fact.kind in _ANSWERS and fact.when > received.when]
        answered_on = local_day(answers[0].occurred_us) if answers else on
        last_day = received_on
        for _ in range(ANSWER_DAYS):
            last_day = working.next_working(last_day)
        is_open = not case.is_closed or bool(answers)
        if last_day < answered_on and is_open and case.state != "WITHDRAWN":
            return received_on, True
    return (local_day(accepted_us), False) if accepted_us is not None else (None, False)


def _promised(case: Case) -> int | None:
    """Returns the promised working days: as accepted, as submitted, or of the item's version."""
    for kind in ("case_accepted", "case_submitted"):
        fact = case.last(kind)
        if fact is not None and fact.message.HasField("promised_working_days"):
            return int(fact.message.promised_working_days)
    version = case.version
    return int(version.promised_working_days) if version is not None and version.HasField("promised_working_days") else None


def _pauses(case: Case) -> list[Pause]:
    """Returns the pauses in order; a second pause before the clock goes on is part of the first."""
    pauses: list[Pause] = []
    for fact in case.facts:
        day = local_day(fact.occurred_us)
        is_open = bool(pauses) and pauses[-1].to_on is None
        if fact.kind == "case_clock_paused" and not is_open:
            pauses.append(Pause(day, None))
        elif fact.kind == "case_clock_resumed" and is_open:
            pauses[-1] = Pause(pauses[-1].from_on, day)
    return pauses


def _due(started_on: date, promised: int, pauses: list[Pause], working: WorkingDays, ended_on: date) -> tuple[date, int]:
    """Returns the last day in time and how many working days did not count; an open pause lasts through *ended_on*."""
    day, counted, paused_days = started_on, 0, 0
    while counted < promised:
        day = working.next_working(day)
        if any(pause.from_on <= day < (pause.to_on or ended_on + _ONE) for pause in pauses):
            paused_days += 1
        else:
            counted += 1
    return day, paused_days
