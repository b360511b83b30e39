"""Filings 备案: days count and not arrivals, an end holds from its instant on, and what does not go together is a finding."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from chuanyu.exchange.v1 import event_pb2
from hypothesis import given
from hypothesis import strategies as st

from hub.domain import reference
from hub.domain.instants import LOCAL, microseconds_of
from hub.domain.medical.filings import Filing, filings_at, lies_in
from hub.domain.reported import GRACE_DAYS, Reported
from tests.recording import filing, key_of


def us(written: str) -> int:
    return microseconds_of(datetime.fromisoformat(written).replace(tzinfo=LOCAL))


def told(event: event_pb2.Event, at: str, position: int, holder: str = "") -> Reported:
    if holder:
        event.holder.id_type, event.holder.key = 1, key_of(holder)
    return Reported(event.WhichOneof("kind") or "", event, us(at), position)


def registered(at: str = "2025-08-20 10:00", position: int = 1, holder: str = "", **says: Any) -> Reported:
    return told(filing(**says), at, position, holder)


def ended(what: str = "cancelled", at: str = "2025-08-25 10:00", position: int = 2, holder: str = "") -> Reported:
    event = event_pb2.Event(service_region="500103")
    getattr(event, f"medical_filing_{what}").filing_no = "F1"
    return told(event, at, position, holder)


def one(*reports: Reported, at: str = "2025-08-24 09:00") -> Filing:
    [found] = filings_at(reports, us(at))
    return found


@pytest.mark.parametrize(
    ("at", "state"),
    [("2025-08-19 23:59", "NOT_YET"), ("2025-08-20 00:00", "ACTIVE"), ("2025-09-30 23:59", "ACTIVE"), ("2025-10-01 00:00", "EXPIRED")],
)
def test_the_days_of_a_filing_are_those_of_the_law(at: str, state: str) -> None:
    assert one(registered(), at=at).state == state


@given(st.permutations([registered(), ended(), registered(position=3), ended("expired", "2025-09-01 10:00", 4)]))
def test_the_order_of_arrival_makes_no_difference(reports: list[Reported]) -> None:
    moved = [report._replace(position=position) for position, report in enumerate(reports, 1)]
    found, usual = one(*moved, at="2025-08-26 09:00"), one(registered(), ended(), at="2025-08-26 09:00")
    assert (found.state, found.is_late, len(found.findings)) == (usual.state, usual.is_late, 0)


def test_an_end_without_a_registration_waits_and_then_is_a_finding() -> None:
    at = us("2025-08-25 10:00")
    grace_us = timedelta(days=GRACE_DAYS) // timedelta(microseconds=1)
    [waiting], [overdue] = (filings_at([ended()], at + grace_us + more) for more in (0, 1))
    assert (waiting.state, waiting.findings) == ("NOT_REGISTERED", ())
    assert [finding.code for finding in overdue.findings] == ["FILING_NOT_REGISTERED"]


def test_nothing_is_said_of_a_filing_before_its_first_report() -> None:
    assert filings_at([ended()], us("2025-08-25 09:59")) == []


def test_reports_that_name_two_persons_are_a_finding_and_two_cards_are_none() -> None:
    two = one(registered(holder="a"), ended(holder="b"), at="2025-08-26 09:00")
    assert [finding.code for finding in two.findings] == ["FILING_OTHER_PERSON"]
    assert one(registered(card_no="A00000001"), registered(card_no="A00000002", position=2)).findings == ()


@pytest.mark.parametrize(
    ("region", "place", "inside"),
    [
        ("510104", "510100", True),
        ("510104", "510000", True),
        ("510300", "510100", False),
        ("510100", "510104", False),
        ("500103", "500000", True),
        ("500103", "510000", False),
    ],
)
def test_a_place_has_what_lies_in_it(region: str, place: str, inside: bool) -> None:
    assert lies_in(region, place) is inside


def test_a_filing_that_is_not_in_force_covers_nothing() -> None:
    tables = reference.load()
    assert one(registered()).covers("510104", tables)
    assert not one(registered(), at="2025-10-01 09:00").covers("510104", tables)
    assert not one(registered(), ended(), at="2025-08-25 10:00").covers("510104", tables)
