"""Histories by chance: one of each kind in every run, the others in `make test-slow`."""

import pytest


def seeds(count: int) -> pytest.MarkDecorator:
    """Parametrises a test with so many seeds, of which all but the first are run by `make test-slow` alone."""
    return pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, count))])
