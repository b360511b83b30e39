"""Every parameter of policy.csv has a reader: the code that a change of its value reaches."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import hub
from hub.domain.card_policy import PARAMETERS
from hub.domain.reference import load

# Parameters of the fold are in card_policy.PARAMETERS; these are read where a question is answered.
READERS = {
    "businessDayCut": "domain/usage.py",
    "consentedServices": "domain/rules/any_use.py",
    "elderTransitAgeYears": "domain/rules/transit.py",
    "elderTransitQuotaPeriod": "domain/concessions.py",
    "elderTransitQuotaUnits": "domain/concessions.py",
    "elderTransitRebindGraceHours": "domain/concessions.py",
    "leapDayBirthday": "domain/rule_input.py",
    "medicalPinFromFen": "domain/rules/medical.py",
    "metroMaxDwellMinutes": "domain/rules/transit.py",
    "socialFunctionSurvivesExpiry": "domain/rules/any_use.py",
    "tempCardCrossRegion": "domain/rules/any_use.py",
    "transferCountsFrom": "domain/transit/transfers.py",
    "transferWindowMinutes": "domain/transit/transfers.py",
}
# What no code reads yet, and why the row stays.
WAITING = {
    "elderTransitTopUpUnits": "a city reports what it tops up; the row is what it publishes",
}


def names() -> set[str]:
    tables = load()
    return {parameter for parameter, _ in (*tables.policies, *tables.regional_policies)}


def test_every_parameter_is_read_or_waits_for_a_stated_reason() -> None:
    assert names() == {*PARAMETERS.values(), *READERS, *WAITING}


@pytest.mark.parametrize(("parameter", "module"), READERS.items())
def test_a_parameter_is_read_where_it_is_said_to_be(parameter: str, module: str) -> None:
    assert f'"{parameter}"' in (Path(hub.__file__).parent / module).read_text(encoding="utf-8")


def test_a_region_has_its_own_row_before_its_provinces() -> None:
    tables, day = load(), date(2025, 9, 1)
    [whole] = tables.policies["tempLossDays", "51"]
    city = replace(whole, regions=("5101",), value="5")
    changed = replace(tables, regional_policies={("tempLossDays", "51"): ((city,),)})
    found = [changed.policy("tempLossDays", place, day) for place in ("510100", "510300", "51", "500103")]
    assert [row and row.value for row in found] == ["5", "7", "7", "7"]


def test_a_row_of_a_region_counts_under_the_code_it_has_after_a_split() -> None:
    tables = load()
    [whole] = tables.policies["tempLossDays", "50"]
    changed = replace(tables, regional_policies={("tempLossDays", "50"): ((replace(whole, regions=("500112",), value="5"),),)})
    found = [changed.policy("tempLossDays", place, date(2026, 1, 1)) for place in ("500157", "500109", "500103")]
    assert [row and row.value for row in found] == ["5", "5", "7"]
