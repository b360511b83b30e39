"""View joint_case: one row for both sides, whatever comes late, twice, corrected or out of order; and each row as of any position."""

import pytest
from chuanyu.exchange.v1 import event_pb2
from hypothesis import given
from hypothesis import strategies as st

from hub.journal.reader import Recorded
from hub.projections.ledgers import Rows, fold_events
from hub.projections.projection import Key, Row
from hub.projections.views.cases import CASES, Reports, decode, encode, facts_at
from tests.recording import AT_S, case_event

HOUR_S = 3_600
STATE, DECIDING, SIDES, NEXT, PACKAGE, CHANGED, OPEN, DUE = range(1, 9)
USUAL = tuple(
    case_event(kind, at_s=AT_S + hour * HOUR_S, region=region)
    for hour, (kind, region) in enumerate([("submitted", "510100"), ("received", "510100"), ("accepted", "500103"), ("decided", "500103")])
)


def recorded(position: int, event: event_pb2.Event) -> Recorded:
    return Recorded(position, position, 1, position, event.WhichOneof("kind") or "", event.SerializeToString())


def folded(*events: event_pb2.Event, changes: dict[int, int] | None = None) -> dict[Key, Reports]:
    """The rows after some events, at positions from 1; *changes* names by position the event that is no more in force from there on."""
    rows, by_position = Rows(), {}
    for position, event in enumerate(events, 1):
        one = by_position[position] = recorded(position, event)
        corrected = by_position[changes[position]] if changes and position in changes else None
        assert fold_events(CASES, [(one.position, one, corrected, list(CASES.keys(one, corrected)))], rows, set()) == set()
    assert all(decode(encode(reports)) == reports for reports in rows.states.values())
    return rows.states


def row(*events: event_pb2.Event, changes: dict[int, int] | None = None) -> Row:
    """The columns of case N1."""
    return encode(folded(*events, changes=changes)["51", "N1"])


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, ("SUBMITTED", "50", "50 51", "HANDLING", "", 1, True, None)),
        (2, ("RECEIVED", "50", "50 51", "DECIDING", "", 2, True, 20_332)),
        (4, ("DECIDED", "50", "50 51", "DECIDING", "", 4, False, 20_332)),
    ],
)
def test_both_sides_reports_are_one_row(count: int, expected: Row) -> None:
    assert row(*USUAL[:count])[1:] == expected


@given(st.permutations([*USUAL, *USUAL]))
def test_neither_order_nor_repetition_changes_what_is_known(events: list[event_pb2.Event]) -> None:
    found, usual = row(*events), row(*USUAL)
    assert found[STATE:CHANGED] == usual[STATE:CHANGED]
    assert found[OPEN:] == usual[OPEN:]


@given(st.lists(st.tuples(st.sampled_from(USUAL), st.integers(-3, 20)), min_size=1, max_size=8), st.integers(1, 8))
def test_a_case_as_of_a_position_is_the_case_that_was_folded_then(told: list[tuple[event_pb2.Event, int]], position: int) -> None:
    events, changes = [event for event, _ in told], {}
    for at, (_, corrected) in enumerate(told, 1):
        if 0 < corrected < at and corrected not in changes.values():
            changes[at] = corrected
    later = folded(*events, changes=changes)["51", "N1"]
    then = folded(*events[:position], changes={at: corrected for at, corrected in changes.items() if at <= position})["51", "N1"]
    assert facts_at(later, position) == [report.fact for report in then if not report.until]


def test_one_number_in_both_provinces_is_two_rows() -> None:
    there = case_event("submitted", ref={"handling_province": "50"})
    assert set(folded(USUAL[0], there)) == {("51", "N1"), ("50", "N1")}


def test_a_report_before_the_submission_is_kept() -> None:
    assert row(USUAL[2])[STATE] == "ACCEPTED"
    assert row(USUAL[2], USUAL[0])[1:CHANGED] == row(USUAL[0], USUAL[2])[1:CHANGED]


def test_a_side_that_is_not_named_is_that_of_the_place() -> None:
    unnamed = case_event("submitted", region="500103", ref={"handling_province": "", "deciding_province": ""})
    assert folded(unnamed).keys() == {("50", "N1")}


def test_a_corrected_report_is_no_more_in_force_and_still_known_as_of_before() -> None:
    refused = case_event("not_accepted", at_s=AT_S + 2 * HOUR_S, reason_code="NOT_OURS")
    events, changes = (*USUAL[:2], refused, USUAL[2]), {4: 3}
    assert row(*events, changes=changes)[STATE] == "ACCEPTED"
    reports = folded(*events, changes=changes)["51", "N1"]
    assert [[fact.kind for fact in facts_at(reports, position)][-1] for position in (2, 3, 4)] == [
        "case_received",
        "case_not_accepted",
        "case_accepted",
    ]


def test_a_correction_of_the_number_moves_the_report_and_leaves_a_row_without_a_state() -> None:
    states = folded(case_event("submitted", "N7"), USUAL[0], changes={2: 1})
    assert encode(states["51", "N1"])[STATE] == "SUBMITTED"
    assert encode(states["51", "N7"])[STATE:] == ("", "", "50 51", "", "", 2, False, None)


def test_a_reversal_takes_a_report_back() -> None:
    back = case_event("decided", at_s=AT_S + 3 * HOUR_S)
    back.reverses.feed, back.reverses.sequence = "cq.usage", 4
    assert row(*USUAL, back, changes={5: 4})[STATE] == "ACCEPTED"
