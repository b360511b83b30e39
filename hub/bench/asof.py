"""How long it takes to say what was known of a thing in the middle of the record: of each kind some, with every step."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as asked
from chuanyu.exchange.v1 import references_pb2

from hub.audit.known import agreements, cases, funds, ledgers, person
from hub.audit.known.asking import Find, asked_about, known
from hub.audit.known.counts import count_as_of
from hub.bench.setup import median
from hub.journal.reader import head_position
from hub.journal.sessions import session
from hub.projections import DECIDED_BY
from hub.projections.projection import Projection, View
from hub.projections.views.cases import CASES
from hub.projections.views.culture import LOANS
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.medical import FILINGS, SETTLEMENTS
from hub.projections.views.usage_counts import Wanted

# What is asked about below and is not among the views that answers rest on.
FURTHER_VIEWS: tuple[Projection, ...] = (CASES, FILINGS, SETTLEMENTS, DAILY_USAGE)
_ASKED = 40


class _Kind(NamedTuple):
    """Which things there are, the question about one, and what answers it."""

    rows: str
    question: Callable[..., Any]
    find: Find
    views: tuple[View, ...]


def _card(key: bytes) -> references_pb2.CardRef:
    return references_pb2.CardRef(key=bytes(key), kind=references_pb2.CARD_IDENTIFIER_KIND_CARD_NO)


def _filing(name: str) -> asked.FilingQuestion:
    province, _, number = name.partition("/")
    return asked.FilingQuestion(insured_province=province, filing_no=number)


_KINDS: Mapping[str, _Kind] = {
    "person": _Kind("SELECT key FROM views.card_standing", lambda key: asked.PersonQuestion(card=_card(key)), person.find, DECIDED_BY),
    "concession": _Kind(
        "SELECT DISTINCT card, city FROM views.concession",
        lambda card, city: asked.ConcessionQuestion(card=_card(card), region="500103" if city == "500000" else "510104"),
        person.find_units, DECIDED_BY,
    ),
    "case": _Kind(
        "SELECT handling_province, case_no FROM views.joint_case WHERE handling_province <> ''",
        lambda side, number: asked.CaseQuestion(handling_province=side, case_no=number), cases.find, (CASES,),
    ),
    "filing": _Kind("SELECT DISTINCT name FROM views.medical_filing", _filing, ledgers.find_filing, (FILINGS,)),
    "settlement": _Kind(
        "SELECT DISTINCT name FROM views.medical_settlement",
        lambda name: asked.SettlementQuestion(settlement_id=name), ledgers.find_settlement, (SETTLEMENTS,),
    ),
    "loan": _Kind(
        "SELECT DISTINCT name FROM views.library_loan WHERE name NOT LIKE 'reader %%'",
        lambda name: asked.LoanQuestion(barcode=name), ledgers.find_loans, (LOANS,),
    ),
    "payment": _Kind(
        "SELECT province, batch_no, row_no FROM views.fund_row_facts",
        lambda side, no, row: asked.FundRowQuestion(paying_province=side, batch_no=no, row_no=row),
        funds.find_row, funds.FUND_VIEWS,
    ),
    "funds": _Kind(
        "SELECT DISTINCT province, batch_no FROM views.fund_row_facts",
        lambda province, no: asked.FundBatchQuestion(paying_province=province, batch_no=no), funds.find_batch, funds.FUND_VIEWS,
    ),
    "agreement": _Kind(
        "SELECT code FROM views.agreement_history", lambda code: asked.AgreementQuestion(agreement_code=code), agreements.find, DECIDED_BY
    ),
}  # fmt: skip


def things_as_of(dsn: str) -> dict[str, Any]:
    """Returns for each kind how many things were asked about, how long that took, and how many events they had."""
    with session(dsn, "hub_reader", "hub-bench") as connection:
        middle = head_position(connection) // 2
        found = {name: _things(connection, kind, middle) for name, kind in _KINDS.items()}
        return {**found, "count": _counts(connection, middle)}


def _things(connection: psycopg.Connection, kind: _Kind, middle: int) -> dict[str, Any]:
    rows = connection.execute(f"{kind.rows} ORDER BY 1 LIMIT 20000".encode()).fetchall()
    took_ms, events = [], [0]
    for row in rows[:: max(1, len(rows) // _ASKED)]:
        question = kind.question(*row)
        question.recorded_as_of.position = middle
        question.valid_at.GetCurrentTime()
        began = time.perf_counter()
        found = known(connection, question, kind.find, asked_about(connection, question, kind.views))
        took_ms.append((time.perf_counter() - began) * 1e3)
        events.append(len(found.thing.own.events))
        assert found.is_same
    return {**_said(took_ms), "events_of_one": max(events)}


def _counts(connection: psycopg.Connection, middle: int) -> dict[str, Any]:
    """Counts months of the record, in each region that has some."""
    rows = connection.execute("SELECT DISTINCT left(day, 7), region FROM views.daily_usage ORDER BY 1, 2 LIMIT 20000").fetchall()
    took_ms = []
    for month, region in rows[:: max(1, len(rows) // _ASKED)]:
        began = time.perf_counter()
        assert count_as_of(connection, Wanted(f"{month}-01", f"{month}-31", region=region), middle).is_same
        took_ms.append((time.perf_counter() - began) * 1e3)
    return _said(took_ms)


def _said(took_ms: list[float]) -> dict[str, Any]:
    if not took_ms:
        return {"asked": 0}
    return {"asked": len(took_ms), "p50_ms": round(median(took_ms), 1), "worst_ms": round(max(took_ms), 1)}
