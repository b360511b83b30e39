"""The client kit of the adapters passes every trial."""

import pytest

from adapters.conformance.client import ConformanceClient
from hub.conformance.trials import all_trials
from tests.conformance.conftest import Judge


@pytest.mark.parametrize("name", [trial.id for trial in all_trials()])
def test_the_kit_of_the_adapters_passes(judge: Judge, name: str) -> None:
    verdict = judge(name, ConformanceClient)
    assert verdict.problems == [], verdict.lines
