"""Whose pages refresh themselves is asked about for all together, and a session that has ended refreshes nothing any more."""

import pytest

from hub.admin.accounts.accounts import disable
from hub.admin.accounts.roles import POLICY
from hub.config import Config
from hub.console import seen_sessions
from hub.console.guard import COOKIE
from hub.console.workings import Workings
from hub.journal.sessions import session
from tests.console.conftest import Scene, Visitor, visitor

REFRESH = {"hx-request": "true"}


@pytest.fixture
def own(scene: Scene) -> Workings:
    """Workings whose thread does not run: a test says when sessions are confirmed."""
    return Workings(Config(data_dir=scene.hub.data_dir, dsn=scene.hub.dsn), scene.hub.dsn)


def refreshed(one: Visitor) -> int:
    return one.client.get("/views", headers=REFRESH, follow_redirects=False).status_code


def test_a_refresh_is_answered_without_the_database_for_some_seconds(own: Workings, monkeypatch: pytest.MonkeyPatch) -> None:
    one = visitor(own, POLICY)
    assert refreshed(one) == 200
    own.rows.close()
    own.rows._dsn = "postgresql://127.0.0.1:1/none"
    assert refreshed(one) == 200 and one.client.get("/views").status_code == 503
    monkeypatch.setattr(seen_sessions, "OLDEST_S", -1.0)
    assert refreshed(one) == 503


@pytest.mark.parametrize("how", ["ended", "disabled", "given another role"])
def test_who_may_no_longer_see_it_is_found_for_all_at_once(own: Workings, how: str) -> None:
    one, other = visitor(own, POLICY), visitor(own, POLICY)
    assert [refreshed(one), refreshed(other)] == [200, 200]
    with session(own.dsn, "hub_console", "test") as connection:
        if how == "ended":
            connection.execute("DELETE FROM console.session WHERE account = %s", (one.name,))
        elif how == "disabled":
            disable(connection, one.name, is_disabled=True)
        else:
            connection.execute("UPDATE console.account SET roles = '{PROVINCE_STAFF}', provinces = '{51}' WHERE name = %s", (one.name,))
    own.seen_sessions.confirm()
    assert [refreshed(one), refreshed(other)] == [403 if how == "given another role" else 401, 200]


def test_a_session_that_ends_here_refreshes_nothing_from_then_on(own: Workings) -> None:
    one = visitor(own, POLICY)
    cookie = one.client.cookies[COOKIE]
    assert refreshed(one) == 200
    assert one.post("/sign-out").status_code == 303
    one.client.cookies.set(COOKIE, cookie)
    assert refreshed(one) == 401


def test_a_tab_that_asks_no_more_is_no_longer_asked_about(own: Workings, monkeypatch: pytest.MonkeyPatch) -> None:
    one = visitor(own, POLICY)
    assert refreshed(one) == 200 and own.seen_sessions.get(one.client.cookies[COOKIE]) is not None
    monkeypatch.setattr(seen_sessions, "ASKED_S", 0.0)
    own.seen_sessions.confirm()
    assert own.seen_sessions.get(one.client.cookies[COOKIE]) is None
