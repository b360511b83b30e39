"""A client in another language, made from the .proto files alone, over mutual TLS: what they promise to anyone."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hub.commands.protos import write_archive
from tests.clients import add_feed, recorded_at
from tests.hub_process import CHONGQING, RunningHub

HERE = Path(__file__).parents[1] / "node"
MODULES = HERE / "node_modules"


def program(name: str) -> str:
    """The path of a program that this test cannot do without."""
    found = shutil.which(name)
    assert found, f"{name} is missing, the Node client needs it: run `make system-deps` as root, or install Node.js 20"
    return found


def is_installed() -> bool:
    """Whether the cache holds the versions that package.json pins."""
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]
    manifests = {name: MODULES / name / "package.json" for name in pinned}
    return all(manifest.exists() and json.loads(manifest.read_text())["version"] == pinned[name] for name, manifest in manifests.items())


@pytest.fixture(scope="module")
def modules() -> None:
    """The packages of package.json in a directory git ignores; installed once."""
    npm = program("npm")
    if not is_installed():
        command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        done = subprocess.run(command, check=False, cwd=HERE, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, f"npm install failed:\n{done.stderr[-2000:]}"


@pytest.fixture(scope="module")
def told(shared_hub: RunningHub, modules: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the Node client was answered."""
    feed = add_feed(shared_hub, CHONGQING, "cq.node")
    shared_hub.certificate(CHONGQING)
    contract = tmp_path_factory.mktemp("contract")
    write_archive(contract / "protos.zip")
    with zipfile.ZipFile(contract / "protos.zip") as archive:
        archive.extractall(contract)
    command = [
        program("node"), "client.mjs", shared_hub.targets[0], str(shared_hub.certificates_dir), "cq.card-center", feed,
        str(contract)]  # fmt: skip
    done = subprocess.run(command, check=False, cwd=HERE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_an_empty_feed_expects_number_one(told: dict[str, Any]) -> None:
    assert (told["before"]["feed"], told["before"]["next_sequence"]) == ("cq.node", 1)


def test_events_are_recorded(told: dict[str, Any]) -> None:
    assert told["appended"]["outcomes"] == ["EVENT_OUTCOME_RECORDED", "EVENT_OUTCOME_RECORDED"]
    assert told["appended"]["quarantined"] == []


def test_what_is_recorded_is_what_was_sent(told: dict[str, Any], shared_hub: RunningHub) -> None:
    event = recorded_at(shared_hub.dsn, told["appended"]["positions"][1]).event
    assert (event.scenario, event.transit_journey_completed.fare_paid_fen) == ("TRA.MET", 360)


def test_an_identical_resend_is_success_with_the_old_positions(told: dict[str, Any]) -> None:
    assert told["resent"]["outcomes"] == ["EVENT_OUTCOME_DUPLICATE", "EVENT_OUTCOME_DUPLICATE"]
    assert told["resent"]["positions"] == told["appended"]["positions"]


def test_a_gap_is_refused_with_its_details(told: dict[str, Any]) -> None:
    assert told["gap"] == {"code": "FAILED_PRECONDITION", "details": 1}


def test_a_stream_answers_in_order_and_stays_open_after_a_refusal(told: dict[str, Any]) -> None:
    assert told["streamed"] == [
        {"first_sequence": 3, "result": "appended"},
        {"first_sequence": 9, "result": "refused"},
        {"first_sequence": 4, "result": "appended"},
    ]


def test_the_card_is_accepted(told: dict[str, Any]) -> None:
    assert (told["checked"]["request_id"], told["checked"]["outcome"]) == ("node-1", "ACCEPTANCE_OUTCOME_ACCEPT")


def test_the_answer_has_its_receipt_in_the_journal(told: dict[str, Any], shared_hub: RunningHub) -> None:
    decision = recorded_at(shared_hub.dsn, told["checked"]["position"]).event.decision_made
    assert (decision.request_id, decision.participant) == ("node-1", CHONGQING)


def test_the_issuer_sees_the_lives(told: dict[str, Any]) -> None:
    assert told["lives"]["social_status"] == "SOCIAL_STATUS_ACTIVE"
