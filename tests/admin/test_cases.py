"""What the service and the command ask about cases: pages that look at so many rows, watches that leave out no change, no view yet."""

from datetime import date

import psycopg
import pytest
from chuanyu.exchange.v1 import case_service_pb2 as protos
from chuanyu.exchange.v1 import event_pb2

from hub.admin import cases
from hub.admin.cases import changed_cases, get_case, list_cases
from hub.admin.snapshots import Asked
from hub.domain import reference
from hub.domain.errors import ViewBehind
from hub.domain.joint_services.catalogue import Catalogue
from hub.projections.engine import advance
from hub.projections.views.cases import CASES
from tests.recording import Recording, case_event, correcting

CATALOGUE = Catalogue(reference.load(), None)
ANYONE = Asked("", date(2026, 3, 2))


def folded(journal: Recording, views: psycopg.Connection, *events: event_pb2.Event) -> list[int]:
    positions = journal.append(*events)
    while advance(views, CASES):
        pass
    return positions


def watched(views: psycopg.Connection, after: int) -> list[tuple[str, int]]:
    """The cases that changed after a position, each with where a watch goes on behind it; the last is how far the watch is."""
    found = changed_cases(views, CATALOGUE, protos.WatchCasesRequest(), after, ANYONE)
    return [(one.record.key.case_no, one.position) for one in found]


def test_a_page_that_looked_at_enough_rows_ends_and_the_next_goes_on(
    journal: Recording, views: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = [case_event("submitted", f"N{number}") for number in range(5)]
    folded(journal, views, *plain, case_event("submitted", "N5", ref={"item_code": "XX"}))
    monkeypatch.setattr(cases, "MOST_LOOKED_AT", 2)
    monkeypatch.setattr(cases, "_CHUNK", 2)
    request, pages = protos.ListCasesRequest(filter=protos.CaseFilter(with_findings=True)), []
    while not pages or request.page_token:
        page = list_cases(views, CATALOGUE, request, ANYONE)
        pages.append([record.key.case_no for record in page.records])
        request.page_token = page.next_page_token
    assert pages == [[], [], ["N5"], []]


def test_a_watch_that_is_cut_between_two_changes_of_one_event_sends_both_again(journal: Recording, views: psycopg.Connection) -> None:
    first, _ = folded(journal, views, case_event("submitted", "N1"), case_event("submitted", "N2"))
    # The correction takes N1's report and gives it to N2.
    [moved] = folded(journal, views, correcting(case_event("submitted", "N2"), 1))
    assert watched(views, first) == [("N1", moved - 1), ("N2", moved), ("", moved)]
    assert watched(views, moved - 1) == watched(views, first)
    assert watched(views, moved) == [("", moved)]


def test_a_case_without_a_report_in_force_is_watched_by_name_and_not_listed(journal: Recording, views: psycopg.Connection) -> None:
    folded(journal, views, case_event("submitted", "N1"))
    folded(journal, views, correcting(case_event("submitted", "N2"), 1))
    gone, *_ = changed_cases(views, CATALOGUE, protos.WatchCasesRequest(), 1, ANYONE)
    assert gone.record == protos.CaseRecord(key=protos.CaseKey(handling_province="51", case_no="N1"), changed_position=2)
    assert [record.key.case_no for record in list_cases(views, CATALOGUE, protos.ListCasesRequest(), ANYONE).records] == ["N2"]


def test_a_side_is_told_of_a_case_that_is_gone(journal: Recording, views: psycopg.Connection) -> None:
    folded(journal, views, case_event("submitted", "N1"))
    folded(journal, views, correcting(case_event("submitted", "N2"), 1))
    found = changed_cases(views, CATALOGUE, protos.WatchCasesRequest(), 1, Asked("50", date(2026, 3, 2)))
    assert [one.record.key.case_no for one in found] == ["N1", "N2", ""]


def test_a_view_that_is_not_there_or_not_far_enough_is_behind(journal: Recording, views: psycopg.Connection) -> None:
    [position] = folded(journal, views, case_event("submitted", "N1"))
    request = protos.GetCaseRequest(key=protos.CaseKey(handling_province="51", case_no="N1"), min_position=position + 1)
    with pytest.raises(ViewBehind):
        get_case(views, CATALOGUE, request, ANYONE)
    views.execute("DELETE FROM views.checkpoint WHERE view = 'joint_case'")
    with pytest.raises(ViewBehind):
        list_cases(views, CATALOGUE, protos.ListCasesRequest(), ANYONE)
