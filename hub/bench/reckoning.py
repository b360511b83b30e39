"""Compares what the provinces were answered with what the adapters numbered and what the journal has, event by event.

An event is *lost* if a province was answered that it was taken, or an adapter numbered it, and the journal does not have it; *doubled* if
the journal has more of a message than it said, or numbers that no adapter gave; *reordered* if it is under another number than its
adapter gave it, or behind a message of the same card that was answered later.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from hub.journal.reader import Recorded, head_position, read_page

PAGE_POSITIONS = 20_000


@dataclass(slots=True)
class Reckoning:
    """What was answered and recorded, in events, and what does not agree."""

    told: int = 0
    recorded: int = 0
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    # Taken before anyone could be answered, such as in the last moment of the run; no fault.
    untold: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, what: str, count: int, where: str) -> None:
        """Adds what does not agree, and keeps the first few places."""
        setattr(self, what, getattr(self, what) + count)
        if count and what != "untold" and len(self.examples) < 20:
            self.examples.append(f"{what} {count}: {where}")


def reckon(dsn: str, told_file: Path, outboxes: Mapping[str, Path]) -> Reckoning:
    """Compares everything; *outboxes* are the adapters' by feed."""
    found = Reckoning()
    told = [json.loads(line) for line in told_file.read_text(encoding="utf-8").splitlines()]
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT stream_id, name FROM journal.stream WHERE name = ANY (%s)", (list(outboxes),)).fetchall()
        streams = {int(stream_id): str(name) for stream_id, name in rows}
        journal: dict[str, dict[int, str]] = {feed: {} for feed in outboxes}
        last_position: Counter[str] = Counter()
        for event in _events(connection):
            if (feed := streams.get(event.stream_id)) is None:
                continue
            found.recorded += 1
            source = event.event.source
            # A quarantined event has no source.
            journal[feed][event.sequence] = source.message_id or source.file_name
            if event.sequence != last_position[feed] + 1:
                found.note("reordered", 1, f"{feed} {event.sequence} at position {event.position}")
            last_position[feed] = event.sequence
    for feed, outbox in outboxes.items():
        numbered = _numbered(outbox, feed)
        _compare_numbers(found, feed, numbered, journal[feed])
        _compare_answers(found, feed, [line for line in told if line["feed"] == feed], numbered, journal[feed])
    return found


def _events(connection: psycopg.Connection) -> Iterator[Recorded]:
    head = head_position(connection)
    for after in range(0, head, PAGE_POSITIONS):
        yield from read_page(connection, after, min(after + PAGE_POSITIONS, head))


def _numbered(outbox: Path, feed: str) -> dict[str, int]:
    """Returns the number that an adapter gave to each source key."""
    with sqlite3.connect(f"file:{outbox}?mode=ro", uri=True) as connection:
        return dict(connection.execute("SELECT source_key, sequence FROM source WHERE feed = ?", (feed,)))


def _message_of(source_key: str) -> str:
    """Returns the part of a source key that all events of a message share, as the simulator notes it; empty for lines of files."""
    separator = next((mark for mark in "|#" if mark in source_key), "")
    return source_key.rpartition(separator)[0] + separator if separator else ""


def _compare_numbers(found: Reckoning, feed: str, numbered: Mapping[str, int], journal: Mapping[int, str]) -> None:
    given = set(numbered.values())
    found.note("lost", len(given - journal.keys()), f"{feed}: numbers that the journal lacks")
    found.note("doubled", len(journal.keys() - given), f"{feed}: numbers that nobody gave")
    for key, sequence in numbered.items():
        message = journal.get(sequence, "")
        # Keys of lines of files are fingerprints; those of calls and messages have their number in them.
        if message and _message_of(key) and message not in key:
            found.note("reordered", 1, f"{feed} {sequence} is another message's")


def _compare_answers(
    found: Reckoning, feed: str, told: list[dict[str, Any]], numbered: Mapping[str, int], journal: Mapping[int, str]
) -> None:
    """Compares each message's events with what was promised for it; files have no key, and their lines are counted together."""
    sequences: dict[str, list[int]] = defaultdict(list)
    for key, sequence in numbered.items():
        if sequence in journal:
            sequences[_message_of(key)].append(sequence)
    promised: Counter[str] = Counter()
    for line in told:
        if line["taken"]:
            promised[line.get("key", "")] += line["events"]
        else:
            promised.setdefault(line["key"], 0)
    found.told += promised.total()
    for key, count in promised.items():
        there = len(sequences.get(key, ()))
        found.note("lost", max(0, count - there), f"{feed} {key}: told {count}, recorded {there}")
        found.note("doubled", max(0, there - count), f"{feed} {key}: told {count}, recorded {there}")
    found.note("untold", sum(len(there) for key, there in sequences.items() if key not in promised), feed)
    _compare_order(found, feed, told, sequences)


def _compare_order(found: Reckoning, feed: str, told: list[dict[str, Any]], sequences: Mapping[str, list[int]]) -> None:
    latest: dict[str, int] = {}
    seen = set()
    for line in told:
        key = line.get("key", "")
        if not line["taken"] or not line["events"] or key in seen or not sequences.get(key) or not line.get("lane"):
            continue
        seen.add(key)
        if min(sequences[key]) < latest.get(line["lane"], 0):
            found.note("reordered", 1, f"{feed} {key} stands before what was answered earlier")
        latest[line["lane"]] = max(sequences[key])
