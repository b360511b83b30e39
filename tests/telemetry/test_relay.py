"""What a child counts is added to its parent's numbers, once."""

from collections.abc import Iterator

import pytest

from hub.telemetry import instruments, relay
from hub.telemetry.instruments import Buckets, Counter, Gauge, Histogram


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Counter, Histogram]]:
    """A counter and a histogram that are the only instruments of the process, beside a gauge."""
    monkeypatch.setattr(instruments, "INSTRUMENTS", [])
    Gauge(name="test.gauge", unit="1", description="").set(3.0)
    yield (
        Counter(name="test.counter", unit="1", description="", labels=("kind",)),
        Histogram(name="test.histogram", unit="s", description="", bounds=(1.0, 2.0)),
    )


def test_what_was_counted_is_said_once_and_what_was_not_is_not_said(mine: tuple[Counter, Histogram]) -> None:
    counter, _ = mine
    counted = relay.Counted()
    counter.add("a", count=2)
    said = [counted.since(), counted.since()]
    counter.add("a")
    assert [*said, counted.since()] == ['[["test.counter", ["a"], [2]]]', "", '[["test.counter", ["a"], [1]]]']


def test_what_a_child_says_is_added_to_what_is_there(mine: tuple[Counter, Histogram]) -> None:
    counter, histogram = mine
    counter.add("a")
    histogram.record(0.5)
    line = relay.Counted().since()
    relay.add(line)
    relay.add(line)
    assert (counter.values, histogram.values) == ({("a",): 3}, {(): Buckets([3, 0, 0], 1.5)})
