"""The tools of a data directory find the edge that runs on it, whatever its port; a file that a killed one left is not believed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.api.edge.listeners import Listener, edge_of, listeners, listening
from hub.cli import app
from hub.config import Config
from tests.hub_process import RunningHub

ONE, OTHER = Listener("127.0.0.1:39991", "127.0.0.1:39992"), Listener("[::1]:39993", "")


@pytest.fixture
def beside(shared_hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> RunningHub:
    """The settings of somebody on the hub's machine who knows its data directory alone."""
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(shared_hub.data_dir))
    monkeypatch.setenv("HUB_METRICS_LISTEN", "")
    monkeypatch.delenv("HUB_LISTEN", raising=False)
    return shared_hub


def examined(name: str, *arguments: str) -> dict[str, str]:
    result = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    return next(one for one in json.loads(result.stdout)["examinations"] if one["name"] == name)


def test_doctor_finds_the_running_hub_of_its_data_directory(beside: RunningHub) -> None:
    found = examined("listen_port")
    assert (found["level"], found["text"]) == ("ok", f"{beside.targets[0]} 就绪 ready")


def test_doctor_looks_at_the_hub_it_is_pointed_to(beside: RunningHub) -> None:
    found = examined("listen_port", "--target", beside.targets[0])
    assert (found["level"], found["text"]) == ("ok", f"{beside.targets[0]} 就绪 ready")
    assert examined("listen_port", "--target", "127.0.0.1:9")["level"] == "fault"


def test_status_asks_the_running_hub_of_its_data_directory(beside: RunningHub) -> None:
    said = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
    assert (said["ready"], said["hub"]["target"]) == (True, beside.targets[0])


def test_an_edge_is_found_as_long_as_it_listens(tmp_path: Path) -> None:
    assert listeners(tmp_path) == []
    with listening(tmp_path, ONE), listening(tmp_path, OTHER):
        assert listeners(tmp_path) == [ONE, OTHER]
    assert sorted(path.name for path in (tmp_path / "listeners").iterdir()) == [ONE.listen, OTHER.listen]
    assert listeners(tmp_path) == []


def test_two_with_one_address_are_one(tmp_path: Path) -> None:
    with listening(tmp_path, ONE):
        with listening(tmp_path, ONE):
            assert listeners(tmp_path) == [ONE]
        assert listeners(tmp_path) == [ONE]


def test_an_address_that_is_set_is_asked_though_another_edge_listens(tmp_path: Path) -> None:
    with listening(tmp_path, ONE):
        assert edge_of(Config(data_dir=tmp_path, listen="127.0.0.1:39999")).listen == "127.0.0.1:39999"
        assert edge_of(Config(data_dir=tmp_path)) == ONE
