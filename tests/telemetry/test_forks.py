"""A fork makes ids of its own and says which process it is, whatever the process that it is a fork of has imported."""

import json
import os
from collections.abc import Callable

from hub.telemetry import logs, span_export
from hub.telemetry.spans import Call

LINE = logs.AccessLine(0, "card-center", "A/B", "OK", "", 0.0, 0, 0, 0, "")


def in_a_fork(said: Callable[[], str]) -> tuple[int, str]:
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        os.write(writing, said().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    return pid, told


def test_two_forks_of_one_process_make_ids_that_differ() -> None:
    for made in (lambda: Call("A/B").span_id, lambda: str(span_export._random.getrandbits(64))):
        assert len({in_a_fork(made)[1] for _ in range(2)} - {""}) == 2


def test_a_line_of_a_fork_has_its_own_number() -> None:
    pid, said = in_a_fork(lambda: logs._access_json(LINE))
    assert json.loads(said)["pid"] == pid
