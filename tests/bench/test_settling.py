"""Settlement over simulated uses, a short round: statements are what PostgreSQL adds up of what was simulated, to the fen."""

import pytest

from hub.bench.settling import SCHEMES, WINDOWS, measure
from hub.config import Config


@pytest.mark.slow
def test_statements_are_the_sum_of_what_was_simulated_to_the_fen() -> None:
    found = measure(Config(dsn=""), 4_000, 7, print)
    assert (found["differences"], found["equal"], found["verified"]) == ([], True, True)
    assert (found["events"], found["statements"]) == (4_000, len(SCHEMES) * WINDOWS)
    assert found["lines"] > 0
