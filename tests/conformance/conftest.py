"""A hub behind the recording front, the kit that judges, and clients in threads of their own."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest

from adapters.conformance.client import ConformanceClient
from hub.conformance.kit import Kit, Verdict, grounded
from hub.conformance.trials import all_trials
from tests.hub_process import RunningHub

Judge = Callable[[str, type[ConformanceClient], float], Verdict]


class Threaded:
    """A client in a thread: what a process of its own would do, without its start."""

    def __init__(self, kind: type[ConformanceClient]) -> None:
        self._kind = kind

    def start(self, environment: Mapping[str, str]) -> "AtWork":
        return AtWork(self._kind, environment)


class AtWork:
    """One that has been started."""

    def __init__(self, kind: type[ConformanceClient], environment: Mapping[str, str]) -> None:
        self._code: int | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(kind, environment), daemon=True)
        self._thread.start()

    def _run(self, kind: type[ConformanceClient], environment: Mapping[str, str]) -> None:
        async def work() -> None:
            await kind(environment).run()

        try:
            self._task = self._loop.create_task(work())
            self._loop.run_until_complete(self._task)
            self._code = 0
        except asyncio.CancelledError:
            self._code = None
        except Exception:
            self._code = 1

    def poll(self) -> int | None:
        return self._code

    def kill(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(10)


@pytest.fixture(scope="module")
def kit(shared_hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with grounded(shared_hub.certificates_dir, shared_hub.targets[0], shared_hub.dsn, shared_hub.data_dir) as ground:
        made = Kit(ground, tmp_path_factory.mktemp("conformance"))
        made.prepare()
        yield made
        made.close()


@pytest.fixture(scope="module")
def judge(kit: Kit) -> Judge:
    """Judges a client in a trial."""
    trials = {trial.id: trial for trial in all_trials()}

    def judged(name: str, kind: type[ConformanceClient], patience_s: float) -> Verdict:
        return kit.judge(trials[name], Threaded(kind), patience_s)

    return judged
