"""Scenario files that are carried out step by step: what findings and reconciliation share."""

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from chuanyu.exchange.v1 import event_pb2

from hub.domain.errors import HubError
from tests.recording import Recording


def read_steps(directory: Path, name: str) -> dict[str, Any]:
    """Returns a scenario file."""
    return tomllib.loads((directory / f"{name}.toml").read_text(encoding="utf-8"))


class Steps:
    """One scenario on its own database; each kind of step is a method of that name."""

    def __init__(self, journal: Recording, kinds: Iterable[str]) -> None:
        self.journal = journal
        self.told: dict[str, tuple[str, int, event_pb2.Event]] = {}
        self.steps: dict[str, Callable[[dict[str, Any]], None]] = {kind: getattr(self, kind) for kind in kinds}

    def run(self, steps: list[dict[str, Any]]) -> None:
        """Carries the steps out; a step with *refused* is refused with that error."""
        for number, step in enumerate(steps, 1):
            (kind,) = self.steps.keys() & step.keys()
            refused = ""
            try:
                self.steps[kind](step)
            except HubError as error:
                refused = type(error).__name__
            assert refused == step.get("refused", ""), f"step {number} ({kind})"

    def append(self, name: str, event: event_pb2.Event, feed: str = "cq.usage") -> None:
        """Records an event and remembers it by its name in the file."""
        if name not in self.told:
            self.told[name] = feed, self.journal.next_sequence(feed), event
        self.journal.append(event, feed=feed)
