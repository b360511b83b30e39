"""The fault campaign: a short one of the same code, its plan, and its reckoning, which must find what it is there to find."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.kit import Outbox
from hub.bench.disturbances import Round
from hub.bench.faults import DECK, measure, plan
from hub.bench.reckoning import Reckoning, reckon
from tests.recording import Recording, journey

FEED = "sc.usage"


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """A rolling restart of two edges, and both adapters killed: the gateway in mid-call, the other with a file in its hands."""
    rounds = [
        Round("kill", "sichuan", 2.0, 0.0),
        Round("roll", "edges", 2.0, 0.0),
        Round("kill", "chongqing", 2.0, 0.0),
        Round("kill", "database", 2.0, 0.0),
    ]
    # Two seconds of traffic before each, little enough that there is still some at the end on a busy machine.
    return measure(random.randrange(1_000_000), rounds, 100, print, events=2_500)


@pytest.mark.slow
def test_nothing_that_the_provinces_were_told_is_lost_doubled_or_reordered(result: dict[str, Any]) -> None:
    assert (result["lost"], result["doubled"], result["reordered"], result["examples"]) == (0, 0, 0, []), f"seed {result['seed']}"
    assert result["told"] > 1_000
    assert result["recorded"] == result["told"] + result["untold"]


@pytest.mark.slow
def test_every_process_goes_on_and_everything_arrives(result: dict[str, Any]) -> None:
    assert (result["rounds"], result["faults"], result["pending"]) == (4, [], 0), f"seed {result['seed']}"


@pytest.mark.slow
def test_the_hub_is_sound_after_the_campaign(result: dict[str, Any]) -> None:
    assert (result["problems"], result["views_equal"], result["sound"]) == ([], True, True), f"seed {result['seed']}"


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(7, 200) == plan(7, 200)
    assert plan(7, 200) != plan(8, 200)


def test_two_hundred_rounds_restart_the_edges_sixty_times_and_leave_no_process_out() -> None:
    kinds = Counter((planned.kind, planned.target) for planned in plan(1, 200))
    assert kinds == {kind: count * 10 for kind, count in Counter(DECK).items()}
    assert kinds["roll", "edges"] == 60
    assert {target for _, target in kinds} == {"edges", "edge-1", "edge-2", "projector", "database", "sichuan", "chongqing"}


class Books:
    """A journal, an outbox and what was answered, which agree: three messages of two events each, in one lane."""

    def __init__(self, dsn: str, directory: Path) -> None:
        self.dsn, self.told, self.outbox = dsn, directory / "told.jsonl", Outbox(directory / "outbox.sqlite")
        self.lines: list[dict[str, Any]] = []
        self.recording = Recording(dsn)
        for message in ("m1", "m2", "m3"):
            self.take(message)
            self.record(message)
            self.tell(message, 2)

    def take(self, message: str) -> None:
        self.outbox.put(FEED, [(f"CQ-HUB-0001|{message}|{number}", b"") for number in (1, 2)])

    def record(self, message: str, events: int = 2) -> None:
        event = journey()
        event.source.message_id = message
        self.recording.append(*[event] * events, feed=FEED)

    def tell(self, message: str, events: int, *, taken: bool = True) -> None:
        key = f"CQ-HUB-0001|{message}|"
        self.lines.append({"feed": FEED, "key": key, "lane": "1", "events": events, "taken": taken, "answer": ""})

    def reckoned(self) -> Reckoning:
        self.told.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        self.recording.close()
        return reckon(self.dsn, self.told, {FEED: self.told.parent / "outbox.sqlite"})


def test_books_that_agree_show_nothing(dsn: str, tmp_path: Path) -> None:
    assert Books(dsn, tmp_path).reckoned() == Reckoning(told=6, recorded=6)


def told_but_not_recorded(books: Books) -> None:
    books.tell("m4", 2)


def numbered_but_not_recorded(books: Books) -> None:
    books.take("m4")


def recorded_but_not_numbered(books: Books) -> None:
    books.record("m4", 1)


def recorded_though_refused(books: Books) -> None:
    books.take("m4")
    books.record("m4")
    books.tell("m4", 2, taken=False)


def recorded_under_anothers_number(books: Books) -> None:
    books.take("m4")
    books.record("m5")
    books.tell("m4", 2)


def recorded_before_what_was_answered_earlier(books: Books) -> None:
    books.lines[0], books.lines[1] = books.lines[1], books.lines[0]


@pytest.mark.parametrize(("disagree", "lost", "doubled", "reordered"), [
    (told_but_not_recorded, 2, 0, 0), (numbered_but_not_recorded, 2, 0, 0), (recorded_but_not_numbered, 0, 1, 0),
    (recorded_though_refused, 0, 2, 0), (recorded_under_anothers_number, 0, 0, 2), (recorded_before_what_was_answered_earlier, 0, 0, 1),
])  # fmt: skip
def test_books_that_disagree_are_told_apart(
    dsn: str, tmp_path: Path, disagree: Callable[[Books], None], lost: int, doubled: int, reordered: int
) -> None:
    books = Books(dsn, tmp_path)
    disagree(books)
    found = books.reckoned()
    assert (found.lost, found.doubled, found.reordered) == (lost, doubled, reordered)


def test_what_was_recorded_and_could_not_be_answered_is_no_fault(dsn: str, tmp_path: Path) -> None:
    books = Books(dsn, tmp_path)
    books.take("m4")
    books.record("m4")
    assert books.reckoned() == Reckoning(told=6, recorded=8, untold=2)
