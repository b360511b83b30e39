"""Loans by item: from lending to return whatever order the reports come in, without a card, to another library; and readers by person."""

from typing import Any

import pytest
from chuanyu.exchange.v1 import event_pb2
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.culture.loans import Loan, loans_at, reader_at
from hub.domain.reported import GRACE_DAYS, Person, Reported
from tests.recording import AT_S, about, key_of, library

DAY_S = 86_400
END_US = (AT_S + 60 * DAY_S) * 1_000_000


def told(event: event_pb2.Event, position: int) -> Reported:
    return Reported(event.WhichOneof("kind") or "", event, event.occurred_at.seconds * 1_000_000, position)


def folded(*events: event_pb2.Event, at_us: int = END_US) -> list[Loan]:
    return loans_at([told(event, position) for position, event in enumerate(events, 1)], at_us)


def one(*events: event_pb2.Event, at_us: int = END_US) -> Loan:
    [found] = folded(*events, at_us=at_us)
    return found


def codes(loan: Loan) -> list[str]:
    return [finding.code for finding in loan.findings]


def lent(day: int = 0, **says: Any) -> event_pb2.Event:
    return library("borrowed", AT_S + day * DAY_S, due_on="2025-10-01", **says)


def back(day: int = 10, **says: Any) -> event_pb2.Event:
    return library("returned", AT_S + day * DAY_S, **says)


@given(st.permutations([lent(), library("renewed", AT_S + 5 * DAY_S, due_on="2025-11-01"), back(), lent(20), back(30)]))
def test_the_order_of_arrival_makes_no_difference(events: list[event_pb2.Event]) -> None:
    first, second = folded(*events)
    assert (first.state, first.due_on, second.state, first.findings, second.findings) == ("RETURNED", "2025-11-01", "RETURNED", (), ())


@given(st.permutations([lent(), lent(), back(), back()]))
def test_twice_is_once(events: list[event_pb2.Event]) -> None:
    assert (one(*events).state, one(*events).findings) == ("RETURNED", ())


@pytest.mark.parametrize(("days", "expected"), [(29, 0), (30, 0), (31, 1), (40, 10)])
def test_days_overdue_count_from_the_day_after_the_due_day(days: int, expected: int) -> None:
    assert one(lent(), at_us=(AT_S + days * DAY_S) * 1_000_000).days_overdue == expected


def test_a_return_needs_no_card_and_no_reader() -> None:
    nameless = back()
    nameless.ClearField("card")
    assert one(lent(), nameless).state == "RETURNED"


def test_a_return_without_a_loan_waits_and_then_is_a_finding() -> None:
    at_us = (AT_S + (10 + GRACE_DAYS) * DAY_S) * 1_000_000
    assert codes(one(back(), at_us=at_us)) == []
    assert codes(one(back(), at_us=at_us + 1)) == ["RETURN_WITHOUT_LOAN"]


def test_a_second_loan_of_an_item_that_is_out_ends_the_first() -> None:
    first, second = folded(lent(), lent(5, card="A00000002"))
    assert (first.state, second.state, codes(second), first.days_overdue) == ("RETURN_UNKNOWN", "OUT", ["ITEM_LENT_TWICE"], 0)


def test_the_owning_branches_tell_two_items_of_one_barcode_apart() -> None:
    found = folded(lent(), lent(1, branch="CQLIB"), back(2, owner="CQLIB", branch="CQLIB"))
    assert [(loan.owner, loan.state) for loan in found] == [("SCLIB", "OUT"), ("CQLIB", "RETURNED")]


@pytest.mark.parametrize(
    ("owner", "branch", "flag", "is_cross", "found"),
    [
        ("SCLIB", "CQLIB", True, True, []),
        ("SCLIB", "CQLIB", False, True, ["CROSS_RETURN_FLAG"]),
        ("SCLIB", "SCLIB", True, False, ["CROSS_RETURN_FLAG"]),
        ("", "CQLIB", False, True, []),
    ],
)
def test_a_return_to_another_library_follows_from_the_branches(
    owner: str, branch: str, flag: bool, is_cross: bool, found: list[str]
) -> None:
    loan = one(lent(), back(owner=owner, branch=branch, cross_return=flag))
    assert (loan.is_cross_return, codes(loan)) == (is_cross, found)


def test_a_lost_item_stops_its_reader_until_it_is_paid_for_or_comes_back() -> None:
    person = Person(frozenset(), frozenset({key_of("A00000001")}))

    def stopped(*events: event_pb2.Event) -> bool:
        return reader_at([], [told(event, position) for position, event in enumerate(events, 1)], person, END_US).is_stopped

    lost, paid = library("lost", AT_S + DAY_S), library("lost", AT_S + DAY_S, compensated=True)
    assert [stopped(lent(), *further) for further in ((lost,), (paid,), (lost, back(2)))] == [True, False, False]


def test_a_reader_is_registered_once_a_branch_and_only_as_that_person() -> None:
    def registered(card: str, branch: str, day: int) -> Reported:
        event = about(card, AT_S + day * DAY_S)
        event.library_reader_registered.branch_code = branch
        return told(event, day)

    person = Person(frozenset(), frozenset({key_of("A00000001")}))
    reports = [registered("A00000001", "A", 1), registered("A00000001", "A", 2), registered("A00000002", "B", 3)]
    assert [one.position for one in reader_at(reports, [], person, END_US).registrations] == [1]
