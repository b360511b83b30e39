"""Kills the console at any moment between the look at somebody's record and the page: what was shown must have been recorded.

Each try is a copy of this process that answers one request for an answer about a card by the real application over the real database, and
writes the page to a pipe; it is killed after a random time. A page, or any part of one, without its look in the journal is a fault.
"""

import asyncio
import json
import os
import random
import re
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from starlette.applications import Starlette

from hub.admin.accounts.accounts import find_account, put_account
from hub.admin.accounts.roles import AUDITOR, PROVINCES
from hub.admin.accounts.sessions import Subject, begin_session, find_session, put_subject
from hub.child import Copy
from hub.config import Config
from hub.console.app import Application
from hub.console.guard import COOKIE
from hub.console.rendering import environment
from hub.console.workings import Workings
from hub.journal.reader import events_at, head_position
from hub.journal.sessions import session

ACCOUNT, SEED = "bench-killed", 1
# So many whole answers say how long one takes.
WHOLE = 5
_RECORDED = re.compile(r"recorded at position ([0-9,]+)")


def main() -> None:
    """Runs the tries and writes what was found as one line."""
    dsn, data_dir, decision, kills = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    print(json.dumps(measure(dsn, data_dir, decision, kills)), flush=True)  # noqa: T201 (for the parent)


def measure(dsn: str, data_dir: Path, decision: int, kills: int) -> dict[str, Any]:
    """Returns how many tries ended before the look, after it, and with a page, and how many pages had no look."""
    with session(dsn, "hub_console", "hub-bench") as connection:
        put_account(connection, ACCOUNT, ACCOUNT, (AUDITOR,), PROVINCES)
        account = find_account(connection, ACCOUNT)
        assert account is not None
        secret = begin_session(connection, account, "LINK")
        found = find_session(connection, secret)
        assert found is not None
        put_subject(connection, found, Subject(f"decision-{decision}", None, "", "", "AUDIT"))
    for template in ("decision", "base"):
        environment().get_template(f"{template}.html")
    # It opens no session before it is asked, so copies share nothing but what is read.
    application = Application(Workings(Config(data_dir=data_dir, dsn=dsn), dsn)).starlette()

    def answer() -> None:
        _answer(application, decision, secret)

    whole_s = sorted(_try(answer, None)[1] for _ in range(WHOLE))[WHOLE // 2]
    chance, counts = random.Random(SEED), {"before_look": 0, "after_look": 0, "shown": 0, "unrecorded": 0}  # noqa: S311 (no secret)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(kills):
            before, others = head_position(connection), _consoles(connection)
            said, _ = _try(answer, chance.uniform(0, 1.1 * whole_s))
            _await_end(connection, others)
            counts[_outcome(connection, said, _looks_since(connection, before))] += 1
    return {"tries": kills, "whole_ms": round(whole_s * 1e3, 1), **counts}


def _try(answer: Any, kill_after_s: float | None) -> tuple[str, float]:
    """Runs one request, kills it if it is to be, and returns what it said and how long it took."""
    copy = Copy(answer)
    copy.begin()
    copy.stdout.read(1)
    began = time.monotonic()
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        copy.kill()
    said = copy.stdout.read()
    copy.wait()
    copy.stdout.close()
    return said, time.monotonic() - began


def _answer(application: Starlette, decision: int, secret: str) -> None:
    """Answers one request in a copy; "." is written before it begins."""
    headers = [(b"cookie", f"{COOKIE}={secret}; lang=en".encode()), (b"host", b"console")]
    path = f"/decisions/{decision}"
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}
    scope |= {"scheme": "http", "http_version": "1.1", "root_path": "", "server": ("console", 80), "client": ("127.0.0.1", 1)}
    os.write(1, b".")

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            os.write(1, message.get("body", b""))

    asyncio.run(application(scope, receive, send))


def _consoles(connection: psycopg.Connection) -> set[int]:
    """Returns which sessions of consoles there are."""
    return {pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'hub-console%'").fetchall()}


def _await_end(connection: psycopg.Connection, others: set[int]) -> None:
    """Waits until the database has ended the sessions of who was killed: a commit that was under way may still come."""
    deadline = time.monotonic() + 20
    while _consoles(connection) - others:
        if time.monotonic() > deadline:
            raise TimeoutError("a killed console still has a session")
        time.sleep(0.002)


def _looks_since(connection: psycopg.Connection, position: int) -> int:
    row = connection.execute(
        "SELECT count(*) FROM journal.event WHERE position > %s AND kind = 'card_record_queried'", (position,)
    ).fetchone()
    assert row is not None
    return int(row[0])


def _outcome(connection: psycopg.Connection, said: str, looks: int) -> str:
    if not said:
        return "after_look" if looks else "before_look"
    named = _RECORDED.search(said)
    found = events_at(connection, [int(named[1].replace(",", ""))]) if named is not None else []
    is_recorded = looks == 1 and (named is None or bool(found and found[0].event.card_record_queried.operator == ACCOUNT))
    return "shown" if is_recorded else "unrecorded"
