"""Database sessions: opened as a role, under a name, with settings; and locks of one name among them."""

import threading

import psycopg
import pytest

from hub.journal.sessions import alone, in_turn, locks, session, set_up

_KNOWN = "SELECT current_user::text, current_setting('application_name'), current_setting('jit')"


def test_a_session_has_the_role_the_name_and_the_settings_that_it_is_opened_with(server_dsn: str) -> None:
    with session(server_dsn, "hub_reader", "hub-test", {"jit": "off"}) as connection:
        assert connection.execute(_KNOWN).fetchone() == ("hub_reader", "hub-test", "off")


def test_a_session_without_a_role_stays_what_it_logged_in_as(server_dsn: str) -> None:
    with session(server_dsn, None, "hub-test") as connection:
        assert connection.execute("SELECT current_user = session_user").fetchone() == (True,)


def test_a_session_that_cannot_be_set_up_is_not_left_open(server_dsn: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        session(server_dsn, "hub_reader", "hub-test-unfit", {"jit": "perhaps"})
    with session(server_dsn, None, "hub-test") as connection:
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hub-test-unfit' AND state = 'idle'"
        assert connection.execute(count).fetchone() == (0,)


def test_what_sets_a_session_up_is_one_text_for_every_kind_of_connection() -> None:
    assert set_up("hub_writer", {"lock_timeout": "1s", "jit": "off"}) == "SET ROLE hub_writer; SET lock_timeout = '1s'; SET jit = 'off'"
    assert set_up(None) == ""


def test_one_session_has_the_lock_of_a_name_and_the_next_is_refused(server_dsn: str) -> None:
    with session(server_dsn, None, "hub-test") as first, session(server_dsn, None, "hub-test") as second:
        with alone(first, "test.alone", BlockingIOError()):
            with pytest.raises(BlockingIOError), alone(second, "test.alone", BlockingIOError()):
                pytest.fail("both have it")
            assert not locks(second, "test.alone")
        assert locks(second, "test.alone")


def test_a_lock_ends_with_its_session(server_dsn: str) -> None:
    with session(server_dsn, None, "hub-test") as first:
        assert locks(first, "test.ends")
    with session(server_dsn, None, "hub-test") as second, in_turn(second, "test.ends"):
        assert second.execute("SELECT 1").fetchone() == (1,)


def test_who_comes_second_waits_for_its_turn(server_dsn: str) -> None:
    has_had_it = threading.Event()

    def come_second() -> None:
        with session(server_dsn, None, "hub-test") as second, in_turn(second, "test.turn"):
            has_had_it.set()

    thread = threading.Thread(target=come_second)
    with session(server_dsn, None, "hub-test") as first:
        with in_turn(first, "test.turn"):
            thread.start()
            assert not has_had_it.wait(0.3)
        assert has_had_it.wait(10)
    thread.join()
