"""Rules of unusual use: their file, places, and where a rule's bound lies; a finding from its rise to its decision."""

from datetime import date

import pytest
from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.domain import reference
from hub.domain.instants import MINUTE_US
from hub.domain.unusual_use.errors import FindingRuleParameter
from hub.domain.unusual_use.finding import CLEARED_FOR, CONFIRMED_FOR, code_of, match_no
from hub.domain.unusual_use.patterns import found_by
from hub.domain.unusual_use.places import apart_km, places
from hub.domain.unusual_use.rule_book import changed, first_version, floods, rule_named, rules
from hub.domain.unusual_use.steps import Step
from hub.words.findings import REASONS

AT_US = 1_756_690_215_000_000
TRAVEL = first_version(rule_named("IMPOSSIBLE_TRAVEL"))


def tap(position: int, minutes: int, region: str) -> Step:
    return Step(position, AT_US + minutes * MINUTE_US, "transit_exit_recorded", "50", region, acceptance.MEDIUM_CONTACTLESS, "", "", 0)


@pytest.mark.parametrize(("minutes", "is_found"), [(0, True), (31, True), (34, False)])
def test_chengdu_after_chongqing_is_impossible_within_half_an_hour_with_clocks_ten_minutes_off(minutes: int, is_found: bool) -> None:
    found = found_by(TRAVEL, [tap(1, 0, "500103"), tap(2, minutes, "510104")])
    assert [one.positions for one in found] == ([(1, 2)] if is_found else [])


def test_a_region_in_no_known_place_is_in_no_impossible_journey() -> None:
    assert apart_km("500103", "440100") is None and apart_km("500103", "500103") == 0
    assert not found_by(TRAVEL, [tap(1, 0, "500103"), tap(2, 1, "440100")])


def test_each_place_is_of_a_region_of_the_tables_and_a_county_without_one_is_in_its_prefecture() -> None:
    # Two districts became one new area in 2025: uses before that name them.
    tables, day = reference.load(), date(2026, 1, 1)
    known = {code: tables.region(code if len(code) == 6 else f"{code}00", day) for code in places()}
    assert [code for code, region in known.items() if region is None and code not in {"500105", "500112"}] == []
    assert apart_km("510199", "510104") == 0


def test_each_parameter_is_within_its_bounds_and_named_in_both_languages() -> None:
    for rule in rules().values():
        for one in rule.parameters.values():
            assert one.least <= one.value <= one.most and one.zh and one.en
        assert found_by(first_version(rule), []) == []


def test_a_value_out_of_bounds_or_of_no_parameter_is_refused() -> None:
    for values in ({"speed_kmh": 99}, {"speed_kmh": 1_201}, {"speed": 300}):
        with pytest.raises(FindingRuleParameter):
            changed(TRAVEL, values)
    assert changed(TRAVEL, {"speed_kmh": 300}).number == 2 and changed(TRAVEL, {}).digest != TRAVEL.digest


def test_one_finding_never_floods_and_more_than_one_in_ten_thousand_uses_do() -> None:
    assert [floods(*one) for one in ((1, 5), (2, 5), (2, 20_000), (3, 20_000))] == [False, True, False, True]


def test_a_code_follows_from_rule_subject_and_day_and_gives_no_key_away() -> None:
    code = code_of("PIN_BURST", bytes(32), "2025-09-01")
    assert code == code_of("PIN_BURST", bytes(32), "2025-09-01") != code_of("PIN_BURST", bytes(31) + b"1", "2025-09-01")
    assert match_no(bytes(32)) not in code and len(match_no(bytes(32))) == 12


def test_each_reason_has_words() -> None:
    assert {*CONFIRMED_FOR, *CLEARED_FOR} == set(REASONS)
