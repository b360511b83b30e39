"""The page of jobs: what commands do meanwhile, how far audits are and who asked; and looking back, where it takes an audit."""

import os
import re
import time

import psycopg
import pytest

from hub.admin.accounts.roles import AUDITOR, OPERATOR, POLICY
from hub.child import Child, python
from hub.console.workings import Workings
from hub.journal.announcing import Announced, under_way
from hub.journal.sessions import session
from tests.clients import DEADLINE_S
from tests.console.conftest import Scene, Visitor, visitor
from tests.hub_process import environment


def awaited(one: Visitor, text: str) -> str:
    """Returns the page of jobs once it has a text."""
    until_s = time.monotonic() + DEADLINE_S
    while text not in (page := one.get("/jobs")):
        assert time.monotonic() < until_s, page
        time.sleep(0.05)
    return page


def test_what_a_command_does_is_listed_until_it_ends(scene: Scene, workings: Workings) -> None:
    one = visitor(workings, OPERATOR)
    with psycopg.connect(scene.hub.dsn) as holder:
        # So it waits in the midst of its work.
        holder.execute("LOCK TABLE views.loss IN ACCESS EXCLUSIVE MODE")
        with Child(python("hub.cli", "rebuild", "loss"), environment(scene.hub.dsn, scene.hub.data_dir)) as child:
            page = awaited(one, "rebuild of a view")
            assert "Ctrl-C in its terminal" in page and "To be approved" not in page
            holder.rollback()
            assert child.wait(DEADLINE_S) == 0
    awaited(one, "Nothing is running")


def test_work_says_how_far_it_is_and_a_name_that_is_none_is_no_work(scene: Scene) -> None:
    with session(scene.hub.dsn, "hub_reader", "test") as connection, session(scene.hub.dsn, "hub_reader", "hub-work export"):
        with Announced(scene.hub.dsn, "rebuild", "李雷 li.lei") as say:
            [work] = under_way(connection)
            assert (work.kind, work.what, work.thousandths, work.by) == ("rebuild", "", 0, "-")
            say("card_standing", 412, 1_000)
            [work] = under_way(connection)
            assert (work.what, work.thousandths) == ("card_standing", 412) and abs(work.since_s - time.time()) < DEADLINE_S
            assert under_way(connection) == [work]
        until_s = time.monotonic() + DEADLINE_S
        while under_way(connection):
            assert time.monotonic() < until_s
            time.sleep(0.01)


def test_work_goes_on_where_it_cannot_be_announced() -> None:
    with Announced("postgresql://127.0.0.1:1/none", "export", str(os.getuid())) as say:
        say("journal", 1, 2)


@pytest.mark.slow
def test_audits_are_jobs_of_those_who_see_them(workings: Workings, audited: str) -> None:
    asks, approves, operates = (visitor(workings, role) for role in (POLICY, AUDITOR, OPERATOR))
    response = asks.post("/audit/requests/ask", kind="record", purpose="yearly", basis="audit law 34")
    path = str(response.headers["location"])
    waiting = approves.get("/jobs")
    assert path in waiting[waiting.index("To be approved") :] and asks.name in waiting and f"/audit/requests/{audited}" in waiting
    assert path not in operates.get("/jobs")
    asks.post(f"{path}/cancel")
    ended = visitor(workings, AUDITOR).get("/jobs")
    assert path in ended[ended.index("Ended lately") :] and "called off" in ended


def test_what_takes_a_replay_is_offered_as_an_audit_that_is_filled_in(scene: Scene, auditor: Visitor, workings: Workings) -> None:
    page = auditor.get(f"/known?known={scene.of_sichuan}")
    offered = dict(re.findall(r'href="(/audit/requests/ask\?kind=(\w+)[^"]*)"', page))
    assert set(offered.values()) == {"answers", "rules", "views", "card"}
    for address, kind in offered.items():
        form = auditor.get(address.replace("&amp;", "&"))
        [filled] = re.findall(r'id="(?:to|at)"[^>]* value="(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)"', form)
        assert filled in page, kind
    assert "kind=card" not in visitor(workings, POLICY).get(f"/known?known={scene.of_sichuan}")
    assert "kind=" not in visitor(workings, OPERATOR).get(f"/known?known={scene.of_sichuan}")
    assert "kind=" not in auditor.get("/known?known=0")


@pytest.mark.parametrize("path", ["/", "/flows", "/feeds", "/losses"])
def test_a_page_that_cannot_look_back_says_so(auditor: Visitor, path: str) -> None:
    page = auditor.get(f"{path}?known=2026-03-03 10:05")
    assert "This page cannot look back" in page and 'href="/known?known=2026-03-03%2010%3A05"' in page
    assert "cannot look back" not in auditor.get(path)
