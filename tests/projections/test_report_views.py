"""Views of reports: each report once under each of its names, in force from and until a position, and as of any position."""

from chuanyu.exchange.v1 import event_pb2
from hypothesis import given
from hypothesis import strategies as st

from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.ledgers import Rows, fold_events
from hub.projections.projection import Key, Projection
from hub.projections.touched import folds_of
from hub.projections.views.medical import FILINGS, SETTLEMENTS
from hub.projections.views.reports import Report
from tests.recording import AT_S, filing, refund, reversing, settlement

VISIT = "H51010000001 V1"


def recorded(position: int, event: event_pb2.Event) -> Recorded:
    return Recorded(position, position, 1, position, event.WhichOneof("kind") or "", event.SerializeToString())


def folded(view: Projection, *events: tuple[event_pb2.Event, Change | None] | event_pb2.Event) -> dict[Key, Report]:
    """The rows after some events, at positions from 1; a pair has what the event changes."""
    rows = Rows()
    for position, told in enumerate(events, 1):
        event, change = told if isinstance(told, tuple) else (told, None)
        for stands, before in folds_of(recorded(position, event), change):
            assert fold_events(view, [(position, stands, before, list(view.keys(stands, before)))], rows, set()) == set()
    return {key: row for key, row in rows.states.items() if row is not None}


def spans(rows: dict[Key, Report]) -> dict[Key, str]:
    return {key: row.spans for key, row in rows.items()}


def test_a_report_is_under_both_of_its_names() -> None:
    rows = folded(SETTLEMENTS, settlement(), refund())
    assert spans(rows) == {("S1", 1): "1-", ("R1", 2): "2-"}
    assert [rows[key].also for key in (("S1", 1), ("R1", 2))] == [VISIT, "S1"]
    assert rows["R1", 2].data == recorded(2, refund()).data


def test_a_filing_is_of_the_insured_side_that_it_names_else_of_the_place() -> None:
    ended = event_pb2.Event(service_region="510100")
    ended.medical_filing_cancelled.filing_no = "F1"
    assert folded(FILINGS, filing(), ended).keys() == {("50/F1", 1), ("51/F1", 2)}
    ended.medical_filing_cancelled.insured_region = "500103"
    assert folded(FILINGS, filing(), ended).keys() == {("50/F1", 1), ("50/F1", 2)}


def test_what_is_corrected_is_no_more_in_force_and_what_is_given_back_is_again() -> None:
    first, second = filing(), filing("F2")
    second.corrects.feed, second.corrects.sequence = "cq.usage", 1
    corrected = Change((recorded(1, first),), recorded(2, second))
    back = reversing(filing(), 2)
    given_back = Change((recorded(2, second),), recorded(1, first))
    rows = folded(FILINGS, first, (second, corrected), (back, given_back))
    assert spans(rows) == {("50/F1", 1): "1-2 3-", ("50/F2", 2): "2-3"}
    in_force = {position: [key[0] for key, row in rows.items() if row.was_in_force(position)] for position in range(5)}
    assert in_force == {0: ["50/F1"], 1: ["50/F1"], 2: ["50/F2"], 3: ["50/F1"], 4: ["50/F1"]}


def test_a_refund_that_names_its_settlement_by_number_leaves_that_in_force() -> None:
    use, back = settlement(), reversing(refund(fen=1_600), 1)
    rows = folded(SETTLEMENTS, use, (back, Change((recorded(1, use),), None)))
    assert spans(rows) == {("S1", 1): "1-", ("R1", 2): "2-"}


def test_a_reversal_of_a_refund_takes_that_refund_back() -> None:
    use, back, again = settlement(), refund(), reversing(refund("R2", "R1"), 2)
    rows = folded(SETTLEMENTS, use, back, (again, Change((recorded(2, back),), None)))
    assert spans(rows) == {("S1", 1): "1-", ("R1", 2): "2-3"}


def test_what_comes_after_its_reversal_is_kept_and_never_in_force() -> None:
    late = settlement()
    rows = folded(SETTLEMENTS, reversing(refund(), 2), (late, Change((), None)))
    assert spans(rows)["S1", 2] == "2-2"
    assert [(rows["S1", 2].was_in_force(at), rows["S1", 2].came_late(at)) for at in (0, 1, 2)] == [
        (False, True),
        (False, False),
        (False, True),
    ]


@given(st.lists(st.sampled_from([settlement(), refund(), refund("R2", "S2"), settlement("S2", at_s=AT_S + 5)]), max_size=8))
def test_every_report_stays(events: list[event_pb2.Event]) -> None:
    rows = folded(SETTLEMENTS, *events)
    assert {position for _, position in rows} == set(range(1, len(events) + 1))
