"""A failover on a real cluster of three: PostgreSQL, Patroni and etcd, with the configuration that is shipped."""

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.bench.failover.machines import CONFIGURATION, Machines, PartMissing
from hub.bench.failover.measure import AIM_S, DECK, Round, measure, plan

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """The primary's PostgreSQL is killed under the traffic of both provinces."""
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed: it is in Debian's package etcd-server, which `make system-deps` brings")
    return measure(random.randrange(1_000_000), [Round("postgres", 0.5)], 250, print, events=3_000)


@pytest.mark.slow
def test_nothing_that_was_acknowledged_is_lost_doubled_or_reordered(result: dict[str, Any]) -> None:
    assert (result["lost"], result["doubled"], result["reordered"], result["examples"]) == (0, 0, 0, []), f"seed {result['seed']}"
    assert result["told"] > 1_000
    assert result["recorded"] == result["told"] + result["untold"]


@pytest.mark.slow
def test_another_takes_over_and_hub_and_adapters_go_on_by_themselves(result: dict[str, Any]) -> None:
    assert (result["rounds"], result["faults"], result["pending"]) == (1, [], 0), f"seed {result['seed']}"
    assert result["first_acknowledgement_s"]["postgres"]["longest"] <= AIM_S


@pytest.mark.slow
def test_the_hub_is_sound_on_the_machine_that_took_over(result: dict[str, Any]) -> None:
    assert (result["problems"], result["views_equal"], result["sound"]) == ([], True, True), f"seed {result['seed']}"


def test_the_same_seed_gives_the_same_plan_and_each_kind_has_its_share() -> None:
    assert plan(7, 20) == plan(7, 20)
    assert plan(7, 20) != plan(8, 20)
    assert Counter(planned.kind for planned in plan(1, 20)) == {kind: count * 5 for kind, count in Counter(DECK).items()}


def test_what_is_shipped_never_leaves_a_commit_on_one_machine() -> None:
    shipped = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["bootstrap"]["dcs"]
    assert (shipped["synchronous_mode"], shipped["synchronous_mode_strict"], shipped["synchronous_node_count"]) == ("quorum", True, 1)
    assert shipped["loop_wait"] + 2 * shipped["retry_timeout"] <= shipped["ttl"]


def test_a_machine_without_etcd_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PartMissing, match="etcd-server"):
        Machines(tmp_path)
    assert list(tmp_path.iterdir()) == []
