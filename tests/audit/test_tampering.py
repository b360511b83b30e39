"""Each kind of tampering, done as a superuser to what a real hub recorded, is found by its own name; what nobody touched is clean."""

from collections.abc import Iterator

import pytest

from hub.bench.tampering.campaign import ALL, attempt, untouched
from hub.bench.tampering.history import Hub, recorded
from hub.bench.tampering.kinds import Kind
from hub.config import Config

SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def sealed_hub(server_dsn: str) -> Iterator[Hub]:
    """What a hub recorded."""
    with recorded(Config(dsn=server_dsn), cards=20, uses=120) as hub:
        yield hub


def test_what_nobody_touched_is_clean(sealed_hub: Hub) -> None:
    assert untouched(sealed_hub).codes == {}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.attack.__name__)
def test_it_is_found_by_its_name(sealed_hub: Hub, kind: Kind) -> None:
    found = {seed: attempt(sealed_hub, kind, seed).codes for seed in SEEDS}
    assert [seed for seed, codes in found.items() if kind.code not in codes] == [], found
