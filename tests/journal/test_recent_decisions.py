"""Recorded answers, the newest first: page after page, from any position, whatever else their feed and the journal hold."""

import psycopg
import pytest

from hub.journal import recent_decisions as module
from hub.journal.reader import Recorded
from hub.journal.recent_decisions import Found, recent_decisions
from tests.recording import Recording, decided, journey, looked_at


@pytest.fixture
def answers(journal: Recording, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions of the answers in a feed that has looks as well, beside another feed."""
    monkeypatch.setattr(module, "DECISIONS_FEED", "sc.card-center")
    found: list[int] = []
    for size in (1, 3, 2, 1, 1, 2):
        journal.append(journey(), journey())
        journal.append(looked_at(), feed="sc.card-center")
        found += journal.append(*[decided() for _ in range(size)], feed="sc.card-center")
    return found


def pages(dsn: str, before: int, most: int, wanted: set[int]) -> list[int]:
    """The positions of all pages, one after the other."""
    found: list[int] = []

    def is_wanted(one: Recorded) -> bool:
        return one.position in wanted

    with psycopg.connect(dsn) as connection:
        page = Found([], before)
        while page.back_to or not found:
            page = recent_decisions(connection, is_wanted, page.back_to, most)
            found += [one.position for one in page.decisions]
            if not page.back_to:
                return found
    return found


@pytest.mark.parametrize(("batches", "events", "most"), [(200, 6_000, 100), (2, 6_000, 3), (2, 3, 100), (1, 2, 1), (200, 4, 2)])
def test_all_are_found_once_page_by_page(
    dsn: str, answers: list[int], monkeypatch: pytest.MonkeyPatch, batches: int, events: int, most: int
) -> None:
    monkeypatch.setattr(module, "BATCHES", batches)
    monkeypatch.setattr(module, "LOOKED_AT", events)
    assert pages(dsn, 0, most, set(answers)) == answers[::-1]
    odd = answers[::2]
    assert pages(dsn, 0, most, set(odd)) == odd[::-1]


def test_only_what_is_below_a_position_is_found_in_the_middle_of_a_batch_too(dsn: str, answers: list[int]) -> None:
    for position in range(1, answers[-1] + 2):
        assert pages(dsn, position, 100, set(answers)) == [at for at in answers[::-1] if at < position], position


def test_of_a_hub_that_answered_nothing_nothing_is_found(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        assert recent_decisions(connection, lambda _: True, 0, 100) == Found([], 0)
