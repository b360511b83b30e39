"""What rules find, and what becomes of it: the scenario files, live and from position 1 again, whatever the size of a page."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from hub.journal.recorder import AggregateStore
from hub.projections import runner
from tests.findings.acting import NAMES, Acting, read
from tests.recording import Recording


@pytest.fixture
def acting(dsn: str, journal: Recording, views: psycopg.Connection) -> Iterator[Acting]:
    with closing(AggregateStore(dsn)) as store, runner.connect(dsn) as projector:
        yield Acting(journal, views, projector, store)


@pytest.mark.parametrize("name", NAMES)
def test_scenario(acting: Acting, name: str) -> None:
    acting.run([*read(name)["steps"], {"again": 3}])


def test_a_file_says_what_it_shows_in_both_languages_and_whence() -> None:
    titles = [read(name)["title"] for name in NAMES]
    assert all(title["zh"] and title["en"] for title in titles)
    assert len({title["en"] for title in titles}) == len(NAMES)
    assert all(read(name)["source"] for name in NAMES)
