"""Visits: an entry with the exit after it, whatever order they come in; exits without one; bookings used, missed, cancelled."""

from typing import Any

import pytest
from chuanyu.exchange.v1 import event_pb2
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.culture.visits import Visit, bookings_at, visits_at
from hub.domain.reported import GRACE_DAYS, Reported
from tests.recording import AT_S, venue

HOUR_S, DAY_S = 3_600, 86_400
END_US = (AT_S + 60 * DAY_S) * 1_000_000


def told(*events: event_pb2.Event) -> list[Reported]:
    return [
        Reported(event.WhichOneof("kind") or "", event, event.occurred_at.seconds * 1_000_000, position)
        for position, event in enumerate(events, 1)
    ]


def folded(*events: event_pb2.Event, at_us: int = END_US) -> list[Visit]:
    return visits_at(told(*events), at_us)


def entered(hour: int = 0, **says: Any) -> event_pb2.Event:
    return venue("gate_entered", AT_S + hour * HOUR_S, gate="EAST", party_size=2, **says)


def left(hour: int = 4, **says: Any) -> event_pb2.Event:
    return venue("gate_left", AT_S + hour * HOUR_S, gate="WEST", **says)


@given(st.permutations([entered(), left(), entered(5), left(8), entered()]))
def test_each_exit_ends_the_last_entry_before_it(events: list[event_pb2.Event]) -> None:
    found = folded(*events)
    assert [(visit.state, visit.visitors, visit.findings) for visit in found] == [("LEFT", 2, ())] * 2
    assert [(visit.left.occurred_us // 1_000_000 - AT_S) // HOUR_S for visit in found if visit.left is not None] == [4, 8]


def test_an_entry_without_an_exit_is_a_visit_and_an_exit_without_an_entry_a_finding_after_its_grace() -> None:
    assert [visit.state for visit in folded(entered())] == ["ENTERED"]
    at_us = (AT_S + 4 * HOUR_S + GRACE_DAYS * DAY_S) * 1_000_000
    assert [len(visit.findings) for visit in folded(left(), at_us=at_us) + folded(left(), at_us=at_us + 1)] == [0, 1]


@pytest.mark.parametrize("other", [{"venue_code": "OTHER"}, {"booking_ref": "K2"}])
def test_an_exit_elsewhere_or_on_another_booking_is_not_that_of_the_visit(other: dict[str, str]) -> None:
    assert [visit.state for visit in folded(entered(booking_ref="K1"), left(**other))] == ["ENTERED", "ENTRY_UNKNOWN"]


def booking(day: int, *events: event_pb2.Event) -> list[tuple[str, str, int]]:
    found = bookings_at(told(*events), (AT_S + day * DAY_S) * 1_000_000)
    return [(one.booking_ref, one.state, len(one.findings)) for one in found]


MADE = venue("booking_made", AT_S, booking_ref="K1", visit_on="2025-09-03")
CANCELLED = venue("booking_cancelled", AT_S + HOUR_S, booking_ref="K1")


def test_a_booking_is_used_missed_or_cancelled() -> None:
    assert booking(1, MADE) == [("K1", "MADE", 0)]
    assert booking(3, MADE) == [("K1", "MISSED", 0)]
    assert booking(3, MADE, entered(50, booking_ref="K1")) == [("K1", "USED", 0)]
    assert booking(3, MADE, CANCELLED) == booking(3, CANCELLED, MADE) == [("K1", "CANCELLED", 0)]
    assert booking(9, CANCELLED) == [("K1", "CANCELLED", 1)]


def test_an_entry_on_a_cancelled_booking_counts_and_is_a_finding() -> None:
    [visit] = folded(MADE, CANCELLED, entered(5, booking_ref="K1"))
    assert (visit.visitors, [finding.code for finding in visit.findings]) == (2, ["ENTRY_ON_CANCELLED_BOOKING"])
