"""What live pages show is made before it is asked for again, and what cannot be made is not given as if it were new."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hub.console import shared
from hub.console.shared import SharedPages, Ways

HERE = ("/", "en")


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedPages]:
    """Pages that are made ahead, ten times as often as they really are."""
    monkeypatch.setattr(shared, "FRESH_S", 0.2)
    monkeypatch.setattr(shared, "OLDEST_S", 0.5)
    monkeypatch.setattr(shared, "LOOK_EVERY_S", 0.01)
    found = SharedPages(makes_ahead=True)
    yield found
    found.stop()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_open_page_is_made_by_another_thread_before_it_is_asked_for_again(pages: SharedPages) -> None:
    makers: list[str] = []

    def make() -> str:
        makers.append(threading.current_thread().name)
        return f"body {len(makers)}"

    ways = Ways(make, lambda made: f"<{made.body} {made.tag}>")
    first = pages.get(HERE, ways)
    until(lambda: len(makers) > 2)
    again = pages.get(HERE, ways)
    assert (first.body, makers[0]) == ("body 1", "MainThread") and set(makers[1:]) == {"console-ahead"}
    assert again.body != first.body and gzip.decompress(again.sent).decode() == f"<{again.body} {again.tag}>"


def test_what_can_no_longer_be_made_is_shown_for_a_moment_and_then_refused(pages: SharedPages) -> None:
    tries: list[int] = []

    def make() -> str:
        tries.append(1)
        if len(tries) > 1:
            raise ConnectionError
        return "body"

    ways = Ways(make, lambda made: made.body)
    assert pages.get(HERE, ways).body == "body"
    until(lambda: len(tries) > 1)
    with pytest.raises(ConnectionError):
        until(lambda: pages.get(HERE, ways).body != "body")


def test_a_page_that_nobody_asks_for_is_made_no_more(pages: SharedPages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "ASKED_S", 0.3)
    closed: list[int] = []
    still: list[int] = []

    def counting(count: list[int]) -> Ways:
        return Ways(lambda: str(count.append(1)), lambda made: made.body)

    pages.get(HERE, counting(closed))
    until(lambda: bool(pages.get(("/views", "en"), counting(still))) and len(still) > 6)
    assert len(closed) < 4
