"""Each kind of tampering, done as a superuser to what a real hub recorded, is found by its own name; what nobody touched is clean."""

from collections.abc import Iterator

import psycopg
import pytest

from hub.audit.bundle_question import Question
from hub.bench.tampering.bundle_kinds import BUNDLES, BundleKind
from hub.bench.tampering.bundles import bundle_of, refusals, trusted
from hub.bench.tampering.campaign import ALL, attempt, attempt_bundle, untouched
from hub.bench.tampering.history import Hub, recorded
from hub.bench.tampering.kinds import Attack, Kind
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


def test_a_bundle_that_nobody_touched_is_taken_by_both(sealed_hub: Hub) -> None:
    with psycopg.connect(sealed_hub.dsn) as connection:
        attack = Attack(connection, sealed_hub, 1)
        assert refusals(bundle_of(attack, Question("range", first=10, last=60)), trusted(attack)) == ("", "")


@pytest.mark.parametrize("kind", BUNDLES, ids=lambda kind: kind.attack.__name__)
def test_a_bundle_that_was_tampered_with_is_refused_by_two_checkers_under_one_name(sealed_hub: Hub, kind: BundleKind) -> None:
    assert {attempt_bundle(sealed_hub, kind, seed) for seed in SEEDS} == {(kind.code, kind.code)}
