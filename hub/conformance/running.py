"""Runs a hub of its own behind the recording front and puts a client through trials there."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hub.conformance.clients import Client
from hub.conformance.kit import PATIENCE_S, Kit, Verdict, grounded
from hub.conformance.trials import Trial
from hub.postgres.server import discard, running
from hub.sandbox.running import alone_on
from hub.sandbox.world import World, world


def _nothing(_: World) -> None:
    """The kit itself records what its trials need."""


@contextlib.contextmanager
def prepared(data_dir: Path, run: int = 1) -> Iterator[Kit]:
    """Gives a kit on a new hub, which is thrown away afterwards; what trials wrote stays below *data_dir*. Raises SandboxRuns."""
    with alone_on(data_dir):
        discard(data_dir)
        shutil.rmtree(data_dir, ignore_errors=True)
        data_dir.mkdir(parents=True)
        try:
            with (
                running(data_dir, discards=True) as owner,
                world(owner, data_dir, _nothing) as hub,
                grounded(data_dir / "certificates", hub.edges[0], hub.dsn, data_dir) as ground,
                contextlib.closing(Kit(ground, data_dir / "trials", run)) as kit,
            ):
                kit.prepare()
                yield kit
        finally:
            discard(data_dir)


def judge_all(kit: Kit, trials: Sequence[Trial], client: Client, judged: Callable[[Verdict], None]) -> list[Verdict]:
    """Judges a client in each trial; *judged* hears of each as it comes. On a machine that is busy with other things it has more time."""
    verdicts = []
    for trial in trials:
        crowded = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        verdicts.append(kit.judge(trial, client, crowded * PATIENCE_S))
        judged(verdicts[-1])
    return verdicts
