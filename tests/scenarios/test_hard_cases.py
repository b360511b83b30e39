"""Each hard case of the shared views has a scenario, or a test of the catalogue, whose lists none asks for; so has each golden one."""

import ast
from pathlib import Path

import pytest

from hub.scenarios.reading import read_directory

TESTS = Path(__file__).parents[1]
DIRECTORY = TESTS / "scenarios"
CATALOGUE, SEARCH = "domain/test_catalogue.py", "domain/test_item_search.py"
# What the views must get right, and the scenario files (without .toml) or tests (file::name) that show it.
HARD_CASES: dict[str, tuple[str, ...]] = {
    "items: a mode changes within a batch": (f"{CATALOGUE}::test_modes_of_batch_one_changed_from_59_to_82_full_online",),
    "items: live on one side only": (f"{CATALOGUE}::test_live_on_one_side_only_is_not_shared", "a40-item-not-shared-on-record"),
    "items: one base code, two implementing codes": (f"{CATALOGUE}::test_one_base_code_has_two_implementing_codes",),
    "items: a department is re-organised": (f"{CATALOGUE}::test_a_department_that_was_re_organised_is_that_of_the_day",),
    "items: a district was split": (f"{CATALOGUE}::test_an_item_of_a_district_that_was_split_is_handled_where_its_towns_are_now",),
    "items: an item was split": (f"{CATALOGUE}::test_a_split_item_ends_and_leads_to_its_successors",),
    "items: a material waived on one side": (
        f"{CATALOGUE}::test_a_material_that_one_side_waives_is_asked_for_where_the_other_one_decides",
    ),
    "items: search": (
        f"{SEARCH}::test_both_words_for_the_card_find_the_same_items",
        f"{SEARCH}::test_pinyin_begins_where_a_syllable_does",
        f"{SEARCH}::test_full_width_and_punctuation_make_no_difference",
    ),
    "cases: receipt is not acceptance": ("case-receipt-is-not-acceptance", "case-receipt-counts-as-acceptance"),
    "cases: days that do not count": ("case-clock-paused", "case-supplement-over-spring-festival"),
    "cases: beyond the table of holidays": ("case-due-beyond-published-holidays",),
    "cases: there and back": ("case-there-and-back", "case-transfer-over-and-back", "case-joint-waits-for-both"),
    "cases: the same number in both provinces": ("case-one-number-in-both-provinces",),
    "cases: order and arrival": (
        "case-before-its-submission",
        "case-decision-before-acceptance-arrives",
        "case-decision-dated-before-acceptance",
    ),
    "cases: packages, ratings, withdrawals": (
        "case-package-closes-with-its-last",
        "case-low-rating-reopens",
        "case-withdrawn-after-decision",
    ),
    "medical: one leg alone is refunded": ("settlement-cash-alone-given-back", "settlement-partly-reversed"),
    "medical: the reversal arrives first": ("settlement-refund-arrives-first",),
    "medical: reversed over the month's end": ("settlement-reversed-over-the-month-end",),
    "medical: filed after the admission": ("filing-after-admission",),
    "medical: entitlement in both places": ("filing-keeps-the-insured-place",),
    "medical: a filing survives a re-issue": ("filing-survives-reissue", "a11-filing-by-another-card"),
    "medical: a stay over two years": ("settlement-stay-over-two-years",),
    "medical: parts, with the hospital's and a relative's account": ("settlement-parts", "m01-settlement-off-by-a-fen"),
    "medical: pre-computed is never counted": ("settlement-never-reported",),
    "transit: a gate's clock": ("g23-gate-clock-runs-fast",),
    "transit: counters with gaps, wrapped, begun again": (
        "journey-counter-gap",
        "journey-counter-wraps",
        "journey-counter-begins-again",
        "a24-entry-counter-wraps",
    ),
    "transit: a ride by code": ("journey-without-a-counter",),
    "transit: over New Year, told days later": ("journey-over-midnight", "elder-units-of-the-old-year"),
    "transit: units of a bus with air conditioning, topped up twice, rebound": ("a22-elder-runs-out", "elder-rebound"),
    "transit: two gates within a minute": ("journey-pass-back",),
    "transit: transfers": ("journey-transfer", "journey-transfer-beyond", "journey-transfer-where-no-window-is-known"),
    "transit: clearing and disputes": ("journey-clearing-and-dispute", "journey-dispute-decided", "rejected-trips"),
    "culture: returned without a card or by another person": ("loan-returned-without-a-card", "g14-return-after-loss"),
    "culture: a return of a loan never reported": ("loan-return-for-a-loan-never-told",),
    "culture: the lending branch's rules": ("loan-renewed",),
    "culture: limits over both networks": ("loan-over-both-networks",),
    "culture: an item that was re-homed": ("loan-rehomed-item",),
    "culture: libraries at the time": ("a30-libraries-over-time",),
    "culture: a child's reader by a relative": ("reader-of-a-child-by-a-relative",),
    "culture: a party on one card": ("visit-of-a-party",),
    "groups: documents of a card": ("a09-document-on-record", "a09-document-register", "a09-document-corrected"),
    "groups: a basis, an opt-out, nobody learns the group": ("a80-group-basis-on-record", "group-service-asked-directly"),
    "records: what was right before": ("a21-balance-and-hotlist", "a71-online-replacement"),
}
GOLDEN = ("G3", "G12", "G13", "G14", "G22", "G28")


@pytest.mark.parametrize("hard_case", HARD_CASES)
def test_a_hard_case_is_shown(hard_case: str) -> None:
    for shown in HARD_CASES[hard_case]:
        file, _, name = shown.partition("::")
        if not name:
            assert (DIRECTORY / f"{file}.toml").is_file(), shown
            continue
        defined = {node.name for node in ast.parse((TESTS / file).read_text("utf-8")).body if isinstance(node, ast.FunctionDef)}
        assert name in defined, shown


def test_golden_scenarios_are_there_by_their_names() -> None:
    named = {label for scenario in read_directory(DIRECTORY) for label in scenario.source}
    assert set(GOLDEN) <= named
