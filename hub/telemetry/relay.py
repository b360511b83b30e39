"""What a child process counts, added to the numbers of its parent, which shows both.

The child says at intervals what it counted since the last time; gauges, which are read from the database, are the parent's alone.
"""

import json
from collections.abc import Iterator

from hub.telemetry.instruments import Counter, Histogram, Instrument, Labels, all_instruments

_Point = tuple[float, ...]


class Counted:
    """What this process counted, and how much of it was said already."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._said: dict[tuple[str, Labels], _Point] = {}

    def since(self) -> str:
        """Returns what was counted since the last time as one line, "" for nothing."""
        moved = []
        for instrument in all_instruments():
            for labels, now in _points(instrument):
                before = self._said.get((instrument.name, labels), (0,) * len(now))
                if now != before:
                    self._said[instrument.name, labels] = now
                    moved.append((instrument.name, labels, [one - other for one, other in zip(now, before, strict=True)]))
        return json.dumps(moved) if moved else ""


def _points(instrument: Instrument) -> Iterator[tuple[Labels, _Point]]:
    if isinstance(instrument, Counter):
        for labels, value in dict(instrument.values).items():
            yield labels, (value,)
    elif isinstance(instrument, Histogram):
        for labels, buckets in dict(instrument.values).items():
            yield labels, (buckets.total, *buckets.counts)


def add(line: str) -> None:
    """Adds what a line of a child says to this process's own numbers."""
    instruments = {instrument.name: instrument for instrument in all_instruments()}
    for name, labels, moved in json.loads(line):
        instrument = instruments[name]
        if isinstance(instrument, Counter):
            instrument.add(*labels, count=moved[0])
        elif isinstance(instrument, Histogram):
            instrument.add(moved[0], moved[1:], *labels)
