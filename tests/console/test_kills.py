"""Consoles that are killed between the look and the page, a few of the thousand of `hub bench console`."""

import json

import pytest

from hub.child import Child, python
from tests.console.conftest import Scene
from tests.hub_process import environment

KILLS, WITHIN_S = 12, 120.0


@pytest.mark.slow
def test_a_console_that_is_killed_shows_no_page_whose_look_is_not_recorded(scene: Scene) -> None:
    command = python("hub.bench.console_kills", scene.hub.dsn, str(scene.hub.data_dir), str(scene.refused), str(KILLS))
    with Child(command, environment(scene.hub.dsn, scene.hub.data_dir)) as child:
        found = json.loads(child.first_line(WITHIN_S))
    assert found["unrecorded"] == 0 and found["before_look"] + found["after_look"] + found["shown"] == KILLS
