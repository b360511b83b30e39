"""`hub fsck` on a real PostgreSQL: it finds what was planted, names where it is, and cries no wolf."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2

from hub.admin.registry import load_agreements
from hub.audit.fsck import Checked, check
from hub.journal.recorder import AggregateStore
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.projections.rebuild import digest
from tests.databases import fresh_database
from tests.recording import Recording, journey, key_of, lost, register_owners, registered, shown
from tests.seeds import one_in

CARDS = ("A00000001", "A00000002")


@pytest.fixture(scope="module")
def sound(server_dsn: str) -> Iterator[str]:
    """The name of a database of ten events, all folded: two register the provinces, then four in cq.card-center, four in cq.usage."""
    name = f"hub_fsck_{os.getpid()}"
    with fresh_database(server_dsn, name) as dsn:
        register_owners(dsn)
        recording = Recording(dsn)
        recording.append(*(event(card) for card in CARDS for event in (registered, lost)), feed="cq.card-center")
        recording.append(journey(), journey(), journey(), journey())
        recording.close()
        fold(dsn)
        yield name


@pytest.fixture
def dsn(server_dsn: str, sound: str) -> Iterator[str]:
    """A copy of that database."""
    with fresh_database(server_dsn, f"{sound}_copy", sound) as dsn:
        yield dsn


@pytest.fixture
def empty(server_dsn: str, sound: str) -> Iterator[str]:
    """A database without an event."""
    with fresh_database(server_dsn, f"{sound}_empty") as dsn:
        yield dsn


@pytest.fixture
def journal(dsn: str) -> Iterator[Recording]:
    """What goes on where the feeds of the ten events end."""
    recording = Recording(dsn)
    yield recording
    recording.close()


def fold(dsn: str) -> None:
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
        runner.catch_up(connection)


def plant(dsn: str, sql: str) -> None:
    """Changes the database as only a superuser can."""
    with psycopg.connect(dsn) as connection:
        connection.execute(sql.encode())


def problems(dsn: str, **options: Any) -> list[str]:
    return check(dsn, **options).problems


def contents(connection: psycopg.Connection) -> tuple[list[str], list[str]]:
    """The names of all tables of views, and what the rows of each view come to."""
    named = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'views' ORDER BY tablename").fetchall()
    return [name for (name,) in named], [digest(connection, view) for view in PROJECTIONS]


def test_a_sound_hub_is_clean(dsn: str, journal: Recording) -> None:
    assert check(dsn, with_identifiers=True) == Checked(head=10, events=10, views={view.name: True for view in PROJECTIONS})


def test_an_empty_hub_is_clean(empty: str) -> None:
    assert problems(empty, with_identifiers=True) == []


def test_a_hub_with_participants_and_agreements_is_clean(empty: str) -> None:
    store = AggregateStore(empty)
    load_agreements(store, datetime(2025, 1, 1, tzinfo=UTC))
    store.close()
    fold(empty)
    assert problems(empty, with_identifiers=True) == []


def test_events_newer_than_the_views_are_no_problem(dsn: str, journal: Recording) -> None:
    journal.append(journey())
    assert problems(dsn) == []


def test_a_deleted_event_is_a_missing_position(dsn: str, journal: Recording) -> None:
    plant(dsn, "DELETE FROM journal.event WHERE position = 8")
    assert "positions 1 to 10: 1 missing" in problems(dsn, with_views=False)


def test_a_deleted_event_is_a_hole_in_its_feed(dsn: str, journal: Recording) -> None:
    plant(dsn, "DELETE FROM journal.event WHERE position = 8")
    stream = journal.streams["cq.usage"]
    assert f"stream {stream}: numbers 1 to 4 do not follow 0 without hole and in order" in problems(dsn, with_views=False)


def test_a_deleted_last_event_is_found(dsn: str, journal: Recording) -> None:
    plant(dsn, "DELETE FROM journal.event WHERE position = 10")
    assert "stream cq.usage: its row expects 5, its events end with 3" in problems(dsn, with_views=False)


def test_a_deleted_feed_is_found(dsn: str, journal: Recording) -> None:
    plant(dsn, "DELETE FROM journal.event WHERE position BETWEEN 7 AND 10; UPDATE journal.head SET position = 6")
    assert "stream cq.usage: its row expects 5, its events end with 0" in problems(dsn, with_views=False)


def test_a_missing_last_batch_row_is_found(dsn: str, journal: Recording) -> None:
    journal.append(journey())
    plant(dsn, f"DELETE FROM journal.batch WHERE stream_id = {journal.streams['cq.usage']} AND first_sequence = 5")
    assert problems(dsn, with_views=False) == ["stream cq.usage: its row expects 6, its batches end with 4"]


def test_a_deleted_journal_is_found(dsn: str, journal: Recording) -> None:
    plant(dsn, "TRUNCATE journal.event")
    assert "positions 1 to 10: 10 missing" in problems(dsn, with_views=False)


def test_an_event_beyond_the_head_is_found(dsn: str, journal: Recording) -> None:
    plant(dsn, "UPDATE journal.head SET position = 9")
    found = check(dsn, with_views=False)
    assert found.problems[0] == "position 10 is outside of the journal, which has 1 to 9"
    assert set(found.codes) == {"beyond-head", "checkpoint-beyond-head"}


@pytest.mark.parametrize("position", one_in(4, [-1, 0, 11, 12]))
@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE journal.batch SET first_position = {position} WHERE first_position = 7", "batch-elsewhere"),
        ("INSERT INTO journal.correction SELECT stream_id, 1, {position} FROM journal.stream WHERE name = 'cq.usage'", "correction-added"),
        ("INSERT INTO journal.request (request_key, position) VALUES ('forged', {position})", "request-elsewhere"),
        ("INSERT INTO journal.redeemed_token (token_key, position) VALUES ('forged', {position})", "token-added"),
    ],
)
def test_what_leads_outside_of_the_journal_is_found(dsn: str, journal: Recording, statement: str, code: str, position: int) -> None:
    plant(dsn, statement.format(position=position))
    assert set(check(dsn, with_views=False).codes) == {code}


def test_an_event_before_the_first_is_found(dsn: str, journal: Recording) -> None:
    plant(
        dsn,
        """INSERT INTO journal.event (position, recorded_at, stream_id, sequence, kind, data)
           SELECT 0, recorded_at, stream_id, 0, kind, data FROM journal.event WHERE position = 1""",
    )
    assert problems(dsn, with_views=False) == ["position 0 is outside of the journal, which has 1 to 10"]


def test_a_jump_in_a_feeds_numbers_is_found(dsn: str, journal: Recording) -> None:
    plant(dsn, "UPDATE journal.event SET sequence = 9 WHERE position = 10")
    stream = journal.streams["cq.usage"]
    assert f"stream {stream}: numbers 1 to 9 do not follow 0 without hole and in order" in problems(dsn, with_views=False)


def test_a_number_that_two_events_of_a_feed_have_is_found(dsn: str, journal: Recording) -> None:
    plant(dsn, "UPDATE journal.event SET sequence = 2 WHERE position = 9")
    stream = journal.streams["cq.usage"]
    assert problems(dsn, with_views=False) == [f"stream {stream}: numbers 1 to 4 do not follow 0 without hole and in order"]


def test_numbers_in_another_order_than_positions_are_found(dsn: str, journal: Recording) -> None:
    plant(dsn, "UPDATE journal.event SET sequence = 5 - sequence WHERE position BETWEEN 7 AND 10")
    stream = journal.streams["cq.usage"]
    assert f"stream {stream}: numbers 1 to 4 do not follow 0 without hole and in order" in problems(dsn, with_views=False)


def test_a_feed_row_that_is_ahead_of_its_events_is_found(dsn: str, journal: Recording) -> None:
    plant(dsn, "UPDATE journal.stream SET next_sequence = 6 WHERE name = 'cq.usage'")
    assert problems(dsn, with_views=False) == ["stream cq.usage: its row expects 6, its events end with 4"]


def test_a_feed_row_that_is_behind_its_events_is_found(dsn: str, journal: Recording) -> None:
    plant(dsn, "UPDATE journal.stream SET next_sequence = 4 WHERE name = 'cq.usage'")
    assert problems(dsn, with_views=False) == ["stream cq.usage: its row expects 4, its events end with 4"]


def test_a_missing_batch_row_is_found(dsn: str, journal: Recording) -> None:
    journal.append(journey())
    journal.append(journey())
    stream = journal.streams["cq.usage"]
    plant(dsn, f"DELETE FROM journal.batch WHERE stream_id = {stream} AND first_sequence = 5")
    assert problems(dsn, with_views=False) == [f"stream {stream}: batch at 6 does not follow the one before"]


def test_a_batch_row_that_leads_to_other_events_is_found(dsn: str, journal: Recording) -> None:
    stream = journal.streams["cq.usage"]
    plant(dsn, f"UPDATE journal.batch SET first_position = 6 WHERE stream_id = {stream}")
    assert problems(dsn, with_views=False) == [f"stream {stream}: batch at 1 does not lead to its events"]


def test_a_recorded_at_that_goes_back_is_found(dsn: str, journal: Recording) -> None:
    plant(dsn, "UPDATE journal.event SET recorded_at = recorded_at - interval '1 hour' WHERE position = 8")
    assert problems(dsn, with_views=False) == ["position 8: recorded before position 7"]


def test_an_identifier_in_clear_is_found(dsn: str, journal: Recording) -> None:
    event = shown()
    event.card.clear = "A00000001"
    journal.append(event)
    fold(dsn)
    assert problems(dsn, with_views=False, with_identifiers=True) == ["position 11: card.clear is in clear"]


def test_an_identifier_in_clear_deep_inside_a_kind_is_found(dsn: str, journal: Recording) -> None:
    event = registered("A00000001")
    event.social_function_activated.supersedes.clear = "A00000002"
    journal.append(event, feed="cq.card-center")
    fold(dsn)
    assert problems(dsn, with_views=False, with_identifiers=True) == ["position 11: social_function_activated.supersedes.clear is in clear"]


OF_ANOTHER_VIEW_EACH = [
    ("card_standing", "UPDATE views.card_standing SET facts = '[]'", f"key {min(map(key_of, CARDS)).hex()}"),
    (
        "daily_usage",
        "UPDATE views.daily_usage SET amount_fen = amount_fen + 1",
        "day 2025-09-01, issuer 50, region 510100, scenario TRA.MET",
    ),
    ("feed_progress", "UPDATE views.feed_progress SET quarantined = 1 WHERE last_position = 10", "stream_id {usage}"),
    ("agreement_history", "INSERT INTO views.agreement_history VALUES (1, 'other', '', 1)", "stream_id 1"),
    ("card_alias", "INSERT INTO views.card_alias VALUES ('other', 'card', 1)", f"key {b'other'.hex()}"),
]
OF_A_ROW_LESS = (
    "card_standing",
    f"DELETE FROM views.card_standing WHERE key = '\\x{key_of(CARDS[1]).hex()}'",
    f"key {key_of(CARDS[1]).hex()}",
)


@pytest.mark.parametrize("tampered", one_in(2, [OF_ANOTHER_VIEW_EACH, [OF_A_ROW_LESS]]))
def test_a_tampered_view_is_found_with_its_first_row(dsn: str, journal: Recording, tampered: list[tuple[str, str, str]]) -> None:
    for _, tampering, _ in tampered:
        plant(dsn, tampering)
    usage = journal.streams["cq.usage"]
    places = [
        f"view {view}: live differs from rebuilt at position 10, first in views.{view}: {key.format(usage=usage)}"
        for view, _, key in tampered
    ]
    assert sorted(problems(dsn)) == sorted(places)


def test_parked_events_are_found(dsn: str, journal: Recording) -> None:
    # A loss is opened first: what becomes of one that nobody opened cannot be folded.
    event = event_pb2.Event()
    event.loss_closed.SetInParent()
    journal.append(event)
    fold(dsn)
    assert problems(dsn) == ["1 events are parked"]


def test_fsck_changes_nothing(dsn: str, journal: Recording) -> None:
    with runner.connect(dsn) as connection:
        was = contents(connection)
        check(dsn, with_identifiers=True)
        assert contents(connection) == was
