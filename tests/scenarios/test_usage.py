"""How uses are counted: the same counts in whatever order a fact, its repeats, corrections, reversals and partners are reported."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.scenarios.pure import Pure
from hub.scenarios.running import compare
from hub.scenarios.scenario import Scenario
from tests.scenarios.test_scenarios import SCENARIOS

COUNTING = [scenario for scenario in SCENARIOS if scenario.is_counting]


def counting(scenario: Scenario) -> Scenario:
    """The scenario with nothing asked but counts as known in the end: which of two tellings is the repeat does depend on the order."""
    return replace(scenario, when=tuple(ask for ask in scenario.when if ask.kind == "usage" and ask.known_us is None))


@pytest.mark.parametrize("scenario", [counting(scenario) for scenario in COUNTING], ids=lambda scenario: scenario.id)
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_counts_do_not_depend_on_the_order_of_telling(scenario: Scenario, data: st.DataObject) -> None:
    told = replace(scenario, given=tuple(data.draw(st.permutations(scenario.given))))
    assert compare(told, Pure().tell(told)) == []
