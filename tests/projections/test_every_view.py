"""Every view over one history that has something for each: live = rebuilt, twice = once, and what is switched goes on."""

import contextlib
import os
from collections.abc import Iterator

import psycopg
import pytest

from hub.projections import PROJECTIONS, runner
from hub.projections.engine import Projection, advance
from hub.projections.rebuild import digest, drop_fresh, fresh_copy, rebuild
from hub.projections.views.agreements import AGREEMENTS
from hub.projections.views.card_alias import CARD_ALIAS
from hub.projections.views.card_standing import CARD_STANDING
from tests.databases import fresh_database
from tests.projections.test_projections import fold, record_a_history
from tests.recording import Recording, journey, registered
from tests.seeds import one_in

each_view = pytest.mark.parametrize("view", PROJECTIONS, ids=lambda view: view.name)


@pytest.fixture(scope="module")
def journal(server_dsn: str) -> Iterator[Recording]:
    """One database with the history and empty views for all tests: each is about a view of its own."""
    with fresh_database(server_dsn, f"hub_history_{os.getpid()}") as dsn, contextlib.closing(Recording(dsn)) as journal:
        record_a_history(dsn, journal)
        yield journal


@pytest.fixture(scope="module")
def views(journal: Recording) -> Iterator[psycopg.Connection]:
    """A projector's session."""
    with runner.connect(journal.dsn) as connection:
        yield connection


@pytest.fixture(scope="module")
def unfolded(server_dsn: str) -> Iterator[psycopg.Connection]:
    """A projector's session over the history in a database where no other test folds it."""
    with fresh_database(server_dsn, f"hub_unfolded_{os.getpid()}") as dsn, contextlib.closing(Recording(dsn)) as journal:
        record_a_history(dsn, journal)
        with runner.connect(dsn) as connection:
            yield connection


@each_view
def test_live_is_rebuilt_digest_for_digest(views: psycopg.Connection, view: Projection) -> None:
    fold(views, view, page_events=10)
    result = rebuild(views, view, switch=False)
    assert result.live_digest == result.fresh_digest


@pytest.mark.slow
@each_view
def test_live_that_was_folded_event_by_event_is_rebuilt(unfolded: psycopg.Connection, view: Projection) -> None:
    fold(unfolded, view, page_events=1)
    result = rebuild(unfolded, view, switch=False)
    assert result.live_digest == result.fresh_digest


@each_view
def test_every_view_has_something_of_the_history(views: psycopg.Connection, view: Projection) -> None:
    fold(views, view)
    empty = digest(views, fresh_copy(views, view))
    drop_fresh(views, view)
    assert digest(views, view) != empty


@each_view
def test_nothing_of_the_history_is_parked(views: psycopg.Connection, view: Projection) -> None:
    fold(views, view)
    assert views.execute("SELECT * FROM views.parked").fetchall() == []


@each_view
def test_folding_what_is_folded_changes_nothing(views: psycopg.Connection, view: Projection) -> None:
    fold(views, view)
    once = digest(views, view)
    assert (advance(views, view), digest(views, view)) == (0, once)


@pytest.mark.parametrize("view", [CARD_STANDING, CARD_ALIAS, AGREEMENTS], ids=lambda view: view.name)
def test_views_that_keep_facts_by_position_take_the_same_events_twice(views: psycopg.Connection, view: Projection) -> None:
    fold(views, view)
    once = digest(views, view)
    views.execute("UPDATE views.checkpoint SET position = 0 WHERE view = %s", (view.name,))
    fold(views, view)
    assert digest(views, view) == once


@pytest.mark.parametrize("view", one_in(4, PROJECTIONS), ids=lambda view: view.name)
def test_a_switched_view_goes_on_live(journal: Recording, views: psycopg.Connection, view: Projection) -> None:
    fold(views, view)
    rebuild(views, view)
    journal.append(registered("A00000007"), feed="cq.card-center")
    journal.append(journey("A00000007"))
    fold(views, view)
    assert rebuild(views, view, switch=False).is_equal
