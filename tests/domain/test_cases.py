"""Cases of joint services: one state by step and not by arrival, sides, findings, the item's version, and the clock."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import pytest
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import usage_government_pb2 as government
from hypothesis import given
from hypothesis import strategies as st

from hub.domain import reference
from hub.domain.instants import LOCAL, epoch_day_of, microseconds_of
from hub.domain.joint_services.case_clock import ALLOWED_NEXT, APPLICANT, DECIDING, HANDLING, Clock, clock_of, due_from, next_actors
from hub.domain.joint_services.cases import (
    NO_RESPONSE,
    STATES,
    Case,
    CaseFact,
    CaseFinding,
    CaseKey,
    closed_us,
    fold,
    key_of,
    regions_as_of,
)
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.reference.working_day_rows import WorkingDays
from tests.domain.test_catalogue import approved, draft

TABLES = reference.load()
CATALOGUE = Catalogue(TABLES, None)
WORKING = TABLES.working_days
KINDS = {field.name: field for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields}
COLLECT, JOINT, ONLINE = government.CASE_MODE_COLLECT_FORWARD, government.CASE_MODE_JOINT, government.CASE_MODE_FULL_ONLINE


def fact(kind: str, at: str, position: int = 1, province: str = "51", **says: Any) -> CaseFact:
    """A fact of case N1: item TB057, handled in Sichuan, decided in Chongqing, unless it says otherwise."""
    message = getattr(event_pb2.Event(), f"case_{kind}")
    ref = {"case_no": "N1", "item_code": "TB057", "handling_province": "51", "deciding_province": "50", **says.pop("ref", {})}
    message.case_ref.CopyFrom(government.CaseRef(**ref))
    for name, value in says.items():
        setattr(message, name, value)
    written = at if " " in at else f"{at} 09:00"
    return CaseFact(f"case_{kind}", message, microseconds_of(datetime.fromisoformat(written).replace(tzinfo=LOCAL)), position, province)


def submitted(at: str = "2026-03-02", **says: Any) -> CaseFact:
    return fact("submitted", at, **{"mode": ONLINE, **says})


def case(*facts: CaseFact, catalogue: Catalogue = CATALOGUE) -> Case:
    return fold(facts, catalogue)


def clock(facts: Iterable[CaseFact], on: str, working: WorkingDays = WORKING) -> Clock:
    return clock_of(fold(facts, CATALOGUE), working, date.fromisoformat(on))


USUAL = (
    submitted("2026-03-02", position=1),
    fact("received", "2026-03-03", 2),
    fact("accepted", "2026-03-04", 3, promised_working_days=5),
    fact("decided", "2026-03-06", 4, granted=True),
    fact("delivered", "2026-03-09", 5),
    fact("rated", "2026-03-10", 6, stars=5),
)


@pytest.mark.parametrize("state", range(1, 7))
def test_each_step_is_a_state(state: int) -> None:
    expected = ["SUBMITTED", "RECEIVED", "ACCEPTED", "DECIDED", "DELIVERED", "RATED"]
    assert case(*USUAL[:state]).state == expected[state - 1]


@given(st.permutations(USUAL))
def test_the_state_does_not_depend_on_the_order_of_arrival(facts: list[CaseFact]) -> None:
    assert fold(facts, CATALOGUE) == case(*USUAL)
    assert case(*USUAL).findings == ()


def test_a_decision_counts_before_its_acceptance_has_arrived() -> None:
    assert case(USUAL[0], USUAL[3]).state == "DECIDED"
    assert case(USUAL[0], USUAL[3], USUAL[2]) == case(USUAL[0], USUAL[2], USUAL[3])


def test_a_decision_dated_before_its_acceptance_stays_and_is_a_finding() -> None:
    decided = fact("decided", "2026-03-03 08:00", 9, granted=True)
    found = case(USUAL[0], USUAL[2], decided)
    assert (found.state, found.findings) == ("DECIDED", (CaseFinding("CASE_ORDER", 3, 9),))


def test_of_a_refusal_and_an_acceptance_the_later_one_counts_and_both_are_named() -> None:
    refused = fact("not_accepted", "2026-03-05", 9, reason_code="NOT_OURS")
    found = case(*USUAL[:3], refused)
    assert (found.state, found.findings) == ("NOT_ACCEPTED", (CaseFinding("CASE_ORDER", 9, 3),))


def test_supplements_go_back_and_forth() -> None:
    asked, given_ = fact("supplement_requested", "2026-03-04", 3), fact("supplemented", "2026-03-05", 4)
    again = fact("supplement_requested", "2026-03-06", 5)
    assert [case(*USUAL[:2], *more).state for more in ((asked,), (asked, given_), (asked, given_, again))] == [
        "SUPPLEMENT_REQUESTED",
        "SUPPLEMENTED",
        "SUPPLEMENT_REQUESTED",
    ]
    assert case(*USUAL[:2], asked, given_, again).findings == ()


def test_a_case_that_goes_over_and_back_is_decided_where_it_is_last() -> None:
    over = fact("transferred", "2026-03-05", 4, to_region="510100")
    back = fact("transferred", "2026-03-06", 5, to_region="500103", to_agency="CQ-RS-01")
    found = case(*USUAL[:3], over)
    assert (found.state, found.deciding_province, found.region) == ("TRANSFERRED", "51", "510100")
    found = case(*USUAL[:3], over, back)
    assert (found.deciding_province, found.region, found.agency, found.findings) == ("50", "500103", "CQ-RS-01", ())


def test_a_report_that_comes_twice_is_one() -> None:
    found = case(*USUAL[:3], USUAL[2]._replace(position=9), USUAL[1]._replace(position=8))
    assert found == case(*USUAL[:3])
    assert found.findings == ()


def test_both_sides_may_report_one_step_by_their_own_clocks() -> None:
    theirs = fact("accepted", "2026-03-04 09:07", 9, province="50", promised_working_days=5)
    found = case(*USUAL[:3], theirs)
    assert (found.state, found.findings, len(found.facts)) == ("ACCEPTED", (), 4)
    again = fact("accepted", "2026-03-04 09:07", 9, promised_working_days=5)
    assert case(*USUAL[:3], again).findings == (CaseFinding("CASE_ORDER", 9, 3),)


def test_two_sides_that_report_two_results_contradict_each_other() -> None:
    other = fact("decided", "2026-03-06 12:00", 9, province="50", granted=False)
    found = case(*USUAL[:4], other)
    assert (found.granted, found.findings) == (False, (CaseFinding("CASE_ORDER", 9, 4),))


def test_a_case_that_ends_because_nobody_supplemented_it_says_so() -> None:
    asked = fact("supplement_requested", "2026-03-04", 3)
    ended = fact("not_accepted", "2026-03-20", 5, reason_code="NO_SUPPLEMENT")
    found = case(*USUAL[:2], asked, ended)
    assert (found.state, found.is_closed, found.findings) == ("CLOSED_NO_RESPONSE", True, ())
    given_ = fact("supplemented", "2026-03-05", 4)
    assert case(*USUAL[:2], asked, given_, ended).state == "NOT_ACCEPTED"


def test_a_case_of_which_nobody_says_who_handles_it_is_kept_and_is_a_finding() -> None:
    found = case(submitted(province="", ref={"handling_province": ""}))
    assert (found.key, found.findings) == (CaseKey("", "N1"), (CaseFinding("CASE_SIDE_MISMATCH", 1),))


def test_a_side_that_was_to_decide_stays_a_side_of_the_case() -> None:
    only_here = submitted(ref={"deciding_province": "51"})
    assert case(only_here).sides == ("51",)
    over, back = (fact("transferred", f"2026-03-0{day}", day, to_region=to) for day, to in ((5, "500103"), (6, "510100")))
    found = case(only_here, over, back)
    assert (found.deciding_province, found.sides) == ("51", ("50", "51"))


def test_one_number_in_both_provinces_is_two_cases() -> None:
    here, there = submitted(ref={"handling_province": "51"}), submitted(ref={"handling_province": "50"})
    assert {key_of(here), key_of(there)} == {CaseKey("51", "N1"), CaseKey("50", "N1")}
    assert key_of(submitted(province="50", ref={"handling_province": ""})) == CaseKey("50", "N1")


def test_a_withdrawal_ends_an_open_case_and_not_a_decided_one() -> None:
    withdrawn = fact("withdrawn", "2026-03-05", 9)
    assert case(*USUAL[:3], withdrawn).state == "WITHDRAWN"
    late = fact("withdrawn", "2026-03-07", 9)
    found = case(*USUAL[:4], late)
    assert (found.state, found.findings) == ("WITHDRAWN", (CaseFinding("CASE_ORDER", 9, 4),))
    found = case(*USUAL[:4], fact("withdrawn", "2026-03-05", 9))
    assert (found.state, found.findings) == ("DECIDED", (CaseFinding("CASE_ORDER", 4, 9),))


def test_withdrawn_cases_are_not_in_the_base_of_two_waivers() -> None:
    assert case(*USUAL[:4]).is_counted
    assert not case(*USUAL[:3], fact("withdrawn", "2026-03-05", 9)).is_counted
    assert not case(*USUAL[:3]).is_counted


def test_what_nobody_submitted_is_a_finding_until_it_is_submitted() -> None:
    assert case(USUAL[1]).findings == (CaseFinding("CASE_ORDER", 2),)
    assert case(USUAL[1], USUAL[0]).findings == ()


def test_a_step_before_the_submission_is_a_finding() -> None:
    early = fact("received", "2026-03-01", 9)
    assert case(USUAL[0], early).findings == (CaseFinding("CASE_ORDER", 1, 9),)


def test_an_item_that_the_catalogue_has_not_is_a_finding() -> None:
    found = case(submitted(ref={"item_code": "XX"}))
    assert (found.item_id, found.version, found.findings) == ("", None, (CaseFinding("CASE_UNKNOWN_ITEM", 1),))


@pytest.mark.parametrize("other", [{"deciding_province": "51"}, {"item_code": "TB058"}])
def test_other_sides_or_items_than_submitted_are_a_finding(other: dict[str, str]) -> None:
    found = case(USUAL[0], fact("received", "2026-03-03", 2, ref=other))
    assert CaseFinding("CASE_SIDE_MISMATCH", 2, 1) in found.findings
    assert found.deciding_province == "50"


def test_the_items_version_is_that_of_the_submission() -> None:
    catalogue = approved(draft(promised_working_days=9, valid_from="2026-03-03"))
    before = case(submitted("2026-03-02"), fact("accepted", "2026-03-04", 2), catalogue=catalogue)
    after = case(submitted("2026-03-03"), fact("accepted", "2026-03-04", 2), catalogue=catalogue)
    assert clock_of(before, WORKING, date(2026, 3, 5)).promised_working_days is None
    assert clock_of(after, WORKING, date(2026, 3, 5)).promised_working_days == 9


def test_a_case_of_a_split_district_keeps_it_and_says_what_it_is_now() -> None:
    assert regions_as_of(TABLES, "500112", date(2025, 11, 5)) == ("500112",)
    assert regions_as_of(TABLES, "500112", date(2025, 11, 10)) == ("500109", "500157")


def test_a_package_is_closed_with_the_last_of_its_cases() -> None:
    first, second = case(*USUAL[:4]), case(submitted(), fact("decided", "2026-03-12", 9, granted=False))
    assert closed_us([first, second]) == second.facts[-1].occurred_us
    assert closed_us([first, case(*USUAL[:3])]) is None
    assert case(submitted(ref={"package_no": "P1"})).package_no == "P1"


@pytest.mark.parametrize(("stars", "follows"), [(1, True), (2, True), (3, False), (5, False)])
def test_a_low_rating_opens_a_follow_up(stars: int, follows: bool) -> None:
    found = case(*USUAL[:5], fact("rated", "2026-03-10", 6, stars=stars))
    assert (found.needs_follow_up, next_actors(found)) == (follows, (DECIDING,) if follows else ())


@pytest.mark.parametrize(
    ("mode", "count", "actors"),
    [
        (ONLINE, 1, (HANDLING,)),
        (ONLINE, 2, (DECIDING,)),
        (COLLECT, 2, (HANDLING,)),
        (ONLINE, 3, (DECIDING,)),
        (JOINT, 3, (HANDLING, DECIDING)),
        (COLLECT, 4, (HANDLING,)),
        (ONLINE, 4, (DECIDING,)),
        (ONLINE, 5, ()),
    ],
)
def test_who_acts_next_follows_from_state_and_mode(mode: int, count: int, actors: tuple[str, ...]) -> None:
    assert next_actors(case(submitted(mode=mode), *USUAL[1:count])) == actors


def test_a_collected_case_waits_for_the_deciding_side_once_it_is_forwarded() -> None:
    found = case(submitted(mode=COLLECT), USUAL[1], fact("forwarded", "2026-03-03 10:00", 3))
    assert (found.state, next_actors(found), found.deciding_province) == ("RECEIVED", (DECIDING,), "50")
    assert next_actors(case(*USUAL[:2], fact("supplement_requested", "2026-03-04", 3))) == (APPLICANT,)


def test_every_state_says_what_may_come_next() -> None:
    assert set(ALLOWED_NEXT) == {*STATES.values(), NO_RESPONSE}
    reported = {name for name in KINDS if name.startswith("case_")}
    assert {kind for kinds in ALLOWED_NEXT.values() for kind in kinds} == reported - {"case_submitted"}


# The clock


@pytest.mark.parametrize(
    ("accepted", "days", "due"),
    [
        ("2026-03-04", 0, "2026-03-04"),
        ("2026-03-04", 1, "2026-03-05"),
        ("2026-03-06", 1, "2026-03-09"),
        # 2026-02-15 to 02-23 are holidays, Saturdays 02-14 and 02-28 are worked in return.
        ("2026-02-12", 5, "2026-02-26"),
        ("2026-09-30", 1, "2026-10-08"),
    ],
)
def test_a_case_is_due_by_working_days(accepted: str, days: int, due: str) -> None:
    found = clock((submitted(accepted), fact("accepted", f"{accepted} 10:00", 2, promised_working_days=days)), accepted)
    assert (found.due_on, found.is_provisional) == (date.fromisoformat(due), False)


def test_a_date_in_a_year_without_published_holidays_is_provisional_until_they_are() -> None:
    facts = (submitted("2026-12-28"), fact("accepted", "2026-12-28 10:00", 2, promised_working_days=5))
    found = clock(facts, "2026-12-29")
    assert (found.due_on, found.is_provisional) == (date(2027, 1, 4), True)
    published = WorkingDays({**WORKING.exceptions, date(2027, 1, 1): False}, WORKING.years | {2027})
    found = clock(facts, "2026-12-29", published)
    assert (found.due_on, found.is_provisional) == (date(2027, 1, 5), False)


def test_days_on_which_the_clock_was_paused_do_not_count() -> None:
    begun = (submitted("2026-03-02"), fact("accepted", "2026-03-03", 2, promised_working_days=3))
    paused = fact("clock_paused", "2026-03-04", 3, reason_code="HEARING")
    resumed = fact("clock_resumed", "2026-03-10", 4)
    # 04, 05, 06 and 09 do not count; 10, 11 and 12 do.
    found = clock((*begun, paused, resumed), "2026-03-11")
    assert (found.due_on, found.paused_days, found.is_paused) == (date(2026, 3, 12), 4, False)
    # Until the clock goes on, each further day moves the date.
    waiting = [clock((*begun, paused), day) for day in ("2026-03-05", "2026-03-06")]
    assert [(one.due_on, one.is_paused, one.is_overdue) for one in waiting] == [
        (date(2026, 3, 10), True, False),
        (date(2026, 3, 11), True, False),
    ]


def test_a_receipt_that_nobody_answered_within_five_working_days_counts_as_the_acceptance() -> None:
    facts = (submitted("2026-03-02", promised_working_days=10), fact("received", "2026-03-03", 2))
    assert clock(facts, "2026-03-10").started_on is None
    found = clock(facts, "2026-03-11")
    assert (found.started_on, found.is_deemed, found.due_on) == (date(2026, 3, 3), True, date(2026, 3, 17))
    answered = (*facts, fact("supplement_requested", "2026-03-10", 3))
    assert clock(answered, "2026-03-20").started_on is None


def test_an_acceptance_that_came_too_late_does_not_start_the_clock_anew() -> None:
    facts = (submitted("2026-03-02", promised_working_days=10), fact("received", "2026-03-03", 2), fact("accepted", "2026-03-12", 3))
    found = clock(facts, "2026-03-13")
    assert (found.started_on, found.is_deemed) == (date(2026, 3, 3), True)


def test_receipt_is_not_acceptance() -> None:
    facts = (submitted("2026-03-02", promised_working_days=2), fact("received", "2026-03-02 10:00", 2), fact("accepted", "2026-03-05", 3))
    found = clock(facts, "2026-03-05")
    assert (found.started_on, found.due_on) == (date(2026, 3, 5), date(2026, 3, 9))


@pytest.mark.parametrize(("on", "overdue"), [("2026-03-11", False), ("2026-03-12", True)])
def test_a_case_is_overdue_the_day_after(on: str, overdue: bool) -> None:
    assert clock(USUAL[:3], on).is_overdue == overdue


def test_a_decision_in_time_is_never_overdue_and_a_late_one_stays_so() -> None:
    assert not clock(USUAL, "2026-12-01").is_overdue
    assert clock((*USUAL[:3], fact("decided", "2026-03-12", 4, granted=True)), "2026-03-12").is_overdue
    assert not clock((*USUAL[:3], fact("withdrawn", "2026-03-05", 4)), "2026-12-01").is_overdue


def test_the_last_promise_counts() -> None:
    facts = (submitted("2026-03-02", promised_working_days=9), fact("accepted", "2026-03-03", 2))
    assert clock(facts, "2026-03-03").promised_working_days == 9
    again = (*facts[:1], fact("accepted", "2026-03-03", 2, promised_working_days=3))
    assert clock(again, "2026-03-03").promised_working_days == 3


@given(
    st.lists(st.sampled_from([*USUAL[:3], fact("clock_paused", "2026-03-05", 7, reason_code="HEARING")]), min_size=1),
    st.dates(date(2026, 3, 1), date(2026, 12, 1)),
)
def test_no_case_is_due_before_the_day_that_its_reports_alone_give(facts: list[CaseFact], on: date) -> None:
    found = fold(facts, CATALOGUE)
    due_on, earliest = clock_of(found, WORKING, on).due_on, due_from(found)
    assert due_on is None or (earliest is not None and epoch_day_of(due_on) >= earliest)


@given(st.dates(date(2020, 1, 1), date(2026, 12, 1)), st.integers(0, 60))
def test_a_due_date_has_the_promised_working_days_before_it(accepted: date, days: int) -> None:
    facts = (submitted(accepted.isoformat()), fact("accepted", f"{accepted} 10:00", 2, promised_working_days=days))
    found = clock(facts, accepted.isoformat())
    assert found.due_on is not None
    between = [date.fromordinal(day) for day in range(accepted.toordinal() + 1, found.due_on.toordinal() + 1)]
    assert sum(map(WORKING.is_working, between)) == days
    assert days == 0 or WORKING.is_working(found.due_on)
