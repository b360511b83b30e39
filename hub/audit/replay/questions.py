"""Which function answers which question of an audit: `QUESTIONS[kind](dsn, question, progress)` returns its outcome."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit.known import agreements, cases, counts, funds, items, ledgers, person
from hub.audit.known.asking import about
from hub.audit.outcome import Outcome
from hub.audit.replay import answers_asked, card_asked, record_asked, views_asked, what_if_asked
from hub.audit.replay.branches import check_branches
from hub.audit.replay.progress import Progress, unseen
from hub.audit.requests.windows import check_times
from hub.journal.sessions import session
from hub.projections import DECIDED_BY
from hub.projections.views.cases import CASES
from hub.projections.views.culture import LOANS
from hub.projections.views.medical import FILINGS, SETTLEMENTS

Run = Callable[[str, Any, Progress], Outcome]

# By the names of the arms of `AuditQuestion`; each function takes its own arm.
QUESTIONS: Mapping[str, Run] = {
    "card": card_asked.run,
    "answers": answers_asked.run,
    "what_if": what_if_asked.run,
    "views": views_asked.run,
    "record": record_asked.run,
    "person": about("person", person.find, DECIDED_BY),
    "case": about("case", cases.find, (CASES,)),
    "filing": about("filing", ledgers.find_filing, (FILINGS,)),
    "settlement": about("settlement", ledgers.find_settlement, (SETTLEMENTS,)),
    "loan": about("loan", ledgers.find_loans, (LOANS,)),
    "payment": about("payment", funds.find_row, funds.FUND_VIEWS),
    "funds": about("funds", funds.find_batch, funds.FUND_VIEWS),
    "agreement": about("agreement", agreements.find, DECIDED_BY),
    "count": counts.run,
    "item": about("item", items.find, ()),
    "concession": about("concession", person.find_units, DECIDED_BY),
}


# What is checked of a question before it is recorded, by the functions that answer it.
_CHECKS: Mapping[str, Callable[[str, Any], object]] = {
    "what_if": check_branches,
    "views": lambda _, question: views_asked.named(question),
}


def check(dsn: str, connection: psycopg.Connection, question: asked.AuditQuestion, now_us: int) -> None:
    """Raises what `check_times` raises, and what its function would of the names and changes of a question."""
    check_times(connection, question, now_us)
    kind = str(question.WhichOneof("asked"))
    if kind in _CHECKS:
        _CHECKS[kind](dsn, getattr(question, kind))


def answer(dsn: str, question: asked.AuditQuestion, progress: Progress = unseen) -> Outcome:
    """Answers a question; raises what `check_times` and its function raise, and Cancelled where somebody has cancelled it."""
    kind = str(question.WhichOneof("asked"))
    with session(dsn, "hub_reader", "hub-replay") as connection:
        check_times(connection, question, time.time_ns() // 1_000)
    return QUESTIONS[kind](dsn, getattr(question, kind), progress)
